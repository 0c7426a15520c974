//! Opening a database file: created with the rights of a secret, migrated, and served by one process at a time. Apart
//! from the statements because everything here happens once and fails with a sentence for the operator.

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
use super::connection::Kept;
use super::errors::failure;
use super::file::OpenedFile;
use super::readers::Readers;
use super::writer::Writer;
use crate::store::{LostState, OpenError, StoreError, beside, migrations};

pub(super) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(migrations::sqlite);

/// Readers that may be at work at once. Look-ups take microseconds and there are two or four cores.
const READERS: usize = 4;

/// Longer than any transaction of ours, shorter than a client's patience.
const WAIT_FOR_A_CONNECTION: Duration = Duration::from_secs(3);

/// What to do where a database was, and is no more.
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

    /// As [`Self::open`], of a file that must be there.
    pub(in crate::store) async fn open_existing(url: &str) -> Result<Self, OpenError> {
        Self::open_at(&Self::existing(url)?, IfLost::Refuse).await
    }

    /// As [`Self::open`], and claims the database for serving: a second server on the same file would not hear of the
    /// first one's revocations in time.
    pub async fn open_for_serving(url: &str) -> Result<Self, OpenError> {
        Self::serve_at(&Self::path(url)?, IfLost::Refuse).await
    }

    /// As [`Self::open_for_serving`], and makes a new database where there was one.
    pub(in crate::store) async fn open_new_for_serving(url: &str) -> Result<Self, OpenError> {
        Self::serve_at(&Self::path(url)?, IfLost::MakeNew).await
    }

    async fn serve_at(path: &Path, if_lost: IfLost) -> Result<Self, OpenError> {
        let remains = remains(path);
        if if_lost == IfLost::Refuse {
            require_kept(path, emptiness(path), remains.clone())?;
        }
        if remains.is_some() {
            // First: whoever serves it may be of an older version, for which the schema must stay as it is.
            let served = claim(path)?;
            return Ok(Self { _served: Some(served), ..Self::open_at(path, if_lost).await? });
        }
        // The lock tells that there was a database. So it comes after it, and a first start that was killed may be repeated.
        let store = Self::open_at(path, if_lost).await?;
        Ok(Self { _served: Some(claim(path)?), ..store })
    }

    async fn open_at(path: &Path, if_lost: IfLost) -> Result<Self, OpenError> {
        let database = path.display().to_string();
        let failed = |cause: sqlx::Error| OpenError::Failed { database: database.clone(), cause: cause.into() };
        // Before the database is looked at: whoever makes it at this moment claims it when it is made.
        let remains = remains(path).filter(|_| if_lost == IfLost::Refuse);
        // Without a connection: of an empty file SQLite deletes the log, which may be all there is.
        require_kept(path, emptiness(path), remains.clone())?;
        make(path)?;
        let options = options(path).journal_mode(SqliteJournalMode::Wal);
        let mut writer = Kept::open(options.clone()).await.map_err(failed)?;
        let has_tables = "select exists (select 1 from sqlite_schema where name = '_sqlx_migrations')";
        let is_new = !sqlx::query_scalar::<_, bool>(has_tables).fetch_one(&mut *writer).await.map_err(failed)?;
        require_kept(path, is_new.then_some(LostState::Bare), remains)?;
        if if_lost == IfLost::MakeNew {
            begin_anew(path, is_new)?;
        }
        // Two processes that start on a new file at once may both begin to migrate it. The one that comes second finds,
        // when it looks again, that there is nothing left to do.
        let migrated = match MIGRATIONS.run(&mut *writer).await {
            Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) => MIGRATIONS.run(&mut *writer).await,
            result => result,
        };
        migrated.map_err(|error| OpenError::migrating(database.clone(), error))?;
        let file = OpenedFile::at(path).map_err(|cause| OpenError::CannotWrite { path: path.to_owned(), cause })?;
        let file = Arc::new(file);
        let readers = Readers::open(&options, READERS, &file, WAIT_FOR_A_CONNECTION).await.map_err(failed)?;
        let feed = Readers::open(&options, 1, &file, WAIT_FOR_A_CONNECTION).await.map_err(failed)?;
        let writer = Writer::new(writer, &file, WAIT_FOR_A_CONNECTION);
        Ok(Self { writer, readers, feed, file, bell: Notify::new(), mail: Notify::new(), _served: None })
    }

    /// The file that `url` names, whether it is there or not. Symbolic links are resolved, as SQLite does: whatever lies
    /// beside the file lies beside the one real file.
    pub fn path(url: &str) -> Result<PathBuf, OpenError> {
        let path = named(url)?;
        let resolved = resolve(path.clone());
        resolved.map_err(|cause| OpenError::CannotWrite { path, cause })
    }

    /// The same of a file that must be there.
    pub(super) fn existing(url: &str) -> Result<PathBuf, OpenError> {
        let path = Self::path(url)?;
        require_kept(&path, emptiness(&path), remains(&path))?;
        if path.is_file() {
            return Ok(path);
        }
        // In full: most often it is the folder that is another one than was meant.
        Err(OpenError::Missing(std::path::absolute(&path).unwrap_or(path)))
    }
}

