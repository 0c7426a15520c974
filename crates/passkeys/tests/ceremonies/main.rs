//! Tests of the crate as its callers use it: one module for each promise.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod any_input;
mod authentication;
mod other_authenticator;
mod registration;
mod signatures;
mod support;
mod vectors;
