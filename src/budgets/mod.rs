//! Budgets of guessing: how often somebody may be wrong. Pure and in memory; what must survive a restart and be shared by
//! replicas, the failures of each account, is the store's (`AttemptStore`), and `accounts` asks both.
//!
//! 1. **By address** ([`Failures`], [`Addresses`]): failed sign-ins, registrations and requests for mail, each so many an
//!    hour, and sixteen times as many of a network. It bounds who tries one password at many names. Bounded in memory whatever
//!    comes, and of each process by itself.
//! 2. **By account** ([`schedule`]): ten failures in a row, then growing waits, then none. It bounds who tries many passwords
//!    at one name.
//! 3. **Turns** ([`Turns`]): guesses at one account that are under way at once are never more than may still fail. So who
//!    sends a hundred at once has ten tried, and the others wait until it is known how those ended.

mod addresses;
mod buckets;
mod failures;
pub mod schedule;
mod turns;

use std::sync::Arc;

pub use addresses::{Addresses, Charge, Networks};
use countersign_guard::clock::Clock;
pub use failures::{Failures, Flight, Source};
pub use turns::{Crowded, Place, Turns};

/// How often an address may do what, an hour; 0 is without limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct PerHour {
    /// Fail to sign in.
    pub login_failures: u32,
    /// Register, whatever comes of it.
    pub registrations: u32,
    /// Ask for mail.
    pub mail_requests: u32,
}

/// The budgets of one process.
#[derive(Debug)]
pub struct Budgets {
    /// Failed sign-ins by address.
    pub login_failures: Arc<Failures>,
    /// Registrations by address.
    pub registrations: Arc<Addresses>,
    /// Requests for mail by address.
    pub mail_requests: Arc<Addresses>,
    /// Guesses that are under way, by account.
    pub turns: Arc<Turns>,
}

impl Budgets {
    /// Nothing is spent yet.
    pub fn new(per_hour: PerHour, clock: &Arc<dyn Clock>) -> Self {
        let addresses = |limit| Arc::new(Addresses::new(limit, Networks::Ipv6, clock));
        Self {
            login_failures: Arc::new(Failures::new(per_hour.login_failures, clock)),
            registrations: addresses(per_hour.registrations),
            mail_requests: addresses(per_hour.mail_requests),
            turns: Arc::default(),
        }
    }
}
