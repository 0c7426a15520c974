//! The connections that look-ups are made on. Separate because sqlx's own pool asks each connection that is given back
//! whether it is still there, which for a file it is, and takes as long as a look-up: two wake-ups between threads.

use std::time::Duration;

use deadpool::unmanaged::{Object, Pool};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use super::errors::failure;
use crate::store::StoreError;

/// Connections that cannot write. Whoever waits for one is served in turn.
#[derive(Debug)]
pub(super) struct Readers {
    pool: Pool<SqliteConnection>,
    patience: Duration,
}

impl Readers {
    /// `count` connections; nobody waits for one any longer than `patience`.
    pub async fn open(options: &SqliteConnectOptions, count: usize, patience: Duration) -> Result<Self, sqlx::Error> {
        let options = options.clone().pragma("query_only", "on");
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(options.connect().await?);
        }
        Ok(Self { pool: Pool::from(connections), patience })
    }

    /// A connection, until it is dropped. What a caller that left has not read to its end ends with that.
    pub async fn take(&self) -> Result<Object<SqliteConnection>, StoreError> {
        let taken = timeout(self.patience, self.pool.get()).await;
        taken.map_err(|_| failure(sqlx::Error::PoolTimedOut))?.map_err(|_| failure(sqlx::Error::PoolClosed))
    }

    /// Closes all of them, when they are given back.
    pub async fn close(&self) {
        while self.pool.status().size > 0 {
            let Ok(connection) = self.take().await else { break };
            // It was only read from: there is nothing to lose.
            let _ = Object::take(connection).close().await;
        }
        self.pool.close();
    }
}
