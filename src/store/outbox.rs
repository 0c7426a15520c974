//! The outbox: mail that waits to be sent. It is a queue in the database, so that mail is queued in the same
//! transaction as its reason, survives a crash, and can be sent by any replica.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Listed, StoreError};
use crate::domain::{DeadMail, Email, MailKind, NewMail};

/// The shortest time between two mails of one kind to the same recipient.
pub(crate) const MAIL_INTERVAL: Duration = Duration::from_secs(60);

/// The store of mail that waits to be sent.
#[async_trait]
pub trait OutboxStore: Send + Sync + 'static {
    /// Queues a mail, due no sooner than [`MAIL_INTERVAL`] after another mail of its kind to the same recipient.
    /// Returns false if a mail of the same kind, recipient and subject is queued already. An anonymous client that
    /// asked for the mail must not learn this: it would tell whether the mail before could be sent.
    async fn queue_mail(&self, mail: &NewMail) -> Result<bool, StoreError>;

    /// Waits until this process has queued a mail by any method. Returns at once if it has since the last call.
    async fn mail_queued(&self);

    /// Settles due mail that strangers asked for and that no account has the address of, among the `limit` mails that
    /// are longest due. Returns how many. A flood of such requests would otherwise delay the mail of real accounts.
    async fn settle_mail_to_nobody(&self, now: OffsetDateTime, limit: u32) -> Result<u64, StoreError>;

    /// Leases up to `limit` mails that are due, the longest due first. No other process gets them before `lease` is
    /// over.
    async fn claim_mail(
        &self,
        limit: u32,
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<Vec<ClaimedMail>, StoreError>;

    /// Stores the outcome of an attempt. Returns false if the lease was over and another process has the mail.
    async fn settle_mail(&self, mail: &ClaimedMail, fate: &MailFate, now: OffsetDateTime) -> Result<bool, StoreError>;

    /// Lists up to `limit` mails that were given up, in the order of ids after `after`.
    async fn list_dead_mail(&self, after: Option<Uuid>, limit: u32) -> Result<Listed<DeadMail>, StoreError>;

    /// Queues a mail again that was given up, and counts its attempts from zero. Returns false if there is no such
    /// mail.
    async fn retry_dead_mail(&self, id: Uuid, now: OffsetDateTime) -> Result<bool, StoreError>;
}

/// A mail that is leased to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedMail {
    /// The id, as in [`NewMail::id`].
    pub id: Uuid,
    /// The kind, which decides the template and the purpose of its link.
    pub kind: MailKind,
    /// The address that the mail is sent to.
    pub recipient: Email,
    /// The account or invitation, as in [`NewMail::subject`].
    pub subject: Uuid,
    /// The number of this attempt, from 1.
    pub attempt: u32,
}

/// The outcome of an attempt to send a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailFate {
    /// The mail was sent, or there was nothing to send. The queue does not tell which.
    Settled,
    /// Sending failed and will be tried again.
    Postponed {
        /// The earliest time of the next attempt.
        until: OffsetDateTime,
        /// The reason, for an operator. It never contains the secret of a link.
        cause: String,
    },
    /// Sending failed and will not be tried again.
    Dead {
        /// The reason, for an operator. It never contains the secret of a link.
        cause: String,
    },
}
