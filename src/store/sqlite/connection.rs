//! A connection that is made anew when it is lost. Separate because sqlx's own pool asks each connection that is given back
//! whether it is still there, which is a second command to SQLite's thread for every statement; a file does not hang up, and
//! that a thread of SQLite's dies is a defect. Once a second is often enough.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

/// How long a connection is believed to be there.
const BELIEVED: Duration = Duration::from_secs(1);

/// A connection, and how to make it anew.
#[derive(Debug)]
pub(super) struct Kept {
    connection: SqliteConnection,
    options: SqliteConnectOptions,
    asked: Instant,
}

impl Kept {
    pub async fn open(options: SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let connection = options.connect().await?;
        Ok(Self { connection, options, asked: Instant::now() })
    }

    /// Makes it anew if it is lost. Asked before each use.
    pub async fn require(&mut self) -> Result<(), sqlx::Error> {
        if self.asked.elapsed() >= BELIEVED {
            if self.connection.ping().await.is_err() {
                self.connection = self.options.connect().await?;
            }
            self.asked = Instant::now();
        }
        Ok(())
    }

    pub async fn close(self) {
        // What is open in it was never acknowledged.
        let _ = self.connection.close().await;
    }
}

impl Deref for Kept {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Kept {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}
