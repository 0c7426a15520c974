//! Opening a database file: created with the rights of a secret, migrated, and served by one process at a time. Apart
//! from the statements because everything here happens once and fails with a sentence for the operator.

use std::fs::{OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::Connection as _;
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
    #[error("cannot open the database {path}: {cause}; check that it is a database and that this user may write it")]
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
        let failed = |cause: sqlx::Error| OpenError::Failed { path: path.clone(), cause: cause.into() };
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5));
        // Connections stay open: reopening one needs a file descriptor at a time when there may be none.
        let pool = |size| {
            SqlitePoolOptions::new()
                .min_connections(size)
                .max_connections(size)
                .acquire_timeout(WAIT_FOR_A_CONNECTION)
                .max_lifetime(None)
                .idle_timeout(None)
        };
        let writer = pool(1)
            // A full disk or an I/O error makes SQLite roll back by itself, and sqlx believe that the transaction is
            // still open, for good. Such a connection is replaced.
            .before_acquire(|connection, _| Box::pin(std::future::ready(Ok(!connection.is_in_transaction()))))
            .connect_with(options.clone())
            .await
            .map_err(failed)?;
        // Two processes that start on a new file at once may both begin to migrate it. The one that comes second finds,
        // when it looks again, that there is nothing left to do.
        let migrated = match MIGRATIONS.run(&writer).await {
            Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) => MIGRATIONS.run(&writer).await,
            result => result,
        };
        migrated.map_err(|error| match error {
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
        let lock = beside(&path, "-lock");
        let failed = |cause| OpenError::CannotWrite { path: lock.clone(), cause };
        let served = private().create(true).append(true).open(&lock).map_err(failed)?;
        match served.try_lock() {
            Ok(()) => Ok(Self { _served: Some(served), ..Self::open(url).await? }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Served(path)),
            Err(TryLockError::Error(cause)) => Err(failed(cause)),
        }
    }

    /// The file that `url` names, made if missing, with the rights of a secret, which its `-wal` and `-shm` take over.
    /// Symbolic links are resolved, as SQLite does: whatever lies beside the file lies beside the one real file.
    pub fn path(url: &str) -> Result<PathBuf, OpenError> {
        // `:memory:` would be one database for every connection of the pools; so would a `file:` address that says so.
        let is_file =
            url.strip_prefix("sqlite:").is_some_and(|rest| !rest.trim_start_matches('/').starts_with("file:"));
        let options = SqliteConnectOptions::from_str(url).map_err(|_| OpenError::BadUrl)?;
        let path = options.get_filename();
        if !is_file || url.contains(":memory:") || url.contains('?') || path.file_name().is_none() {
            return Err(OpenError::BadUrl);
        }
        let failed = |cause| OpenError::CannotWrite { path: path.to_owned(), cause };
        match private().create_new(true).write(true).open(path) {
            Ok(_) => {}
            // Not opened: to close it again would let go of the locks that SQLite holds on it in this process.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !path.is_dir() => {}
            Err(error) => return Err(failed(error)),
        }
        path.canonicalize().map_err(failed)
    }
}

/// The path of a file that belongs to a database, as SQLite names its own.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// For a file that only its owner may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}
