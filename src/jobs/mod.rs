//! The background jobs of the server. Each one runs beside the calls, so that no call waits for it.
//!
//! | file | what it does |
//! |---|---|
//! | `revocation_feed` | reads the sessions that other processes ended, and compares the clocks |
//! | `write_probe` | checks whether the database can be written |
//! | `health` | the health status, which these two and the shutdown set |
//! | `audit_writer` | writes the audit trail, and deletes what is past its retention |
//! | `session_times` | writes when sessions last received a token |
//! | `hash_costs` | counts what the stored hashes cost |
//! | `key_keeper` | publishes, rotates and removes the keys of tokens |
//! | `refusal_log` | logs once a second how many calls were refused for lack of room |
//!
//! Sending mail is a job as well; it is `mail::MailWorker`.

mod audit_writer;
mod hash_costs;
mod health;
mod key_keeper;
mod refusal_log;
mod revocation_feed;
mod session_times;
mod write_probe;

pub(crate) use audit_writer::AuditWriter;
pub(crate) use hash_costs::follow_hash_costs;
pub(crate) use health::Health;
pub(crate) use key_keeper::keep_keys;
pub(crate) use refusal_log::log_refusals;
pub(crate) use revocation_feed::{FeedParts, RevocationFeed};
pub(crate) use session_times::SessionTimesWriter;
pub(crate) use write_probe::probe_writes;
