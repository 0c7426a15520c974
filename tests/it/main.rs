//! The product's promises, one module each, in one binary: it links once.

mod forge;
mod support;
mod wire;

mod arrows;
mod enumeration;
mod every_rpc;
mod grpc;
mod layer;
mod reflection_and_health;
mod refresh;
mod sessions_end;
mod sqlite;
mod stack;
mod store;
mod token;
mod token_claims;
mod username_api;
