//! The connections that look-ups are made on. Separate from the one that writes, which has transactions.

use std::sync::Arc;
use std::time::Duration;

use deadpool::unmanaged::{Object, Pool};
use sqlx::sqlite::SqliteConnectOptions;
use tokio::time::timeout;

use super::connection::Kept;
use super::errors::failure;
use super::file::OpenedFile;
use crate::store::StoreError;

/// Connections that cannot write. Whoever waits for one is served in turn.
#[derive(Debug)]
pub(super) struct Readers {
    pool: Pool<Kept>,
    file: Arc<OpenedFile>,
    patience: Duration,
}

impl Readers {
    /// `count` connections to `file`; nobody waits for one any longer than `patience`.
    pub async fn open(
        options: &SqliteConnectOptions,
        count: usize,
        file: &Arc<OpenedFile>,
        patience: Duration,
    ) -> Result<Self, sqlx::Error> {
        let options = options.clone().pragma("query_only", "on");
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(Kept::open(options.clone()).await?);
        }
        Ok(Self { pool: Pool::from(connections), file: Arc::clone(file), patience })
    }

    /// A connection, until it is dropped. What a caller has left goes on to its next row, and whoever is given the connection
    /// next waits for that.
    pub async fn take(&self) -> Result<Object<Kept>, StoreError> {
        self.file.require()?;
        self.take_any().await
    }

    /// As [`Self::take`], whatever became of the file.
    pub async fn take_any(&self) -> Result<Object<Kept>, StoreError> {
        let taken = async {
            let mut taken = self.pool.get().await.map_err(|_| sqlx::Error::PoolClosed)?;
            taken.require().await?;
            Ok(taken)
        };
        timeout(self.patience, taken).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(failure)
    }

    /// Closes all of them, when they are given back.
    pub async fn close(&self) {
        while self.pool.status().size > 0 {
            // Whoever still has one after so long keeps it.
            let Ok(connection) = self.take_any().await else { return };
            Object::take(connection).close().await;
        }
        self.pool.close();
    }
}
