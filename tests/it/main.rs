//! The product's promises, one module each, in one binary: it links once.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod arrows;
mod backup;
mod bad_requests;
mod calibrate;
mod canary;
mod command_line;
mod cors;
mod crash;
mod disk;
mod email_api;
mod email_refusals;
mod enumeration;
mod every_rpc;
mod forge;
mod grpc;
mod hash_lane;
mod http2;
mod known;
mod layer;
mod metrics;
mod moving;
mod postgres;
mod reflection_and_health;
mod refresh;
mod replicas;
mod session_clients;
mod session_revocation;
mod session_service;
mod sessions_end;
mod settings;
mod shutdown;
mod sockets;
mod sqlite;
mod stack;
mod store;
mod support;
mod token;
mod token_claims;
mod transport;
mod username_api;
mod username_refusals;
mod watch;
mod watcher;
mod wire;
