//! The pool of connections that read. They need no transactions, unlike the connection that writes (`writer`).

use std::sync::Arc;
use std::time::Duration;

use deadpool::unmanaged::{Object, Pool};
use sqlx::sqlite::SqliteConnectOptions;
use tokio::time::timeout;

use super::connection::CheckedConnection;
use super::errors::failure;
use super::file::OpenedFile;
use crate::store::StoreError;

/// Connections that cannot write. Waiting callers get one in turn.
#[derive(Debug)]
pub(super) struct Readers {
    pool: Pool<CheckedConnection>,
    file: Arc<OpenedFile>,
    wait_limit: Duration,
}

impl Readers {
    /// Opens `count` connections to `file`. A caller waits for one no longer than `wait_limit`.
    pub(super) async fn open(
        options: &SqliteConnectOptions,
        count: usize,
        file: &Arc<OpenedFile>,
        wait_limit: Duration,
    ) -> Result<Self, sqlx::Error> {
        let options = options.clone().pragma("query_only", "on");
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(CheckedConnection::open(options.clone()).await?);
        }
        Ok(Self { pool: Pool::from(connections), file: Arc::clone(file), wait_limit })
    }

    /// Takes a connection, which returns to the pool when it is dropped. If a caller goes away during a query, SQLite
    /// goes on to the next row, and the next caller waits for that.
    pub(super) async fn take(&self) -> Result<Object<CheckedConnection>, StoreError> {
        self.file.require()?;
        self.take_any().await
    }

    /// Takes a connection as [`Self::take`] does, without checking the file.
    pub(super) async fn take_any(&self) -> Result<Object<CheckedConnection>, StoreError> {
        let taken = async {
            let mut taken = self.pool.get().await.map_err(|_| sqlx::Error::PoolClosed)?;
            taken.check().await?;
            Ok(taken)
        };
        timeout(self.wait_limit, taken).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(failure)
    }

    /// Closes all connections as they return to the pool.
    pub(super) async fn close(&self) {
        while self.pool.status().size > 0 {
            // A caller that has held its connection for so long keeps it.
            let Ok(connection) = self.take_any().await else { return };
            Object::take(connection).close().await;
        }
        self.pool.close();
    }
}
