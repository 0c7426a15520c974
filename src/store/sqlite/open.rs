//! Opening a database file: created with the rights of a secret, migrated, and served by one process at a time. Apart
//! from the statements because everything here happens once and fails with a sentence for the operator.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use tokio::sync::Notify;

use super::SqliteStore;
use super::connection::Kept;
use super::readers::Readers;
use super::writer::Writer;
use crate::store::{OpenError, beside};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Readers that may be at work at once. Look-ups take microseconds and there are two or four cores.
const READERS: usize = 4;

/// Longer than any transaction of ours, shorter than a client's patience.
const WAIT_FOR_A_CONNECTION: Duration = Duration::from_secs(3);

impl SqliteStore {
    /// Opens or creates the database of `url` (`sqlite:FILE`) and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let path = Self::path(url)?;
        let database = path.display().to_string();
        let failed = |cause: sqlx::Error| OpenError::Failed { database: database.clone(), cause: cause.into() };
        let options = options(&path).journal_mode(SqliteJournalMode::Wal);
        let mut writer = Kept::open(options.clone()).await.map_err(failed)?;
        // Two processes that start on a new file at once may both begin to migrate it. The one that comes second finds,
        // when it looks again, that there is nothing left to do.
        let migrated = match MIGRATIONS.run(&mut *writer).await {
            Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) => MIGRATIONS.run(&mut *writer).await,
            result => result,
        };
        migrated.map_err(|error| OpenError::migrating(database.clone(), error))?;
        let readers = Readers::open(&options, READERS, WAIT_FOR_A_CONNECTION).await.map_err(failed)?;
        let feed = Readers::open(&options, 1, WAIT_FOR_A_CONNECTION).await.map_err(failed)?;
        let writer = Writer::new(writer, WAIT_FOR_A_CONNECTION);
        Ok(Self { writer, readers, feed, bell: Notify::new(), mail: Notify::new(), _served: None })
    }

    /// As [`Self::open`], of a file that must be there.
    pub(in crate::store) async fn open_existing(url: &str) -> Result<Self, OpenError> {
        Self::existing(url)?;
        Self::open(url).await
    }

    /// As [`Self::open`], and claims the database for serving: a second server on the same file would not hear of the
    /// first one's revocations in time.
    pub async fn open_for_serving(url: &str) -> Result<Self, OpenError> {
        let served = claim(&Self::path(url)?)?;
        Ok(Self { _served: Some(served), ..Self::open(url).await? })
    }

    /// The file that `url` names, made if missing, with the rights of a secret, which its `-wal` and `-shm` take over.
    /// Symbolic links are resolved, as SQLite does: whatever lies beside the file lies beside the one real file.
    pub fn path(url: &str) -> Result<PathBuf, OpenError> {
        Self::made(url).map(|(path, _)| path)
    }

    /// The same, and whether it was missing.
    pub(super) fn made(url: &str) -> Result<(PathBuf, bool), OpenError> {
        let path = named(url)?;
        let failed = |cause| OpenError::CannotWrite { path: path.clone(), cause };
        let missing = match private().create_new(true).write(true).open(&path) {
            Ok(_) => true,
            // Not opened: to close it again would let go of the locks that SQLite holds on it in this process.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !path.is_dir() => false,
            Err(error) => return Err(failed(error)),
        };
        Ok((path.canonicalize().map_err(failed)?, missing))
    }

    /// The same of a file that must be there.
    pub(super) fn existing(url: &str) -> Result<PathBuf, OpenError> {
        let path = named(url)?;
        match path.canonicalize() {
            Ok(real) if real.is_file() => Ok(real),
            // In full: most often it is the folder that is another one than was meant.
            _ => Err(OpenError::Missing(std::path::absolute(&path).unwrap_or(path))),
        }
    }
}

/// The file of `sqlite:FILE`.
fn named(url: &str) -> Result<PathBuf, OpenError> {
    // `:memory:` would be one database for every connection of the pools; so would a `file:` address that says so.
    let is_file = url.strip_prefix("sqlite:").is_some_and(|rest| !rest.trim_start_matches('/').starts_with("file:"));
    let options = SqliteConnectOptions::from_str(url).map_err(|_| OpenError::BadUrl)?;
    let path = options.get_filename();
    if !is_file || url.contains(":memory:") || url.contains('?') || path.file_name().is_none() {
        return Err(OpenError::BadUrl);
    }
    Ok(path.to_owned())
}

/// Claims the database at `path` for as long as the file is held: of several processes, one serves.
pub(super) fn claim(path: &Path) -> Result<File, OpenError> {
    let lock = beside(path, "-lock");
    let failed = |cause| OpenError::CannotWrite { path: lock.clone(), cause };
    loop {
        let served = private().create(true).append(true).open(&lock).map_err(failed)?;
        match served.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Served(path.to_owned())),
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        // Whoever held it may have removed it in the same moment; then it keeps nobody else away.
        let inode = served.metadata().map_err(failed)?.ino();
        if lock.metadata().is_ok_and(|there| there.ino() == inode) {
            return Ok(served);
        }
    }
}

/// How every connection to a database that others may be at work with is made. A log of ours has no SQL in it.
pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging()
}

/// For a file that only its owner may read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}