fn resolve(path: PathBuf) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match fs::read_link(&path) {
                // A link to where nothing is.
                Ok(target) => resolve(folder.join(target)),
                Err(_) => Ok(folder.canonicalize()?.join(path.file_name().unwrap_or_default())),
            }
        }
        resolved => resolved,
    }
}

/// Makes the file, if it is missing, with the rights of a secret, which its `-wal` and `-shm` take over. Tells whether it was
/// missing.
pub(super) fn make(path: &Path) -> Result<bool, OpenError> {
    match private().create_new(true).write(true).open(path) {
        Ok(_) => Ok(true),
        // Not opened: to close it again would let go of the locks that SQLite holds on it in this process.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !path.is_dir() => Ok(false),
        Err(cause) => Err(OpenError::CannotWrite { path: path.to_owned(), cause }),
    }
}

/// How many bytes the database has by its own account, its log included: fewer after a `vacuum`, as many as ever when only its
/// file is shorter.
pub(super) async fn size(readers: &Readers) -> Result<u64, StoreError> {
    sqlx::query_scalar("select page_count * page_size from pragma_page_count, pragma_page_size")
        .fetch_one(&mut **readers.take_any().await?)
        .await
        .map_err(failure)
}

/// What lies beside a database that was served, and beside none that never was.
fn remains(path: &Path) -> Option<PathBuf> {
    ["-secret", "-lock"].map(|suffix| beside(path, suffix)).into_iter().find(|file| file.exists())
}

/// What there is to see of a loss without opening the file.
fn emptiness(path: &Path) -> Option<LostState> {
    match fs::metadata(path) {
        Ok(found) => (found.len() == 0).then_some(LostState::Empty),
        Err(error) => (error.kind() == io::ErrorKind::NotFound).then_some(LostState::Missing),
    }
}

/// Refuses a database of which nothing is left but what lay beside it.
fn require_kept(path: &Path, lost: Option<LostState>, remains: Option<PathBuf>) -> Result<(), OpenError> {
    match (lost, remains) {
        (Some(state), Some(remains)) => Err(OpenError::Lost { path: path.to_owned(), state, remains }),
        _ => Ok(()),
    }
}

/// Where a new database was asked for. The secret of the one before it is put aside: tokens that it signed may have been
/// revoked there, of which the new one knows nothing.
fn begin_anew(path: &Path, is_new: bool) -> Result<(), OpenError> {
    let database = path.display();
    if !is_new {
        tracing::warn!(event = "database", result = "there", %database, "--new-database was not needed: leave it out");
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
        "a new database was made. Change JWT_SECRET, if it is set: tokens of the database before it that were revoked \
         there are not revoked here"
    );
    Ok(())
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
