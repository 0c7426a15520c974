//! The one connection that writes, and transactions on it. Separate because a transaction that its caller has left must be
//! over before the next begins, whatever became of it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};
use tokio::time::timeout;

use super::connection::Kept;
use super::errors::failure;
use super::file::OpenedFile;
use crate::store::StoreError;

/// SQLite's code for what is asked for at the wrong time: taking back where there is nothing to take back.
const WRONG: &str = "1";

/// Whoever waits for it is served in turn.
#[derive(Debug)]
pub(super) struct Writer {
    /// `None` once it was closed.
    held: Arc<Mutex<Option<Held>>>,
    file: Arc<OpenedFile>,
    patience: Duration,
}

#[derive(Debug)]
struct Held {
    connection: Kept,
    /// A transaction was begun, and is not known to have ended.
    begun: bool,
}

/// The connection, for a single statement, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(OwnedMappedMutexGuard<Option<Held>, Held>);

/// A transaction, which is taken back when it is dropped and was not committed.
#[must_use]
#[derive(Debug)]
pub(super) struct Write {
    turn: Turn,
    file: Arc<OpenedFile>,
}

impl Writer {
    /// A connection to `file`, for which nobody waits any longer than `patience`.
    pub fn new(connection: Kept, file: &Arc<OpenedFile>, patience: Duration) -> Self {
        let held = Arc::new(Mutex::new(Some(Held { connection, begun: false })));
        Self { held, file: Arc::clone(file), patience }
    }

    pub async fn take(&self) -> Result<Turn, StoreError> {
        let turn = async {
            let held = Arc::clone(&self.held).lock_owned().await;
            let mut held = OwnedMutexGuard::try_map(held, Option::as_mut).map_err(|_| sqlx::Error::PoolClosed)?;
            held.connection.require().await?;
            held.take_back().await?;
            Ok(Turn(held))
        };
        let turn = timeout(self.patience, turn).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(failure)?;
        self.file.require()?;
        Ok(turn)
    }

    /// A transaction in which nothing else writes, from its beginning on.
    pub async fn begin(&self) -> Result<Write, StoreError> {
        let mut turn = self.take().await?;
        // Whether or not the caller stays to hear of it.
        turn.0.begun = true;
        let mut write = Write { turn, file: Arc::clone(&self.file) };
        sqlx::query("begin immediate").execute(&mut *write).await.map_err(failure)?;
        Ok(write)
    }

    /// Waits for whoever has a turn.
    pub async fn close(&self) {
        match self.held.lock().await.take() {
            // The last connection to close would write the log into what is left and remove it: a part of a database, which may
            // look whole. With one that stays open, both stay as they are.
            Some(Held { connection, .. }) if self.file.was_cut() => std::mem::forget(connection),
            Some(Held { connection, .. }) => connection.close().await,
            None => {}
        }
    }
}

impl Held {
    /// What was begun is over after this, or nobody writes.
    async fn take_back(&mut self) -> Result<(), sqlx::Error> {
        if self.begun {
            match sqlx::query("rollback").execute(&mut *self.connection).await {
                // It was over already: SQLite ends one by itself when the disk is full, and a commit may have been left.
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(WRONG) => {}
                Err(error) => return Err(error),
                Ok(_) => {}
            }
            self.begun = false;
        }
        Ok(())
    }
}

impl Write {
    pub async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::query("commit").execute(&mut *self).await.map_err(failure)?;
        self.turn.0.begun = false;
        // What went into a file that is gone is acknowledged to nobody.
        self.file.require()
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if self.turn.0.begun {
            // Another process may be waiting: this sends the command to SQLite's thread. Whoever has the next turn sees to it
            // that it was done.
            let _ = sqlx::query("rollback").execute(&mut **self).now_or_never();
        }
    }
}

impl Deref for Turn {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0.connection
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0.connection
    }
}

impl Deref for Write {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.turn
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.turn
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use sqlx::Executor as _;
    use tokio::time::timeout;

    use super::Writer;
    use crate::store::sqlite::connection::Kept;
    use crate::store::sqlite::file::OpenedFile;
    use crate::store::sqlite::open::options;

    /// A database with a table, and a writer of it.
    async fn writer(folder: &Path) -> Writer {
        let mut connection = another(folder).await;
        connection.execute("pragma journal_mode = wal; create table notes (text)").await.unwrap();
        let file = OpenedFile::at(&folder.join("file.db")).unwrap();
        Writer::new(connection, &Arc::new(file), Duration::from_secs(3))
    }

    async fn another(folder: &Path) -> Kept {
        Kept::open(options(&folder.join("file.db")).create_if_missing(true)).await.unwrap()
    }

    async fn notes(folder: &Path) -> i64 {
        sqlx::query_scalar("select count(*) from notes").fetch_one(&mut *another(folder).await).await.unwrap()
    }

    #[tokio::test]
    async fn a_transaction_that_its_caller_left_is_taken_back_and_another_process_may_write() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path()).await;
        let mut write = writer.begin().await.unwrap();
        write.execute("insert into notes values ('left')").await.unwrap();
        drop(write);
        another(folder.path()).await.execute("insert into notes values ('by another')").await.unwrap();
        assert_eq!(notes(folder.path()).await, 1);
    }

    #[tokio::test]
    async fn whoever_leaves_in_the_middle_of_a_beginning_or_a_commit_leaves_nothing_open() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path()).await;
        for _ in 0..20 {
            let _ = timeout(Duration::ZERO, writer.begin()).await;
            let mut write = writer.begin().await.unwrap();
            write.execute("insert into notes values ('perhaps')").await.unwrap();
            // Whether it is done is not known to who does not wait.
            let _ = timeout(Duration::ZERO, write.commit()).await;
            let mut turn = writer.take().await.unwrap();
            turn.execute("insert into notes values ('surely')").await.unwrap();
        }
        let kept = notes(folder.path()).await;
        assert!((20..=40).contains(&kept), "{kept}");
        writer.close().await;
        assert!(writer.begin().await.is_err() && writer.take().await.is_err(), "it is closed");
    }

    #[tokio::test]
    async fn what_does_not_fit_is_taken_back_and_what_fits_can_be_written_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path()).await;
        writer.take().await.unwrap().execute("pragma max_page_count = 10").await.unwrap();
        let mut write = writer.begin().await.unwrap();
        write.execute("insert into notes values ('first')").await.unwrap();
        assert!(write.execute("insert into notes values (zeroblob(100000))").await.is_err(), "the file is full");
        drop(write);
        let mut write = writer.begin().await.unwrap();
        write.execute("insert into notes values ('second')").await.unwrap();
        write.commit().await.unwrap();
        assert_eq!(notes(folder.path()).await, 1);
    }
}
