//! A connection that is checked once a second and replaced if it is lost. The pool of sqlx is not used because it
//! checks a connection each time that it is returned, which costs a second command to SQLite's thread for every
//! statement. A file does not hang up, so only a defect ends a connection, and a check once a second is enough.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

/// How long a connection is used without another check.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A connection, and the options to replace it with.
#[derive(Debug)]
pub(super) struct CheckedConnection {
    connection: SqliteConnection,
    options: SqliteConnectOptions,
    checked_at: Instant,
}

impl CheckedConnection {
    pub(super) async fn open(options: SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let connection = options.connect().await?;
        Ok(Self { connection, options, checked_at: Instant::now() })
    }

    /// Replaces the connection if it is lost. Called before each use.
    pub(super) async fn check(&mut self) -> Result<(), sqlx::Error> {
        if self.checked_at.elapsed() >= CHECK_INTERVAL {
            if self.connection.ping().await.is_err() {
                self.connection = self.options.connect().await?;
            }
            self.checked_at = Instant::now();
        }
        Ok(())
    }

    pub(super) async fn close(self) {
        // An error changes nothing: an open transaction was never acknowledged.
        let _ = self.connection.close().await;
    }
}

impl Deref for CheckedConnection {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for CheckedConnection {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}
