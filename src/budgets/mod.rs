//! The limits of password guesses, registrations and requests for mail. Everything here is in memory. Failures of an
//! account must survive a restart and be shared by replicas, so the store counts them (`AttemptStore`);
//! `accounts::guessing` applies both.
//!
//! | limit | default | where |
//! |---|---|---|
//! | failed sign-ins of an address | 100 an hour | setting `LOGIN_FAILURES_PER_ADDRESS`, [`FailureBudget`] |
//! | registrations of an address | 60 an hour | setting `REGISTRATIONS_PER_ADDRESS`, [`AddressBudget`] |
//! | requests for mail of an address | 20 an hour | setting `MAIL_REQUESTS_PER_ADDRESS`, [`AddressBudget`] |
//! | wrong service credentials of an address | 1,000 an hour | `INTROSPECTION_FAILURES_PER_ADDRESS` |
//! | wrong tokens that services of an address ask about | 1,000 an hour | `INTROSPECTION_FAILURES_PER_ADDRESS` |
//! | the same of a network | 16 times as many | [`AddressBudget`] |
//! | failures in a row of an account | 10 without a wait, 100 until it is locked | [`lockout`] |
//! | guesses of an account at the same time | as many as may still fail | [`GuessSlots`] |
//!
//! The defaults of the settings are in `config::budgets`. The limits of addresses stop an attacker that tries one
//! password at many names; they hold for each process by itself. The limits of accounts stop an attacker that tries
//! many passwords at one name. The guess slots keep a hundred guesses at once from being tried before the first
//! failures are counted: ten are tried, and the others wait for the outcome.

mod address_budget;
mod buckets;
mod failure_budget;
mod guess_slots;
pub(crate) mod lockout;

use std::sync::Arc;

use countersign_guard::clock::Clock;

pub use address_budget::Charge;
pub(crate) use address_budget::{AddressBudget, CountedNetworks};
pub(crate) use failure_budget::{FailureBudget, GuessingAddress};
pub use guess_slots::TooManyWaiting;
pub(crate) use guess_slots::{GuessSlot, GuessSlots};

/// The limits of an address, an hour; 0 means no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct PerHour {
    /// Failed sign-ins of an address.
    pub login_failures: u32,
    /// Registrations of an address, successful or not.
    pub registrations: u32,
    /// Requests for mail of an address.
    pub mail_requests: u32,
    /// Wrong service credentials of an address, and as many wrong tokens.
    pub introspection_failures: u32,
}

/// The budgets of one process.
#[derive(Debug)]
pub struct Budgets {
    /// Failed sign-ins, by client address.
    pub login_failures: Arc<FailureBudget>,
    /// Registrations, by client address.
    pub registrations: Arc<AddressBudget>,
    /// Requests for mail, by client address.
    pub mail_requests: Arc<AddressBudget>,
    /// Wrong service credentials, by client address.
    pub wrong_credentials: Arc<FailureBudget>,
    /// Tokens that were not signed here, by the address of the service that asks about them.
    pub wrong_tokens: Arc<FailureBudget>,
    /// Guesses in progress, by account.
    pub guess_slots: Arc<GuessSlots>,
}

impl Budgets {
    /// Full budgets with these limits.
    pub fn new(per_hour: PerHour, clock: &Arc<dyn Clock>) -> Self {
        let addresses = |limit| Arc::new(AddressBudget::new(limit, CountedNetworks::Ipv6, clock));
        let failures = |limit| Arc::new(FailureBudget::new(limit, clock));
        Self {
            login_failures: failures(per_hour.login_failures),
            registrations: addresses(per_hour.registrations),
            mail_requests: addresses(per_hour.mail_requests),
            wrong_credentials: failures(per_hour.introspection_failures),
            wrong_tokens: failures(per_hour.introspection_failures),
            guess_slots: Arc::default(),
        }
    }
}
