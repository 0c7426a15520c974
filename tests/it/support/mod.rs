//! What the tests share: the app in process with a clock that is moved by hand ([`app`]), the real binary ([`binary`]),
//! what it must survive ([`crash`]) and clocks that are not right ([`clock`]), plain HTTP ([`http`]), a real mail
//! server ([`mail_server`]), a network that swallows ([`network`]), a PostgreSQL server ([`postgres`]), links
//! ([`ticket`]), authorities and their certificates ([`tls`]), and tokens, read and forged ([`token`]).

pub mod app;
pub mod binary;
pub mod clock;
pub mod crash;
pub mod http;
pub mod mail_server;
pub mod network;
pub mod postgres;
pub mod sources;
pub mod ticket;
pub mod tls;
pub mod token;

pub use app::{PASSWORD, TestApp};
pub use binary::Binary;
pub use http::Answer;

/// How many migrations there are.
pub fn migrations() -> usize {
    std::fs::read_dir("migrations/sqlite").unwrap().count()
}

/// The secret that tests sign with, so that they can forge.
pub const SECRET: &str = "a secret of the tests, and of nothing else";
