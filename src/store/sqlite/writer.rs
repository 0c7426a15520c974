//! The one connection that writes, and the transactions on it. If a caller goes away during a transaction, it is rolled
//! back before the next one begins.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};
use tokio::time::timeout;

use super::connection::CheckedConnection;
use super::errors::{SQLITE_ERROR, failure};
use super::file::OpenedFile;
use crate::store::StoreError;

/// The one connection that writes. Waiting callers get it in turn.
#[derive(Debug)]
pub(super) struct SingleWriter {
    /// `None` after it was closed.
    state: Arc<Mutex<Option<WriterState>>>,
    file: Arc<OpenedFile>,
    wait_limit: Duration,
}

#[derive(Debug)]
struct WriterState {
    connection: CheckedConnection,
    /// Whether a transaction was begun and is not known to have ended.
    in_transaction: bool,
}

/// The right to use the connection, until it is dropped: for a single statement, or as a part of a transaction.
#[derive(Debug)]
pub(super) struct WriterLease(OwnedMappedMutexGuard<Option<WriterState>, WriterState>);

/// A transaction. It is rolled back if it is dropped without a commit.
#[must_use]
#[derive(Debug)]
pub(super) struct WriteTransaction {
    lease: WriterLease,
    file: Arc<OpenedFile>,
}

impl SingleWriter {
    /// Manages `connection`, a connection to `file`. A caller waits for it no longer than `wait_limit`.
    pub(super) fn new(connection: CheckedConnection, file: &Arc<OpenedFile>, wait_limit: Duration) -> Self {
        let state = Arc::new(Mutex::new(Some(WriterState { connection, in_transaction: false })));
        Self { state, file: Arc::clone(file), wait_limit }
    }

    /// Takes the connection for a single statement.
    pub(super) async fn take(&self) -> Result<WriterLease, StoreError> {
        let lease = async {
            let state = Arc::clone(&self.state).lock_owned().await;
            let mut state = OwnedMutexGuard::try_map(state, Option::as_mut).map_err(|_| sqlx::Error::PoolClosed)?;
            state.connection.check().await?;
            state.roll_back().await?;
            Ok(WriterLease(state))
        };
        let lease = timeout(self.wait_limit, lease).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(failure)?;
        self.file.require()?;
        Ok(lease)
    }

    /// Begins a transaction. No other connection writes from then on until it ends.
    pub(super) async fn begin(&self) -> Result<WriteTransaction, StoreError> {
        let mut lease = self.take().await?;
        // Set before the statement runs, because the caller may go away before its answer comes.
        lease.0.in_transaction = true;
        let mut write = WriteTransaction { lease, file: Arc::clone(&self.file) };
        sqlx::query("begin immediate").execute(&mut *write).await.map_err(failure)?;
        Ok(write)
    }

    /// Closes the connection, after the caller that has it has returned it.
    pub(super) async fn close(&self) {
        match self.state.lock().await.take() {
            // The last connection that closes would write the log into what is left of the file, and remove the log.
            // The result might look like a whole database. While one connection stays open, both files stay as they
            // are.
            Some(WriterState { connection, .. }) if self.file.was_cut() => std::mem::forget(connection),
            Some(WriterState { connection, .. }) => connection.close().await,
            None => {}
        }
    }
}

impl WriterState {
    /// Rolls back the transaction of a caller that went away. After an error the connection is not used.
    async fn roll_back(&mut self) -> Result<(), sqlx::Error> {
        if self.in_transaction {
            match sqlx::query("rollback").execute(&mut *self.connection).await {
                // It has ended already: SQLite ends a transaction itself when the disk is full, and a commit may have
                // succeeded after its caller went away.
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(SQLITE_ERROR) => {}
                Err(error) => return Err(error),
                Ok(_) => {}
            }
            self.in_transaction = false;
        }
        Ok(())
    }
}

impl WriteTransaction {
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::query("commit").execute(&mut *self).await.map_err(failure)?;
        self.lease.0.in_transaction = false;
        // A commit into a file that was deleted or replaced must not be acknowledged.
        self.file.require()
    }
}

impl Drop for WriteTransaction {
    fn drop(&mut self) {
        if self.lease.0.in_transaction {
            // Another process may be waiting for the file, so the command is sent to SQLite's thread now. The next
            // lease checks that it was carried out.
            let _ = sqlx::query("rollback").execute(&mut **self).now_or_never();
        }
    }
}

impl Deref for WriterLease {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.0.connection
    }
}

impl DerefMut for WriterLease {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.0.connection
    }
}

impl Deref for WriteTransaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.lease
    }
}

impl DerefMut for WriteTransaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.lease
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use sqlx::Executor as _;
    use tokio::time::timeout;

    use super::SingleWriter;
    use crate::store::sqlite::connection::CheckedConnection;
    use crate::store::sqlite::file::OpenedFile;
    use crate::store::sqlite::open::options;

    /// A database with a table, and a writer of it.
    async fn writer(folder: &Path) -> SingleWriter {
        let mut connection = another(folder).await;
        connection.execute("pragma journal_mode = wal; create table notes (text)").await.unwrap();
        let file = OpenedFile::at(&folder.join("file.db")).unwrap();
        SingleWriter::new(connection, &Arc::new(file), Duration::from_secs(3))
    }

    async fn another(folder: &Path) -> CheckedConnection {
        CheckedConnection::open(options(&folder.join("file.db")).create_if_missing(true)).await.unwrap()
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
    async fn a_caller_that_leaves_in_the_middle_of_a_beginning_or_a_commit_leaves_nothing_open() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path()).await;
        for _ in 0..20 {
            let _ = timeout(Duration::ZERO, writer.begin()).await;
            let mut write = writer.begin().await.unwrap();
            write.execute("insert into notes values ('perhaps')").await.unwrap();
            // A caller that does not wait cannot know whether the commit succeeded.
            let _ = timeout(Duration::ZERO, write.commit()).await;
            let mut lease = writer.take().await.unwrap();
            lease.execute("insert into notes values ('surely')").await.unwrap();
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
