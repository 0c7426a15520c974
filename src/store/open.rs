//! The one place where a database's address decides on its engine, and every sentence that an operator may read when it
//! cannot be opened. The password of an address is in none of them.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::migrate::MigrateError;

use super::moving::{End, Side};
use super::postgres::PostgresEnd;
use super::sqlite::SqliteEnd;
use super::{Backup, BackupError, PostgresStore, SqliteStore, Store};

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Serving from it. One process at a time may, if the engine cannot tell others what was written.
    Serve,
    /// As [`Self::Serve`]; and if the database was deleted or emptied, a new one takes its place.
    ServeNew,
    /// Working with it beside whoever serves.
    Operate,
    /// As [`Self::Operate`], with what is there already: a file that is missing is not made.
    OperateExisting,
}

/// Opens the database of `url` and brings its schema up to date: `sqlite:FILE`, which is made if missing and `purpose`
/// allows it, or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. A file that was there and is gone is never made in silence.
pub async fn open(url: &str, purpose: Purpose) -> Result<Arc<dyn Store>, OpenError> {
    Ok(match (Engine::of(url)?, purpose) {
        (Engine::Sqlite, Purpose::Serve) => Arc::new(SqliteStore::open_for_serving(url).await?),
        (Engine::Sqlite, Purpose::ServeNew) => Arc::new(SqliteStore::open_new_for_serving(url).await?),
        (Engine::Sqlite, Purpose::OperateExisting) => Arc::new(SqliteStore::open_existing(url).await?),
        (Engine::Sqlite, Purpose::Operate) => Arc::new(SqliteStore::open(url).await?),
        // Replicas tell each other, so any number of processes may serve.
        (Engine::Postgres, _) => Arc::new(PostgresStore::open(url).await?),
    })
}

/// Opens a database as an end of a move. A source must be there, and of this version's schema; a target that is a file is
/// made if missing, and is not changed.
pub(super) async fn end(url: &str, side: Side) -> Result<Box<dyn End>, OpenError> {
    Ok(match Engine::of(url)? {
        Engine::Sqlite => Box::new(SqliteEnd::open(url, side).await?),
        Engine::Postgres => Box::new(PostgresEnd::open(url, side).await?),
    })
}

/// Copies the database of `url`, whoever is at work with it, to the new file `to`.
pub async fn backup(url: &str, to: &Path) -> Result<Backup, BackupError> {
    match Engine::of(url)? {
        Engine::Sqlite => SqliteStore::backup(url, to).await,
        Engine::Postgres => Err(BackupError::NoFile),
    }
}

/// The file that `url` names; `None` when it names a server, which has no place for what this machine wants to keep.
pub fn file(url: &str) -> Result<Option<PathBuf>, OpenError> {
    match Engine::of(url)? {
        Engine::Sqlite => SqliteStore::path(url).map(Some),
        Engine::Postgres => Ok(None),
    }
}

/// The path of a file that belongs to a database, as SQLite names its own.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    fn of(url: &str) -> Result<Self, OpenError> {
        match url.split_once(':') {
            // Another scheme behind it is no file, and may hold a password.
            Some(("sqlite", rest)) if !rest.contains("://") => Ok(Self::Sqlite),
            Some(("sqlite", _)) => Err(OpenError::BadUrl),
            // Without the slashes, the driver would look for it elsewhere, and tell where.
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => Ok(Self::Postgres),
            Some(("postgres" | "postgresql", _)) => Err(OpenError::BadServerUrl),
            _ => Err(OpenError::UnknownEngine),
        }
    }
}

