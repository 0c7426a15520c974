//! Where accounts, sessions and revocations are durable. The trait is what the use cases need, small on purpose; each
//! engine is one folder that implements it, statement beside statement, and one suite (`tests/it/store.rs`) runs
//! against both. `open` chooses the engine, `rows` is what their rows have in common, `listing` how a page of them is
//! read, `moving` takes everything from one to another.
//!
//! Ids, times and hashes are given *to* the store. Uniqueness is decided by its unique constraints, never by looking
//! first. Every method is one transaction.

mod admin;
mod attempts;
mod audit;
mod import;
mod invitations;
mod listing;
mod moving;
mod open;
mod outbox;
mod passwords;
mod postgres;
mod rows;
mod sqlite;
mod tickets;

use std::error::Error;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{Account, AccountStatus, Handle, NewAccount, NewMail, PasswordHash, Revocation, Role, Session};

pub use crate::domain::{
    AccountChange, AccountRecord, DeadMail, FirmRecord, Imported, Invitation, Outline, StoredSession, UnreadableRow,
    Updated,
};
pub use admin::{AccountOrder, AccountPage, AdminStore};
pub use attempts::{AttemptStore, Budget, Opened, StoredAttempts};
pub use audit::{AuditPage, AuditStore};
pub use import::ImportStore;
pub use invitations::{InvitationPage, InvitationStore, NewInvitation};
pub use listing::Listed;
pub use moving::{Column, Content, MoveError, TABLES, Table, migrate};
pub use open::{LostState, OpenError, Purpose, backup, beside, file, open};
pub use outbox::{BETWEEN_MAILS, ClaimedMail, MailFate, OutboxStore};
pub use passwords::PasswordStore;
pub use postgres::PostgresStore;
pub use rows::setbacks;
pub use sqlite::{Backup, BackupError, Counts, SqliteStore};
pub use tickets::{EmailChange, NewTicket, PasswordReset, StoredTicket, TicketStore};

/// How many revocations are read at once: enough for any second, and little enough to be read in one.
pub const REVOCATIONS_AT_ONCE: u32 = 10_000;

/// A database: everything that the use cases need of it.
pub trait Store:
    AccountStore
    + AdminStore
    + AttemptStore
    + AuditStore
    + ImportStore
    + InvitationStore
    + OutboxStore
    + PasswordStore
    + TicketStore
{
}

impl<T> Store for T where
    T: AccountStore
        + AdminStore
        + AttemptStore
        + AuditStore
        + ImportStore
        + InvitationStore
        + OutboxStore
        + PasswordStore
        + TicketStore
{
}

