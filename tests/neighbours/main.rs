//! Real proxies in front of a service, with the configurations that `docs/guarding.md` shows (`examples/proxies`). Only
//! addresses are replaced. `bash .ci/run neighbours` installs the proxies and names them in variables. Separate from
//! `it`, which needs no proxy but nginx.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod deep;
mod envoy;
mod envoy_jwt;
mod http_proxies;
mod proxy;
mod scenes;
mod service;
#[path = "../it/support/mod.rs"]
#[expect(dead_code, reason = "`it` uses the rest")]
mod support;
