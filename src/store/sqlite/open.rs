//! Opening a database file: created with the rights of a secret, migrated, and served by one process at a time. Apart
//! from the statements because everything here happens once and fails with a sentence for the operator.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::SqliteStore;
use crate::store::OpenError;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Readers that may be at work at once. Look-ups take microseconds and there are two or four cores.
const READERS: u32 = 4;

/// Longer than any transaction of ours, shorter than a client's patience.
const WAIT_FOR_A_CONNECTION: Duration = Duration::from_secs(3);

impl SqliteStore {
    /// Opens or creates the database of `url` (`sqlite:FILE`) and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let path = Self::path(url)?;
        // Made here, for SQLite would make it readable to all; its `-wal` and `-shm` take over these rights.
        create_private(&path)?;

        let database = path.display().to_string();
        let failed = |cause: sqlx::Error| OpenError::Failed { database: database.clone(), cause: cause.into() };
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5));
        let pool = |size| SqlitePoolOptions::new().max_connections(size).acquire_timeout(WAIT_FOR_A_CONNECTION);
        let writer = pool(1).connect_with(options.clone()).await.map_err(failed)?;
        MIGRATIONS.run(&writer).await.map_err(|error| OpenError::migrating(database.clone(), error))?;
        let readers = pool(READERS).connect_with(options.pragma("query_only", "on")).await.map_err(failed)?;
        Ok(Self { writer, readers, _served: None })
    }

    /// As [`Self::open`], and claims the database for serving: a second server on the same file would not hear of the
    /// first one's revocations in time.
    pub async fn open_for_serving(url: &str) -> Result<Self, OpenError> {
        let path = Self::path(url)?;
        let mut lock = path.clone().into_os_string();
        lock.push("-lock");
        let served = create_private(Path::new(&lock))?;
        match served.try_lock() {
            Ok(()) => Ok(Self { _served: Some(served), ..Self::open(url).await? }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Served(path)),
            Err(TryLockError::Error(cause)) => Err(OpenError::CannotWrite { path: lock.into(), cause }),
        }
    }

    /// The file that `url` names.
    pub fn path(url: &str) -> Result<PathBuf, OpenError> {
        // `:memory:` would be one database for every connection of the pools.
        let is_file = url.starts_with("sqlite:") && !url.contains(":memory:") && !url.contains('?');
        let options = SqliteConnectOptions::from_str(url).map_err(|_| OpenError::BadUrl)?;
        let path = options.get_filename();
        if is_file && path.file_name().is_some() { Ok(path.to_owned()) } else { Err(OpenError::BadUrl) }
    }
}

/// Opens a file for its owner only, made if missing.
fn create_private(path: &Path) -> Result<File, OpenError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|cause| OpenError::CannotWrite { path: path.to_owned(), cause })
}
