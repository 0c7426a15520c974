//! The one connection that writes, and transactions on it. Separate because sqlx's own pool asks a connection that is given
//! back whether it is still there (see `readers`), and because a transaction that its caller has left must be over before
//! the next begins, whatever became of it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Mutex, Notify, OwnedMappedMutexGuard, OwnedMutexGuard};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::errors::failure;
use crate::store::StoreError;

/// Whoever waits for it is served in turn.
#[derive(Debug)]
pub(super) struct Writer {
    turns: Turns,
    /// Takes back what was left, if nobody else has a turn.
    tidying: JoinHandle<()>,
}

#[derive(Debug, Clone)]
struct Turns {
    /// `None` once it was closed.
    held: Arc<Mutex<Option<Held>>>,
    /// Rings when a transaction was left.
    left: Arc<Notify>,
    patience: Duration,
}

#[derive(Debug)]
struct Held {
    connection: SqliteConnection,
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
    left: Arc<Notify>,
}

impl Writer {
    /// Nobody waits for it any longer than `patience`.
    pub fn new(connection: SqliteConnection, patience: Duration) -> Self {
        let held = Arc::new(Mutex::new(Some(Held { connection, begun: false })));
        let turns = Turns { held, left: Arc::default(), patience };
        let tidying = tokio::spawn({
            let turns = turns.clone();
            async move {
                loop {
                    turns.left.notified().await;
                    // Whoever has a turn already has taken it back.
                    drop(turns.take().await);
                }
            }
        });
        Self { turns, tidying }
    }

    pub async fn take(&self) -> Result<Turn, StoreError> {
        self.turns.take().await
    }

    /// A transaction in which nothing else writes, from its beginning on.
    pub async fn begin(&self) -> Result<Write, StoreError> {
        let mut turn = self.take().await?;
        // Whether or not the caller stays to hear of it.
        turn.0.begun = true;
        let mut write = Write { turn, left: Arc::clone(&self.turns.left) };
        sqlx::query("begin immediate").execute(&mut *write).await.map_err(failure)?;
        Ok(write)
    }

    /// Waits for whoever has a turn.
    pub async fn close(&self) {
        if let Some(Held { connection, .. }) = self.turns.held.lock().await.take() {
            // What is open in it was never acknowledged.
            let _ = connection.close().await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.tidying.abort();
    }
}

impl Turns {
    async fn take(&self) -> Result<Turn, StoreError> {
        let held = timeout(self.patience, Arc::clone(&self.held).lock_owned()).await;
        let held = held.map_err(|_| failure(sqlx::Error::PoolTimedOut))?;
        let mut held = OwnedMutexGuard::try_map(held, Option::as_mut).map_err(|_| failure(sqlx::Error::PoolClosed))?;
        if held.begun {
            // It fails where there is none: SQLite ends one by itself when the disk is full, and a commit may have been left.
            let _ = sqlx::query("rollback").execute(&mut held.connection).await;
            held.begun = false;
        }
        Ok(Turn(held))
    }
}

impl Write {
    pub async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::query("commit").execute(&mut *self).await.map_err(failure)?;
        self.turn.0.begun = false;
        Ok(())
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if self.turn.0.begun {
            self.left.notify_one();
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
    use std::time::Duration;

    use sqlx::sqlite::SqliteConnection;
    use sqlx::{ConnectOptions as _, Executor as _};
    use tokio::time::timeout;

    use super::Writer;
    use crate::store::sqlite::open::options;

    /// A database with a table, and a writer of it.
    async fn writer(folder: &Path) -> Writer {
        let mut connection = another(folder).await;
        connection.execute("pragma journal_mode = wal; create table notes (text)").await.unwrap();
        Writer::new(connection, Duration::from_secs(3))
    }

    async fn another(folder: &Path) -> SqliteConnection {
        options(&folder.join("file.db")).create_if_missing(true).connect().await.unwrap()
    }

    async fn notes(folder: &Path) -> i64 {
        sqlx::query_scalar("select count(*) from notes").fetch_one(&mut another(folder).await).await.unwrap()
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
