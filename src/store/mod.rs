//! The database: accounts, sessions, revocations and everything else that outlives a restart, in SQLite or PostgreSQL.
//!
//! - Each capability is a trait in a file of its own: `accounts`, `admin`, `attempts`, `audit`, `factors`,
//!   `import`, `invitations`, `outbox`, `passwords`, `revocations`, `sessions`, `signing_key`, `tickets`, `token_keys`.
//!   The folders `sqlite` and `postgres` implement each trait in the file of the same name. Several traits, because the
//!   `impl` of a trait cannot be split over files.
//! - `statements` holds the SQL that both engines share, a file for each table.
//! - `rows` translates rows into the domain's types, `listing` reads a page of rows, `errors` says what an error means.
//! - `open` chooses the engine; `open_error` is what an operator reads when a database cannot be opened.
//! - `moving` copies a whole database into another; `endpoint` is what an engine does for that, `tables` what is
//!   copied.
//!
//! [`Store`] is all of it. A component that needs one capability takes `dyn` of that trait (`dyn AuditStore`), to which
//! a `dyn Store` coerces; the use cases in `accounts` and the sender of mail need most of them, and take `dyn Store`.
//!
//! The caller provides ids, times and hashes. Unique constraints decide whether a name is taken; nothing looks first
//! and writes later. Each method is one transaction, unless it says otherwise. One suite of tests (`tests/it/store.rs`)
//! runs against both engines.

mod accounts;
mod admin;
mod attempts;
mod audit;
mod endpoint;
mod errors;
mod factors;
mod import;
mod invitations;
mod listing;
mod migrations;
mod moving;
mod open;
mod open_error;
mod outbox;
mod passwords;
mod postgres;
mod revocations;
mod rows;
mod sessions;
mod signing_key;
mod sqlite;
mod statements;
mod tables;
mod tickets;
mod token_keys;

use async_trait::async_trait;
use time::OffsetDateTime;

pub use crate::domain::{
    AccountChange, AccountRecord, DeadMail, Imported, Invitation, KeyState, Outline, StoredKey, StoredSession,
};
pub(crate) use crate::domain::{FirmRecord, UnreadableRow, Updated};
pub use accounts::AccountStore;
pub(crate) use accounts::Credentials;
pub(crate) use admin::AdminStore;
pub use admin::{AccountOrder, AccountPage};
pub(crate) use attempts::AttemptStore;
pub use attempts::{Budget, StoredAttempts};
pub use audit::AuditPage;
pub(crate) use audit::AuditStore;
pub use errors::StoreError;
pub(crate) use errors::unavailable_count;
pub(crate) use factors::FactorStore;
pub use factors::{
    Completed, FactorChange, FactorProof, LoginCompletion, PendingTotp, SealedTotp, SeenAccount, StoredFactors,
};
pub(crate) use import::ImportStore;
pub(crate) use invitations::InvitationStore;
pub use invitations::{InvitationPage, NewInvitation};
pub use listing::Listed;
pub(crate) use moving::MoveError;
pub use moving::migrate;
pub use open::{Purpose, backup, file, open};
pub(crate) use open_error::LostState;
pub use open_error::{BadServerUrl, OpenError};
pub use outbox::{ClaimedMail, MailFate};
pub(crate) use outbox::{MAIL_INTERVAL, OutboxStore};
pub(crate) use passwords::PasswordStore;
pub use postgres::PostgresStore;
pub use revocations::REVOCATIONS_AT_ONCE;
pub(crate) use revocations::{RevocationStore, StoredRevocation};
pub use sessions::{EndedSession, Opened, Opening, SessionPage, SessionStore};
pub(crate) use signing_key::SigningKeyStore;
pub(crate) use sqlite::BackupError;
pub use sqlite::{Backup, SqliteStore, beside};
pub use tables::TABLES;
pub use tickets::{EmailChange, NewTicket, PasswordReset};
pub(crate) use tickets::{StoredTicket, TicketStore};
pub use token_keys::{FormerKind, KeyChange, NewKey, TokenKeyRows, TokenKind};
pub(crate) use token_keys::{KEYS_CHANGED, TokenKeyStore};

/// A database with all its capabilities.
#[async_trait]
pub trait Store:
    AccountStore
    + AdminStore
    + AttemptStore
    + AuditStore
    + FactorStore
    + ImportStore
    + InvitationStore
    + OutboxStore
    + PasswordStore
    + RevocationStore
    + SessionStore
    + SigningKeyStore
    + TicketStore
    + TokenKeyStore
{
    /// Stores a row and deletes it again, in one transaction. Fails where nothing can be stored, for example on a full
    /// disk, which no query would tell.
    async fn try_writing(&self) -> Result<(), StoreError>;

    /// Deletes what has expired at `now`: sessions, revocations, tickets, used or not, invitations, and mail that is
    /// done. Many short transactions, so that nobody waits for all of it.
    async fn purge(&self, now: OffsetDateTime) -> Result<(), StoreError>;

    /// Closes all connections. No other method may be called afterwards.
    async fn close(&self);
}
