//! One-time tokens, as digests. Using one and what it is good for are one transaction, so that of many who use it at the
//! same moment one has the effect and the others none.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{ClaimedMail, StoreError};
use crate::domain::{Email, PasswordHash, TicketDigest, TicketPurpose};

/// What the use cases and the worker need of tickets. In all of it, a ticket that was used, has expired, or never was one
/// is the same nothing; and so is one that was sent to another address than the account has by now.
#[async_trait]
pub trait TicketStore: Send + Sync + 'static {
    /// Stores the digest of a ticket that is about to be sent. Tells whether it did: not when the mail was taken back
    /// meanwhile, or what it is about is gone; then it must not be sent.
    async fn issue_ticket(&self, mail: &ClaimedMail, ticket: &NewTicket) -> Result<bool, StoreError>;

    /// A ticket that is good at `now`, which it still is afterwards: so that a new password is judged and hashed before its
    /// ticket is used.
    async fn find_ticket(&self, digest: &TicketDigest, now: OffsetDateTime)
    -> Result<Option<StoredTicket>, StoreError>;

    /// Uses a ticket of [`TicketPurpose::VerifyEmail`]: the account's address is verified. Every process forgets what it knew
    /// of the account, which `until` is remembered. Answers the account.
    async fn verify_email(
        &self,
        digest: &TicketDigest,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Option<Uuid>, StoreError>;

    /// Uses a ticket of [`TicketPurpose::ResetPassword`]: the account has the new hash, and a verified address; all its
    /// sessions end, and their tokens are refused until `until`; every other ticket of it is void; failed sign-ins are
    /// forgotten. Not of an account that is inactive.
    async fn reset_password(
        &self,
        digest: &TicketDigest,
        hash: &PasswordHash,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Option<PasswordReset>, StoreError>;

    /// Uses a ticket of [`TicketPurpose::ChangeEmail`]: the account has the address that the ticket was sent to, verified;
    /// every other ticket of it is void; and a notice to the address before is queued, with the id `notice`. Its sessions
    /// live on, but every process forgets what it knew of the account, which `until` is remembered. When somebody else has the
    /// address by now, that is [`StoreError::HandleTaken`], and the ticket stays. Not of an account that is inactive.
    async fn change_email(
        &self,
        digest: &TicketDigest,
        notice: Uuid,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Option<EmailChange>, StoreError>;

    /// Voids every ticket of an account, and takes back the mail that would bring another: for whoever has just changed its
    /// password.
    async fn void_tickets(&self, account_id: Uuid) -> Result<(), StoreError>;
}

/// A ticket about to be sent. Its purpose, its address, and whose it is, its mail tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTicket {
    /// What it will be found by.
    pub digest: TicketDigest,
    /// The account that it is for; `None` of an invitation's.
    pub account_id: Option<Uuid>,
    /// What it is good for.
    pub purpose: TicketPurpose,
    /// Now.
    pub created_at: OffsetDateTime,
    /// From when on it is not.
    pub expires_at: OffsetDateTime,
}

/// A ticket as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTicket {
    /// What it is good for.
    pub purpose: TicketPurpose,
    /// The account that it is for; `None` of an invitation's.
    pub account_id: Option<Uuid>,
    /// The invitation that it accepts; `None` of all others.
    pub invitation_id: Option<Uuid>,
    /// The address that it was sent to.
    pub email: Email,
    /// From when on it is no good.
    pub expires_at: OffsetDateTime,
}

/// A password that was just reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordReset {
    /// Whose.
    pub account_id: Uuid,
    /// The account's epoch from now on: the sessions of all before it are over.
    pub epoch: i64,
}

/// An address that was just changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailChange {
    /// Whose.
    pub account_id: Uuid,
    /// The address before.
    pub from: Email,
    /// The address now.
    pub to: Email,
    /// The account's epoch, which is what it was.
    pub epoch: i64,
}
