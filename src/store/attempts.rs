//! Failed guesses at passwords: how many guesses at each account have failed in a row. They are in the database, so
//! that neither a restart nor a second replica gives an attacker another budget of guesses.
//!
//! The database decides the order of guesses. A guess is admitted while there are few enough failures. Its result,
//! success or failure, is stored only if there are still few enough by then ([`Budget`]). So no success is accepted
//! after one failure too many, and a guess that came too late learns nothing, whatever several replicas do at once.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Credentials, Listed, StoreError};
use crate::domain::{AttemptKey, Attempts, Handle};

/// The store of failed guesses, by the key that they count under.
#[async_trait]
pub trait AttemptStore: Send + Sync + 'static {
    /// Finds the failures since the last success; `None` if there are none.
    async fn find_attempts(&self, key: &AttemptKey) -> Result<Option<Attempts>, StoreError>;

    /// Finds what a sign-in begins with: the failures of `key`, and the account that signs in with `handle`, whatever
    /// its status. One query, because every guess waits for it. From `below` failures on the account is not looked up:
    /// a client that may have to wait must not learn from the time of the answer whether the account exists.
    async fn find_sign_in(
        &self,
        key: &AttemptKey,
        handle: &Handle,
        below: u32,
    ) -> Result<(Option<Attempts>, Option<Credentials>), StoreError>;

    /// Counts a failure and returns how many there are now. Returns `None` and counts nothing if the guess came too
    /// late. `account_id` is the account with the name that was tried, if there is one.
    async fn count_failure(
        &self,
        budget: &Budget,
        account_id: Option<Uuid>,
        at: OffsetDateTime,
    ) -> Result<Option<u32>, StoreError>;

    /// Forgets the failures before a guess that was right. Returns false if the guess came too late: then nothing is
    /// forgotten, and the guess must not count as right.
    async fn settle_attempts(&self, budget: &Budget) -> Result<bool, StoreError>;

    /// Forgets the failures of a key. Returns false if there were none.
    async fn clear_attempts(&self, key: &AttemptKey) -> Result<bool, StoreError>;

    /// Lists up to `limit` keys with at least `failures` failures, in the order of keys after `after`.
    async fn list_attempts(
        &self,
        failures: u32,
        after: Option<&AttemptKey>,
        limit: u32,
    ) -> Result<Listed<StoredAttempts>, StoreError>;

    /// Forgets keys that have not failed since `idle_since`. A key with `failures` failures or more is forgotten only
    /// if its account does not exist.
    async fn purge_attempts(&self, idle_since: OffsetDateTime, failures: u32) -> Result<(), StoreError>;
}

/// The budget of failures that a guess was admitted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The key that a failure of the guess counts under.
    pub key: AttemptKey,
    /// The failures when the guess was admitted.
    pub seen: u32,
    /// The number of failures at which the guess comes too late.
    pub below: u32,
}

/// The failures of a key as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredAttempts {
    /// The key that the failures count under.
    pub key: AttemptKey,
    /// The account with the name that was tried last, if there was one.
    pub account_id: Option<Uuid>,
    /// The failures since the last success.
    pub attempts: Attempts,
}