/// Accounts, their sessions, and the sessions that ended early.
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    /// Stores an account, its first session if it is signed in at once, and the mail that asks for a proof of its address.
    async fn insert_account(
        &self,
        account: &NewAccount,
        session: Option<&Session>,
        mail: Option<&NewMail>,
    ) -> Result<(), StoreError>;

    /// The account that signs in with `handle`, whatever its status.
    async fn find_credentials(&self, handle: &Handle) -> Result<Option<Credentials>, StoreError>;

    /// The account, whatever its status.
    async fn find_account(&self, id: Uuid) -> Result<Option<Account>, StoreError>;

    /// Up to `limit` accounts with ids after `after`, in the order of ids, which is that of registration.
    async fn list_accounts(&self, after: Option<Uuid>, limit: u32) -> Result<Listed<Account>, StoreError>;

    /// Replaces a stored hash, unless it is no longer `old`. Tells whether it did.
    async fn replace_hash(&self, id: Uuid, old: &PasswordHash, new: &PasswordHash) -> Result<bool, StoreError>;

    /// Stores a session, unless its account is no longer active, no longer in the session's epoch, or has another password:
    /// so a login that raced a disable or a change of the password loses, whoever comes first. Nor if the guess that it is
    /// for comes too late; if it comes in time, the failures before it are forgotten with the same commit.
    async fn open_session(&self, opening: &Opening) -> Result<Opened, StoreError>;

    /// Ends a session; tokens of it are refused until `until`. Saying it twice changes nothing more.
    async fn end_session(&self, id: Uuid, until: OffsetDateTime) -> Result<(), StoreError>;

    /// Lets an account sign in, or not. On a change to inactive, all its sessions end, and the new epoch is answered;
    /// their tokens are refused until `until`. `None` when there is no such account or it has that status already.
    async fn set_status(
        &self,
        id: Uuid,
        status: AccountStatus,
        until: OffsetDateTime,
    ) -> Result<Option<i64>, StoreError>;

    /// Deletes an account, its sessions, and its firm with the last account of it. Its tokens are refused until
    /// `until`. Answers the first epoch that was never used, or `None` when there is no such account.
    async fn delete_account(&self, id: Uuid, until: OffsetDateTime) -> Result<Option<i64>, StoreError>;

    /// The revocations stored after `seq` and still needed at `now`, in the order they were stored; at most
    /// [`REVOCATIONS_AT_ONCE`], and fewer only when there are no more.
    async fn revocations_after(&self, seq: i64, now: OffsetDateTime) -> Result<Vec<StoredRevocation>, StoreError>;

    /// As [`Self::revocations_after`], for a call and not for the feed: no answer of it is ever taken for a sign of life.
    async fn missed_revocations(&self, seq: i64, now: OffsetDateTime) -> Result<Vec<StoredRevocation>, StoreError>;

    /// The time by the database's own clock, for the feed; `None` if that is this machine's.
    async fn time(&self) -> Result<Option<OffsetDateTime>, StoreError>;

    /// Waits until another process may have stored a revocation, but no longer than half a second: who asks for those
    /// after the last one each time that this returns misses none, and hears of each as soon as the engine can tell. Tells
    /// whether the database was lost meanwhile: it may be another by now, or an older state, whose numbers mean something
    /// else.
    async fn changed(&self) -> bool;

    /// Says that everything which [`Self::revocations_after`] had to tell is heeded. A database that was lost may answer
    /// calls again from then on, and not before.
    fn caught_up(&self);

    /// Whether no call has to wait for [`Self::caught_up`]: what was read of the database before may be answered.
    fn is_in_step(&self) -> bool;

    /// Stores something and takes it away again, in one transaction: fails where nothing can be stored.
    async fn try_writing(&self) -> Result<(), StoreError>;

    /// Forgets sessions and revocations that no living token needs any more.
    async fn purge(&self, now: OffsetDateTime) -> Result<(), StoreError>;

    /// Lets go of the database, tidily. Nothing may be asked of the store any more.
    async fn close(&self);

    /// Gives an email account a role. On a change, all its sessions end, and the new epoch is answered; their tokens are
    /// refused until `until`. `None` when there is no such email account or it has that role already.
    async fn set_role(&self, id: Uuid, role: Role, until: OffsetDateTime) -> Result<Option<i64>, StoreError>;

    /// A page of the live sessions of an account, the newest first.
    async fn list_sessions(&self, account_id: Uuid, page: &SessionPage) -> Result<Listed<StoredSession>, StoreError>;

    /// The session, unless it has ended.
    async fn find_session(&self, id: Uuid) -> Result<Option<StoredSession>, StoreError>;

    /// Ends all sessions of an account but `except`, and tells which. Tokens of each are refused until one of them
    /// minted as late as `from` has expired.
    async fn end_sessions(
        &self,
        account_id: Uuid,
        except: Option<Uuid>,
        from: OffsetDateTime,
    ) -> Result<Vec<EndedSession>, StoreError>;

    /// Writes when sessions were last given a token. A time that is earlier than what is stored changes nothing, and
    /// neither does a session that has ended.
    async fn note_last_tokens(&self, times: &[(Uuid, OffsetDateTime)]) -> Result<(), StoreError>;
}

/// An account and what its password is checked against.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The account.
    pub account: Account,
    /// Its stored hash; `None` when there is none, or none that this service would verify.
    pub password_hash: Option<PasswordHash>,
    /// How often another password was set.
    pub password_changes: i64,
}

/// A sign-in that is to become a session.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The session.
    pub session: Session,
    /// Of the credentials that were verified.
    pub password_changes: i64,
    /// What the guess was admitted at; `None` when nothing was guessed.
    pub budget: Option<Budget>,
}

/// A revocation as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRevocation {
    /// Its place in the order of commits.
    pub seq: i64,
    /// What ended.
    pub revocation: Revocation,
    /// Until when it must be remembered.
    pub until: OffsetDateTime,
}

/// Which sessions of an account to list.
#[derive(Debug, Clone, Copy)]
pub struct SessionPage {
    /// Only those that come after the session of this time and id; `None` for the first page.
    pub after: Option<(OffsetDateTime, Uuid)>,
    /// At most so many.
    pub limit: u32,
    /// Only those whose longest time is not over.
    pub now: OffsetDateTime,
    /// Only those whose latest token expires after this.
    pub tokens_since: OffsetDateTime,
}

/// A session that has just been ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedSession {
    /// As it was.
    pub stored: StoredSession,
    /// Until when its end must be remembered.
    pub until: OffsetDateTime,
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another account has this username or email.
    #[error("the username or email is taken")]
    HandleTaken,
    /// The database is out of reach, full, or too busy. Nothing was changed, unless it was lost in the act of committing.
    #[error("the database is out of reach")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// A row that this service cannot have written, or a statement that cannot be right.
    #[error("the database holds or said something impossible")]
    Corrupt(#[source] Box<dyn Error + Send + Sync>),
}

impl StoreError {
    /// The error of the driver if there is one, for the log.
    pub fn cause(&self) -> &(dyn Error + 'static) {
        self.source().unwrap_or(self)
    }
}
