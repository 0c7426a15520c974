//! Shared code of the tests: the app in process with a clock that is moved by hand ([`app`]), the real binary
//! ([`binary`]), checks after a crash ([`crash`]), wrong clocks ([`clock`]), plain HTTP ([`http`]), a real mail server
//! ([`mail_server`]), a network that drops everything ([`network`]), a PostgreSQL server ([`postgres`]), tests that
//! cannot run here ([`skip`]), links ([`ticket`]), authorities and certificates ([`tls`]), and read and forged tokens
//! ([`token`]).

pub mod app;
pub mod binary;
pub mod clock;
pub mod crash;
pub mod http;
pub mod mail_server;
pub mod network;
pub mod postgres;
pub mod skip;
pub mod sources;
pub mod ticket;
pub mod tls;
pub mod token;

pub use app::{PASSWORD, TestApp};
pub use binary::Binary;
pub use http::Answer;

/// The number of migrations of an engine.
pub fn migrations() -> usize {
    std::fs::read_dir("migrations/sqlite").unwrap().count()
}

/// The secret that the tests sign with, so that they can forge tokens.
pub const SECRET: &str = "a secret of the tests, and of nothing else";
