//! Opening a database file: created with the rights of a secret, migrated, and served by one process at a time. Apart
//! from the statements because everything here happens once and fails with a sentence for the operator.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::SqliteStore;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Readers that may be at work at once. Look-ups take microseconds and there are two or four cores.
const READERS: u32 = 4;

/// Longer than any transaction of ours, shorter than a client's patience.
const WAIT_FOR_A_CONNECTION: Duration = Duration::from_secs(3);

/// Why a database could not be opened. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not of the form `sqlite:FILE`.
    #[error("DATABASE_URL must be `sqlite:` and the path of a file, as in `sqlite:countersign.db`")]
    BadUrl,
    /// The file cannot be made or written.
    #[error(
        "cannot write the database {path}: {cause}; check that its folder exists and that this user may write there"
    )]
    CannotWrite {
        /// Of the database, or of its lock.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Another server has it.
    #[error("another server is serving {0}; stop that one first (the command line works beside it)")]
    Served(PathBuf),
    /// Written by a later version.
    #[error("the database {0} was written by a newer version of countersign; start that version or a later one")]
    Newer(PathBuf),
    /// Its schema is not what this version believes.
    #[error(
        "migration {version} of the database {path} differs from this version's; it was made by a modified build: restore that build or a backup"
    )]
    Changed {
        /// Of the database.
        path: PathBuf,
        /// Which migration.
        version: i64,
    },
    /// SQLite would not.
    #[error("cannot open the database {path}: {cause}")]
    Failed {
        /// Of the database.
        path: PathBuf,
        /// What SQLite said.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl SqliteStore {
    /// Opens or creates the database of `url` (`sqlite:FILE`) and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let path = Self::path(url)?;
        // Made here, for SQLite would make it readable to all; its `-wal` and `-shm` take over these rights.
        create_private(&path)?;

        let failed = |cause: sqlx::Error| OpenError::Failed { path: path.clone(), cause: cause.into() };
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5));
        let pool = |size| SqlitePoolOptions::new().max_connections(size).acquire_timeout(WAIT_FOR_A_CONNECTION);
        let writer = pool(1).connect_with(options.clone()).await.map_err(failed)?;
        MIGRATIONS.run(&writer).await.map_err(|error| match error {
            MigrateError::VersionMissing(_) => OpenError::Newer(path.clone()),
            MigrateError::VersionMismatch(version) => OpenError::Changed { path: path.clone(), version },
            other => OpenError::Failed { path: path.clone(), cause: other.into() },
        })?;
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
