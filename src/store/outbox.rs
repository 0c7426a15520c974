//! Mail that waits to be sent. A queue in the database, so that a mail is queued by the transaction that gives reason for it,
//! outlives a crash, and is sent by whichever process has time.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Listed, StoreError};
use crate::domain::{DeadMail, Email, MailKind, NewMail};

/// How long after one mail the next of its kind goes to the same recipient, at the earliest.
pub const BETWEEN_MAILS: Duration = Duration::from_secs(60);

/// What the use cases and the worker need of the queue.
#[async_trait]
pub trait OutboxStore: Send + Sync + 'static {
    /// Queues a mail, to be sent no sooner than a minute after another of its kind to the same recipient. One of its kind,
    /// recipient and subject that waits already makes it unnecessary. Tells whether it was queued; a stranger who asked for
    /// it must not be told, for that would tell whether the one before could be sent.
    async fn queue_mail(&self, mail: &NewMail) -> Result<bool, StoreError>;

    /// Waits until this process has queued a mail, by whichever method. One ring is remembered.
    async fn mail_queued(&self);

    /// Takes up to `limit` mails that are due, the longest due first; nobody else gets them before `lease` is over.
    async fn claim_mail(
        &self,
        limit: u32,
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<Vec<ClaimedMail>, StoreError>;

    /// Says what became of a mail. Tells whether it was still the caller's to say.
    async fn settle_mail(&self, mail: &ClaimedMail, fate: &MailFate, now: OffsetDateTime) -> Result<bool, StoreError>;

    /// Up to `limit` mails that were given up, with ids after `after`, in the order of ids.
    async fn list_dead_mail(&self, after: Option<Uuid>, limit: u32) -> Result<Listed<DeadMail>, StoreError>;

    /// Lets a mail that was given up be tried again, from the beginning. Tells whether there was one.
    async fn retry_dead_mail(&self, id: Uuid, now: OffsetDateTime) -> Result<bool, StoreError>;
}

/// A mail that somebody is about to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedMail {
    /// Its id.
    pub id: Uuid,
    /// What it is about.
    pub kind: MailKind,
    /// To whom.
    pub recipient: Email,
    /// As in [`NewMail::subject`].
    pub subject: Uuid,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}

/// What became of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailFate {
    /// It was sent, or there was nothing to send: the same to whoever looks at the queue.
    Settled,
    /// It was not; it will be tried again.
    Postponed {
        /// When.
        until: OffsetDateTime,
        /// Why, for an operator. Without the secret of any link.
        cause: String,
    },
    /// It was not, and will not be.
    Dead {
        /// Why, for an operator. Without the secret of any link.
        cause: String,
    },
}
