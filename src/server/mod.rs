//! The composition: [`App::build`] makes the parts of the server and connects them, [`run()`] serves them until a
//! signal. `database` opens the database, `secret` finds the secrets, `signing_key` compares the signing secret with
//! that of the other servers, `mail` opens the transport of mail, `supervisor` tells systemd how the server is, and
//! `metrics/` makes the page for Prometheus. The port itself is in `transport`, the background jobs are in `jobs`.

mod app;
mod database;
mod error;
mod mail;
mod metrics;
mod run;
mod secret;
mod signing_key;
mod supervisor;
mod token_keys;

pub use crate::transport::{Limits, RequestRouter};
pub use app::App;
pub use error::ServeError;
pub use run::run;
