//! The product's promises, one module each, in one binary: it links once.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

mod bad_requests;
mod canary;
mod command_line;
mod cors;
mod crash;
mod email_api;
mod email_refusals;
mod http2;
mod settings;
mod shutdown;
mod sockets;
mod transport;
mod username_api;
mod username_refusals;
