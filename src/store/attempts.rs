//! What the store keeps of guesses at passwords: how often each account's failed in a row. Durable and in one place for all
//! replicas, so that neither a restart nor another replica is a budget more.
//!
//! The order that counts is the database's. A guess is admitted at a count; what comes of it is written only while the count
//! has not moved past what was admitted ([`Budget`]), a failure as well as a success. So no success follows one failure too
//! many, and who was too late learns nothing of the guess, whatever replicas do at once.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Credentials, Listed, StoreError};
use crate::domain::{AttemptKey, Attempts, Handle};

/// Failed attempts, by what was tried.
#[async_trait]
pub trait AttemptStore: Send + Sync + 'static {
    /// What has failed since the last success; `None` when nothing has.
    async fn find_attempts(&self, key: &AttemptKey) -> Result<Option<Attempts>, StoreError>;

    /// What a sign-in begins with: what has failed of `key`, and the account that signs in with `handle`, whatever its
    /// status. In one look, for it is what every guess waits for. After `below` failures or more the account is not looked at: who may have to
    /// wait must not learn by time whether there is one.
    async fn find_sign_in(
        &self,
        key: &AttemptKey,
        handle: &Handle,
        below: u32,
    ) -> Result<(Option<Attempts>, Option<Credentials>), StoreError>;

    /// Counts a failure and answers how many there are now; `None`, and counts nothing, when the guess came too late.
    /// `account_id` is whose name was tried, if it is anybody's.
    async fn count_failure(
        &self,
        budget: &Budget,
        account_id: Option<Uuid>,
        at: OffsetDateTime,
    ) -> Result<Option<u32>, StoreError>;

    /// Forgets the failures for a guess that was right. Tells whether it came in time; if not, nothing is forgotten, and it
    /// must not count as right.
    async fn settle_attempts(&self, budget: &Budget) -> Result<bool, StoreError>;

    /// Forgets the failures. Tells whether there were any.
    async fn clear_attempts(&self, key: &AttemptKey) -> Result<bool, StoreError>;

    /// Up to `limit` counts of at least `failures`, in the order of keys, after `after`.
    async fn list_attempts(
        &self,
        failures: u32,
        after: Option<&AttemptKey>,
        limit: u32,
    ) -> Result<Listed<StoredAttempts>, StoreError>;

    /// Forgets counts that have not grown since `idle_since`; of those that have reached `failures`, only the ones whose
    /// account is not there, or never was.
    async fn purge_attempts(&self, idle_since: OffsetDateTime, failures: u32) -> Result<(), StoreError>;
}

/// What a guess was admitted at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// What is tried.
    pub key: AttemptKey,
    /// How many failures there were.
    pub seen: u32,
    /// At so many failures, the guess comes too late.
    pub below: u32,
}

/// What came of opening a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// It is open, and the failures before it are forgotten.
    Open,
    /// The account is no longer as it was when the password was verified.
    Ended,
    /// Too many guesses failed meanwhile.
    Spent,
}

impl Opened {
    /// Whether it is open.
    pub fn is_open(self) -> bool {
        self == Self::Open
    }
}

/// Failed attempts as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredAttempts {
    /// What was tried.
    pub key: AttemptKey,
    /// Whose name it was at the latest failure, if it was anybody's.
    pub account_id: Option<Uuid>,
    /// How often it failed, and when.
    pub attempts: Attempts,
}
