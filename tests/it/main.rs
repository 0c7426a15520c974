//! The product's promises, one module each, in one binary: it links once.

mod support;

mod username_api;
