//! The product's promises, one module each, in one binary: it links once.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

mod bad_requests;
mod cors;
mod email_api;
mod email_refusals;
mod username_api;
mod username_refusals;
