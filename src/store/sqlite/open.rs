//! Opens a database file: created so that only its owner may read it, migrated, and served by one process at a time.
//! Everything here happens once, at the start, and each error is a sentence for the operator.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use tokio::sync::Notify;

use super::SqliteStore;
use super::connection::CheckedConnection;
use super::errors::failure;
use super::file::OpenedFile;
use super::readers::Readers;
use super::writer::SingleWriter;
use crate::store::{LostState, OpenError, StoreError, beside, migrations};

pub(super) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(migrations::sqlite);

/// The number of connections that read. A look-up takes microseconds, and there are two or four cores.
const READERS: usize = 4;

/// How long a call waits for a connection. Longer than any of our transactions, and shorter than the deadline of most
/// clients.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(3);

/// What to do if there was a database and it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IfLost {
    Refuse,
    MakeNew,
}

impl SqliteStore {
    /// Opens or creates the database of `url` (`sqlite:FILE`) and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_at(&Self::path(url)?, IfLost::Refuse).await
    }

    /// Opens the database as [`Self::open`] does, but creates no file.
    pub(in crate::store) async fn open_existing(url: &str) -> Result<Self, OpenError> {
        Self::open_at(&Self::existing(url)?, IfLost::Refuse).await
    }

    /// Opens the database as [`Self::open`] does, and claims it for serving. A second server on the same file would
    /// learn of the first one's revocations too late.
    pub async fn open_for_serving(url: &str) -> Result<Self, OpenError> {
        Self::serve_at(&Self::path(url)?, IfLost::Refuse).await
    }

    /// Opens the database as [`Self::open_for_serving`] does, and creates a new one if it is gone.
    pub(in crate::store) async fn open_new_for_serving(url: &str) -> Result<Self, OpenError> {
        Self::serve_at(&Self::path(url)?, IfLost::MakeNew).await
    }

    async fn serve_at(path: &Path, if_lost: IfLost) -> Result<Self, OpenError> {
        let remains = remains(path);
        if if_lost == IfLost::Refuse {
            require_kept(path, emptiness(path), remains.clone())?;
        }
        if remains.is_some() {
            // Claimed first: a server that is serving it may be of an older version, for which the schema must not
            // change.
            let served = claim(path)?;
            return Ok(Self { _served: Some(served), ..Self::open_at(path, if_lost).await? });
        }
        // The lock shows that there was a database. It is made after the database, so that a first start that was
        // killed can be repeated.
        let store = Self::open_at(path, if_lost).await?;
        Ok(Self { _served: Some(claim(path)?), ..store })
    }

    async fn open_at(path: &Path, if_lost: IfLost) -> Result<Self, OpenError> {
        let database = path.display().to_string();
        let failed = |cause: sqlx::Error| OpenError::Failed { database: database.clone(), cause: cause.into() };
        // Checked before the database is: a process that creates it at this moment makes the lock afterwards.
        let remains = remains(path).filter(|_| if_lost == IfLost::Refuse);
        // Checked without a connection: beside an empty file, SQLite would delete the log, which may hold all the data.
        require_kept(path, emptiness(path), remains.clone())?;
        create(path)?;
        let options = options(path).journal_mode(SqliteJournalMode::Wal);
        let mut writer = CheckedConnection::open(options.clone()).await.map_err(failed)?;
        let has_tables = "select exists (select 1 from sqlite_schema where name = '_sqlx_migrations')";
        let is_new = !sqlx::query_scalar::<_, bool>(has_tables).fetch_one(&mut *writer).await.map_err(failed)?;
        require_kept(path, is_new.then_some(LostState::Bare), remains)?;
        if if_lost == IfLost::MakeNew {
            put_old_secret_aside(path, is_new)?;
        }
        // Two processes that start on a new file at once may both begin to migrate it. The second one fails, and finds
        // nothing left to do when it tries again.
        let migrated = match MIGRATIONS.run(&mut *writer).await {
            Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) => MIGRATIONS.run(&mut *writer).await,
            result => result,
        };
        migrated.map_err(|error| OpenError::migrating(database.clone(), error))?;
        let file = OpenedFile::at(path).map_err(|cause| OpenError::CannotWrite { path: path.to_owned(), cause })?;
        let file = Arc::new(file);
        let readers = Readers::open(&options, READERS, &file, CONNECTION_TIMEOUT).await.map_err(failed)?;
        let feed = Readers::open(&options, 1, &file, CONNECTION_TIMEOUT).await.map_err(failed)?;
        let writer = SingleWriter::new(writer, &file, CONNECTION_TIMEOUT);
        Ok(Self { writer, readers, feed, file, revoked: Notify::new(), mail_queued: Notify::new(), _served: None })
    }

    /// The file that `url` names, whether it exists or not. Symbolic links are resolved, as SQLite does, so that the
    /// files beside it are beside the real file.
    pub fn path(url: &str) -> Result<PathBuf, OpenError> {
        let path = named(url)?;
        let resolved = resolve(path.clone());
        resolved.map_err(|cause| OpenError::CannotWrite { path, cause })
    }

    /// The file that `url` names, which must exist.
    pub(super) fn existing(url: &str) -> Result<PathBuf, OpenError> {
        let path = Self::path(url)?;
        require_kept(&path, emptiness(&path), remains(&path))?;
        if path.is_file() {
            return Ok(path);
        }
        // As an absolute path, because most often the operator is in another folder than they think.
        Err(OpenError::Missing(std::path::absolute(&path).unwrap_or(path)))
    }
}