/// Why a database could not be opened. Each message says what to do.
#[derive(Debug)]
pub enum OpenError {
    /// Neither scheme.
    UnknownEngine,
    /// Not of the form `sqlite:FILE`.
    BadUrl,
    /// Nothing is made where something must be.
    Missing(PathBuf),
    /// It was there once and has nothing in it any more.
    Lost {
        /// Where it was.
        path: PathBuf,
        /// What is left of it.
        state: LostState,
        /// What lies beside it still.
        remains: PathBuf,
    },
    /// Not of this version, and not to be changed.
    Outdated(String),
    /// By the command line, or by replicas.
    InUse(String),
    /// The file cannot be made or written.
    CannotWrite {
        /// Of the database, or of its lock.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Another server has it.
    Served(PathBuf),
    /// Not of the form `postgres://…`.
    BadServerUrl,
    /// A parameter of the address that means nothing, such as `sslmod=require`; ignored, it would be dangerous.
    UnknownParameter(String),
    /// Nobody answers there.
    Unreachable {
        /// Database, host and port.
        database: String,
        /// What the system said.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The user or the password.
    Refused {
        /// Database, host and port.
        database: String,
        /// As given.
        user: String,
        /// What PostgreSQL said.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The server has no such database.
    NoDatabase(String),
    /// It may look and not touch.
    NotOwner {
        /// Database, host and port.
        database: String,
        /// As given.
        user: String,
        /// What PostgreSQL said.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// A standby.
    ReadOnly(String),
    /// Before PostgreSQL 13.
    TooOld {
        /// Database, host and port.
        database: String,
        /// As the server says it.
        version: String,
    },
    /// Something that is like PostgreSQL in other ways.
    NoLocks(String),
    /// Written by a later version.
    Newer(String),
    /// Its schema is not what this version believes.
    Changed {
        /// Which database.
        database: String,
        /// Which migration.
        version: i64,
    },
    /// The engine would not.
    Failed {
        /// Which database.
        database: String,
        /// What the engine said.
        cause: Box<dyn Error + Send + Sync>,
    },
}

/// What is left of a database that was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostState {
    /// No file.
    Missing,
    /// A file of no bytes.
    Empty,
    /// A database without our tables.
    Bare,
}

impl fmt::Display for LostState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::Empty => "is empty",
            Self::Bare => "has no tables",
        })
    }
}

impl Error for OpenError {}

/// About the database of the setting.
impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.about("DATABASE_URL"))
    }
}

impl OpenError {
    /// The sentence for somebody who gave the database's address as `url`: a setting, or whatever they know it by.
    pub(super) fn about(&self, url: &str) -> String {
        match self {
            Self::UnknownEngine => {
                format!("{url} must begin with `sqlite:` or `postgres://`, as in `sqlite:countersign.db`")
            }
            Self::BadUrl => format!("{url} must be `sqlite:` and the path of a file, as in `sqlite:countersign.db`"),
            Self::Missing(path) => format!("there is no database {}; check {url}", path.display()),
            Self::Lost { path, state, remains } => format!(
                "the database {0} {state}, but {1} is there, so there was a database: mount its disk, or remove {0}-wal and \
                 -shm and restore a backup; if a new database is meant, start with `countersign serve --new-database`",
                path.display(),
                remains.display()
            ),
            Self::Outdated(database) => format!(
                "the database {database} is not of this version: start this version's server on it once, which brings \
                 it up to date"
            ),
            Self::InUse(database) => {
                format!("somebody else is writing to the database {database}; stop them first, or try again")
            }
            Self::CannotWrite { path, cause } => format!(
                "cannot write the database {}: {cause}; check that its folder exists and that this user may write there",
                path.display()
            ),
            Self::Served(path) => format!(
                "another server is serving {}; stop that one first (the command line works beside it)",
                path.display()
            ),
            Self::BadServerUrl => format!(
                "{url} must be `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; write the special characters of a \
                 password as %40 and the like"
            ),
            Self::UnknownParameter(name) => {
                format!("{url} has a parameter `{name}` that is none; did you mean `sslmode` or `sslrootcert`?")
            }
            Self::Unreachable { database, cause } => format!(
                "cannot reach the database {database}: {cause}; check {url}, and that PostgreSQL is running there"
            ),
            Self::Refused { database, user, cause } => {
                format!("the database {database} does not let {user} in: {cause}; check user and password in {url}")
            }
            Self::NoDatabase(database) => {
                format!("there is no database {database}; create it (`createdb`), or correct {url}")
            }
            Self::NotOwner { database, user, cause } => {
                format!("{user} may not write in the database {database}: {cause}; make it the owner of the database")
            }
            Self::ReadOnly(database) => {
                format!("the database {database} is read-only; {url} must name the primary server")
            }
            Self::TooOld { database, version } => {
                format!("the database {database} runs PostgreSQL {version}; version 13 or later is needed")
            }
            Self::NoLocks(database) => format!(
                "the database {database} takes advisory locks and does not hold them, so revocations could be missed; \
                 {url} must name a PostgreSQL server, or one that is as strict"
            ),
            Self::Newer(database) => format!(
                "the database {database} was written by a newer version of countersign; start that version or a later one"
            ),
            Self::Changed { database, version } => format!(
                "migration {version} of the database {database} differs from this version's; it was made by a modified \
                 build: restore that build or a backup"
            ),
            Self::Failed { database, cause } => format!(
                "cannot open the database {database}: {cause}; check that it is one and that this user may write it"
            ),
        }
    }

    /// Why a schema could not be brought up to date.
    pub(super) fn migrating(database: String, error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(_) => Self::Newer(database),
            MigrateError::VersionMismatch(version) => Self::Changed { database, version },
            other => Self::Failed { database, cause: other.into() },
        }
    }
}
