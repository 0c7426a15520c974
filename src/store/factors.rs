//! Second factors: the authenticator apps of accounts, their recovery codes, and the tickets of sign-ins that wait for
//! one. A capability of its own, because each code and each ticket opens one session at most, whatever several replicas
//! do at once: the database compares and sets.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Budget, Opening, StoreError};
use crate::domain::RecoveryDigest;

/// The store of second factors. Secrets of authenticator apps are sealed before they get here.
#[async_trait]
pub trait FactorStore: Send + Sync + 'static {
    /// Finds the second factors of an account. An account that does not exist has none.
    async fn find_factors(&self, account_id: Uuid) -> Result<StoredFactors, StoreError>;

    /// Whether any account has a sealed secret of an authenticator app, in use or pending.
    async fn has_sealed_factors(&self) -> Result<bool, StoreError>;

    /// Whether the ticket has finished a sign-in.
    async fn is_ticket_spent(&self, id: Uuid) -> Result<bool, StoreError>;

    /// Makes a change of an account's second factors. Returns false and changes nothing if the account is not as the
    /// change expects it.
    async fn change_factors(&self, change: &FactorChange) -> Result<bool, StoreError>;

    /// Stores the session of a sign-in whose second factor was right, and uses up its ticket and its code. The account
    /// is compared as in [`SessionStore::open_session`](super::SessionStore::open_session). On success the failures
    /// before it are forgotten, of codes and of passwords.
    async fn complete_login(&self, completion: &LoginCompletion) -> Result<Completed, StoreError>;
}

/// The second factors of an account as stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredFactors {
    /// The authenticator app in use.
    pub totp: Option<SealedTotp>,
    /// The secret that waits to be confirmed.
    pub pending: Option<PendingTotp>,
    /// The number of recovery codes that were not used yet.
    pub recovery_codes: u32,
}

/// A secret in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedTotp {
    /// The secret, sealed for its account.
    pub sealed: String,
    /// The latest step whose code was used.
    pub last_step: i64,
}

/// A secret that is not in use yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingTotp {
    /// The secret, sealed for its account.
    pub sealed: String,
    /// When it was made.
    pub made_at: OffsetDateTime,
}

/// What the owner of an account saw before a change of its second factors. The change is made only if the account is
/// still active and the same, and if the session has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenAccount {
    /// The account whose factors change.
    pub account_id: Uuid,
    /// The session in which its owner asks.
    pub session_id: Uuid,
    /// The epoch of the account.
    pub epoch: i64,
    /// How often its password had been changed.
    pub password_changes: i64,
    /// How often its second factors had been changed.
    pub factor_changes: i64,
}

/// A change of the second factors of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields that have no text say it by their names")]
pub enum FactorChange {
    /// Stores a secret that waits to be confirmed, in place of one that waits already.
    Begin { account_id: Uuid, sealed: String, at: OffsetDateTime },
    /// Puts the secret that waits in use, if it is `pending`; its codes count after `step`. Recovery codes are replaced
    /// only if there are new ones.
    Confirm { seen: SeenAccount, pending: String, step: i64, codes: Vec<RecoveryDigest> },
    /// Removes every second factor, as the owner asks.
    Remove { seen: SeenAccount },
    /// Replaces the recovery codes.
    MakeCodes { seen: SeenAccount, codes: Vec<RecoveryDigest> },
    /// Removes every second factor of an account that has one, as an administrator or the operator asks.
    RemoveOf { account_id: Uuid },
}

/// A sign-in whose second factor was found right, and which is to become a session.
#[derive(Debug, Clone)]
pub struct LoginCompletion {
    /// The session. Its budget is that of the account's codes.
    pub opening: Opening,
    /// The budget of the password. Its failures are forgotten unless they have passed the limit meanwhile.
    pub password: Budget,
    /// The id of the ticket, and until when it is remembered.
    pub ticket: (Uuid, OffsetDateTime),
    /// The code that is used up.
    pub proof: FactorProof,
}

/// The proof of a second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactorProof {
    /// A code of the authenticator app: its step.
    Totp(i64),
    /// The digest of a recovery code.
    RecoveryCode(RecoveryDigest),
}

/// The result of [`FactorStore::complete_login`]. Nothing is stored unless the session is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completed {
    /// The session is stored.
    Open {
        /// The number of recovery codes that are left.
        recovery_codes: u32,
    },
    /// The account has changed since the password was verified, or the ticket was used.
    TicketVoid,
    /// The code was used, or is no recovery code of the account.
    CodeUsed,
    /// Too many codes have failed since this one was admitted.
    TooLate,
}