fn resolve(path: PathBuf) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match fs::read_link(&path) {
                // A link to a file that does not exist.
                Ok(target) => resolve(folder.join(target)),
                Err(_) => Ok(folder.canonicalize()?.join(path.file_name().unwrap_or_default())),
            }
        }
        resolved => resolved,
    }
}

/// Creates the file if it is missing, so that only its owner may read it; SQLite gives its `-wal` and `-shm` the same
/// mode. Returns whether it was missing.
pub(super) fn create(path: &Path) -> Result<bool, OpenError> {
    match private().create_new(true).write(true).open(path) {
        Ok(_) => Ok(true),
        // The file is not opened, because closing it would release the locks that SQLite holds on it in this process.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !path.is_dir() => Ok(false),
        Err(cause) => Err(OpenError::CannotWrite { path: path.to_owned(), cause }),
    }
}

/// The size of the database in bytes as SQLite reports it, with its log. It shrinks after a `vacuum`, but not when its
/// file was cut.
pub(super) async fn size(readers: &Readers) -> Result<u64, StoreError> {
    sqlx::query_scalar("select page_count * page_size from pragma_page_count, pragma_page_size")
        .fetch_one(&mut **readers.take_any().await?)
        .await
        .map_err(failure)
}

/// A file that exists only beside a database that was served before.
fn remains(path: &Path) -> Option<PathBuf> {
    ["-secret", "-lock"].map(|suffix| beside(path, suffix)).into_iter().find(|file| file.exists())
}

/// How much a look at the file, without opening it, shows of a loss.
fn emptiness(path: &Path) -> Option<LostState> {
    match fs::metadata(path) {
        Ok(found) => (found.len() == 0).then_some(LostState::Empty),
        Err(error) => (error.kind() == io::ErrorKind::NotFound).then_some(LostState::Missing),
    }
}

/// Fails if the database is lost while a file beside it remains.
fn require_kept(path: &Path, lost: Option<LostState>, remains: Option<PathBuf>) -> Result<(), OpenError> {
    match (lost, remains) {
        (Some(state), Some(remains)) => Err(OpenError::Lost { path: path.to_owned(), state, remains }),
        _ => Ok(()),
    }
}

/// Handles `--new-database`. The secret of the old database is put aside: it may have signed tokens that were revoked
/// there, and the new database does not know of these revocations.
fn put_old_secret_aside(path: &Path, is_new: bool) -> Result<(), OpenError> {
    let database = path.display();
    if !is_new {
        tracing::warn!(
            event = "database", result = "there", %database,
            "the database exists, so --new-database was not needed: leave it out"
        );
        return Ok(());
    }
    let secret = beside(path, "-secret");
    match fs::rename(&secret, beside(&secret, ".old")) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            return Err(OpenError::CannotWrite { path: secret, cause });
        }
        _ => {}
    }
    tracing::warn!(
        event = "database",
        result = "new",
        %database,
        "a new database was made. Change JWT_SECRET, if it is set: the new database does not know which tokens were \
         revoked in the old one"
    );
    Ok(())
}

/// The file in an address of the form `sqlite:FILE`.
fn named(url: &str) -> Result<PathBuf, OpenError> {
    // `:memory:` would be a separate database for each connection, and so would a `file:` address that asks for it.
    let is_file = url.strip_prefix("sqlite:").is_some_and(|rest| !rest.trim_start_matches('/').starts_with("file:"));
    let options = SqliteConnectOptions::from_str(url).map_err(|_| OpenError::BadUrl)?;
    let path = options.get_filename();
    if !is_file || url.contains(":memory:") || url.contains('?') || path.file_name().is_none() {
        return Err(OpenError::BadUrl);
    }
    Ok(path.to_owned())
}

/// Claims the database at `path` for serving, for as long as the returned file is open. One process at a time can.
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
        // The process that held the lock may have removed its file at this moment. A lock on a removed file protects
        // nothing.
        let inode = served.metadata().map_err(failed)?.ino();
        if lock.metadata().is_ok_and(|there| there.ino() == inode) {
            return Ok(served);
        }
    }
}

/// The options of every connection to a database that other processes may use too. Our logs contain no SQL.
pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging()
}

/// Options to create a file that only its owner may read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}
