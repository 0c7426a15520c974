//! Tickets: the one-time tokens of links in mail, stored as digests. A ticket is used in the same transaction as it
//! takes effect. If several requests use one at the same moment, one has the effect and the others find no ticket.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{ClaimedMail, StoreError};
use crate::domain::{Email, MailKind, NewMail, PasswordHash, TicketDigest, TicketPurpose};

/// The store of tickets.
///
/// No method tells apart a ticket that was used, that has expired, that never existed, and that was sent to an address
/// which the account no longer has: they return `None` for each of them.
#[async_trait]
pub trait TicketStore: Send + Sync + 'static {
    /// Stores the digest of a ticket that is about to be sent. Returns false, and the mail must not be sent, if the
    /// mail was taken back meanwhile or if its account or invitation no longer exists.
    async fn issue_ticket(&self, mail: &ClaimedMail, ticket: &NewTicket) -> Result<bool, StoreError>;

    /// Finds a ticket that is good at `now`, without using it: a new password is checked and hashed before its ticket
    /// is used.
    async fn find_ticket(&self, digest: &TicketDigest, now: OffsetDateTime)
    -> Result<Option<StoredTicket>, StoreError>;

    /// Uses a ticket of [`TicketPurpose::VerifyEmail`]: the account's address is verified. Every process drops the
    /// account from its cache; the revocation that tells them is kept until `until`. Returns the account's id.
    async fn verify_email(
        &self,
        digest: &TicketDigest,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Option<Uuid>, StoreError>;

    /// Uses a ticket of [`TicketPurpose::ResetPassword`] of an active account. The account gets the new hash and a
    /// verified address. All its sessions end, and their tokens are refused until `until`. Its other tickets become
    /// void, and its failed sign-ins are forgotten.
    async fn reset_password(
        &self,
        digest: &TicketDigest,
        hash: &PasswordHash,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Option<PasswordReset>, StoreError>;

    /// Uses a ticket of [`TicketPurpose::ChangeEmail`] of an active account. The account gets the address that the
    /// ticket was sent to, verified. Its other tickets become void, and a notice to the old address is queued with the
    /// id `notice`. Its sessions live on, but every process drops the account from its cache; the revocation that tells
    /// them is kept until `until`. If another account has the address by now, the error is [`StoreError::HandleTaken`],
    /// and the ticket stays.
    async fn change_email(
        &self,
        digest: &TicketDigest,
        notice: Uuid,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Option<EmailChange>, StoreError>;
}

/// A ticket that is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTicket {
    /// The digest of the token in the link; the token itself is not stored.
    pub digest: TicketDigest,
    /// The account of the ticket; `None` if it is an invitation's.
    pub account_id: Option<Uuid>,
    /// The one thing that the ticket can be used for.
    pub purpose: TicketPurpose,
    /// The time at which the ticket was made.
    pub created_at: OffsetDateTime,
    /// Until when the ticket can be used.
    pub expires_at: OffsetDateTime,
}

/// A ticket as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTicket {
    pub purpose: TicketPurpose,
    /// The account of the ticket; `None` if it is an invitation's.
    pub account_id: Option<Uuid>,
    /// The invitation that it accepts; `None` for every other purpose.
    pub invitation_id: Option<Uuid>,
    /// The address that the ticket was sent to.
    pub email: Email,
    pub expires_at: OffsetDateTime,
}

/// A password that was just reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordReset {
    /// The account with the new password.
    pub account_id: Uuid,
    /// The new epoch of the account. The sessions of all earlier epochs are over.
    pub epoch: i64,
}

/// An address that was just changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailChange {
    /// The account with the new address.
    pub account_id: Uuid,
    /// The address before the change, which gets the notice.
    pub from: Email,
    /// The address after the change, which is verified.
    pub to: Email,
    /// The epoch of the account, which has not changed.
    pub epoch: i64,
}

/// The mail that tells the old address of an account about the change.
pub(super) fn address_changed(id: Uuid, account_id: Uuid, recipient: &Email, queued_at: OffsetDateTime) -> NewMail {
    NewMail { id, kind: MailKind::EmailChanged, recipient: recipient.clone(), subject: account_id, queued_at }
}
