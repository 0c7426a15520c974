//! The product's promises, one module each, in one binary: it links once.

mod support;

mod canary;
mod command_line;
mod crash;
mod http2;
mod settings;
mod shutdown;
mod sockets;
mod transport;
mod username_api;
