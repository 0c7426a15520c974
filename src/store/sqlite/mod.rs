//! SQLite, embedded: the default. Each file named as a capability of `store` implements that trait. Besides, `open`
//! opens a database file, `connection`, `readers` and `writer` hold the connections, `file` checks that the file is
//! still there, `errors` says what SQLite's codes mean, `moving` and `backup` copy everything.
//!
//! One connection writes and a pool of others reads. SQLite allows one writer at a time anyway. Waiting for it here, in
//! turn and with a time limit, keeps "database is locked" from ever reaching a client. A transaction of more than one
//! statement begins with `begin immediate`: one that reads first and writes later would fail at once if another process
//! has written in between, whatever the busy timeout says.

mod accounts;
mod admin;
mod attempts;
mod audit;
mod backup;
mod bound;
mod connection;
mod errors;
mod factors;
mod file;
mod import;
mod invitations;
mod moving;
mod open;
mod outbox;
mod passwords;
mod readers;
mod revocations;
mod sessions;
mod signing_key;
mod tickets;
mod token_keys;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio::sync::Notify;

use super::rows::millis;
use super::{Store, StoreError};
use errors::failure;
use file::OpenedFile;
use readers::Readers;
use writer::{SingleWriter, WriteTransaction};

pub use backup::Backup;
pub(crate) use backup::BackupError;
pub use file::beside;
pub(super) use moving::SqliteEndpoint;

/// The most rows that one statement of [`PURGES`] deletes; each has the same number in its `limit`. A sign-in waits for
/// at most one of these statements, so it never waits for long.
const PURGED_AT_ONCE: u64 = 1_000;

/// The statements that delete expired rows. Mail is kept for a minute after it was sent
/// ([`MAIL_INTERVAL`](super::MAIL_INTERVAL)), and for 30 days after it was given up.
const PURGES: [&str; 7] = [
    "delete from sessions where rowid in (select rowid from sessions where expires_at <= $1 limit 1000)",
    "delete from revocations where rowid in (select rowid from revocations where expires_at <= $1 limit 1000)",
    "delete from outbox where rowid in
         (select rowid from outbox where state = 'done' and due_at <= $1 - 60000 limit 1000)",
    "delete from outbox where rowid in
         (select rowid from outbox where state = 'dead' and due_at <= $1 - 2592000000 limit 1000)",
    "delete from tickets where rowid in (select rowid from tickets where expires_at <= $1 limit 1000)",
    "delete from invitations where rowid in (select rowid from invitations where expires_at <= $1 limit 1000)",
    "delete from spent_tickets where rowid in (select rowid from spent_tickets where expires_at <= $1 limit 1000)",
];

/// Stores a row and deletes it, to test whether the database can be written. No real key is as short as this one, and
/// no other transaction sees the row.
const WRITE_AND_DELETE: [&str; 2] = [
    "insert into attempts (key, failures, last_failed_at) values ('none', 1, 0)",
    "delete from attempts where key = 'none'",
];

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    writer: SingleWriter,
    readers: Readers,
    /// The connections of the feed, which only reads revocations. If it shared `readers`, a rush of look-ups could make
    /// it believe that the database is gone.
    feed: Readers,
    /// The file that all connections are connected to.
    file: Arc<OpenedFile>,
    /// Wakes the feed when this process has stored a revocation.
    revoked: Notify,
    /// Wakes the sender when this process has queued mail.
    mail_queued: Notify,
    /// The lock of the serving process. The system releases it when the process ends, however it ends.
    _served: Option<std::fs::File>,
}

impl SqliteStore {
    async fn begin(&self) -> Result<WriteTransaction, StoreError> {
        self.writer.begin().await
    }

    /// Commits a transaction that has stored a revocation, and wakes the feed.
    async fn commit_and_wake_feed(&self, tx: WriteTransaction) -> Result<(), StoreError> {
        tx.commit().await?;
        self.revoked.notify_one();
        Ok(())
    }

    /// Commits a transaction that has queued mail, and wakes the sender.
    async fn commit_and_wake_sender(&self, tx: WriteTransaction) -> Result<(), StoreError> {
        tx.commit().await?;
        self.mail_queued.notify_one();
        Ok(())
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn try_writing(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for statement in WRITE_AND_DELETE {
            sqlx::query(statement).execute(&mut *tx).await.map_err(failure)?;
        }
        tx.commit().await
    }

    async fn purge(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        // Each statement is a transaction of its own. The writer is free in between, so no sign-in waits for all of
        // them.
        for statement in PURGES {
            let mut purged = PURGED_AT_ONCE;
            while purged == PURGED_AT_ONCE {
                let done = sqlx::query(statement).bind(millis(now)).execute(&mut *self.writer.take().await?).await;
                purged = done.map_err(failure)?.rows_affected();
            }
        }
        Ok(())
    }

    async fn close(&self) {
        self.feed.close().await;
        self.readers.close().await;
        // Last, because the last connection that closes writes the log back into the file and removes it.
        self.writer.close().await;
    }
}
