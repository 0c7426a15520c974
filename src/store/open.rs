//! The one place where a database's address decides on its engine, and every sentence that an operator may read when it
//! cannot be opened. The password of an address is in none of them.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::migrate::MigrateError;

use super::moving::End;
use super::postgres::PostgresEnd;
use super::sqlite::SqliteEnd;
use super::{AccountStore, Backup, BackupError, PostgresStore, SqliteStore};

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Serving from it. One process at a time may, if the engine cannot tell others what was written.
    Serve,
    /// Working with it beside whoever serves.
    Operate,
}

/// Opens the database of `url` and brings its schema up to date: `sqlite:FILE`, which is made if missing, or
/// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
pub async fn open(url: &str, purpose: Purpose) -> Result<Arc<dyn AccountStore>, OpenError> {
    Ok(match (Engine::of(url)?, purpose) {
        (Engine::Sqlite, Purpose::Serve) => Arc::new(SqliteStore::open_for_serving(url).await?),
        (Engine::Sqlite, Purpose::Operate) => Arc::new(SqliteStore::open(url).await?),
        // Replicas tell each other, so any number of processes may serve.
        (Engine::Postgres, _) => Arc::new(PostgresStore::open(url).await?),
    })
}

/// Brings the schema of a database up to date, which is made if it is a file and missing.
pub(super) async fn migrated(url: &str) -> Result<(), OpenError> {
    open(url, Purpose::Operate).await?.close().await;
    Ok(())
}

/// Opens an existing database of this version's schema as an end of a move.
pub(super) async fn end(url: &str) -> Result<Box<dyn End>, OpenError> {
    Ok(match Engine::of(url)? {
        Engine::Sqlite => Box::new(SqliteEnd::open(url).await?),
        Engine::Postgres => Box::new(PostgresEnd::open(url).await?),
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
            Some(("sqlite", _)) => Ok(Self::Sqlite),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres),
            _ => Err(OpenError::UnknownEngine),
        }
    }
}

/// Why a database could not be opened. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Neither scheme.
    #[error("DATABASE_URL must begin with `sqlite:` or `postgres://`, as in `sqlite:countersign.db`")]
    UnknownEngine,
    /// Not of the form `sqlite:FILE`.
    #[error("DATABASE_URL must be `sqlite:` and the path of a file, as in `sqlite:countersign.db`")]
    BadUrl,
    /// Nothing is made where something must be.
    #[error("there is no database {0}; correct DATABASE_URL")]
    Missing(PathBuf),
    /// Not of this version, and not to be changed.
    #[error(
        "the database {0} is not of this version: start this version's server on it once, which brings it up to date"
    )]
    Outdated(String),
    /// By the command line, or by replicas.
    #[error("somebody else is writing to the database {0}; stop them first, or try again")]
    InUse(String),
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
    /// Not of the form `postgres://…`.
    #[error(
        "DATABASE_URL must be `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; write the special characters of a \
         password as %40 and the like"
    )]
    BadServerUrl,
    /// A parameter of the address that means nothing, such as `sslmod=require`; ignored, it would be dangerous.
    #[error("DATABASE_URL has a parameter `{0}` that is none; did you mean `sslmode` or `sslrootcert`?")]
    UnknownParameter(String),
    /// Nobody answers there.
    #[error("cannot reach the database {database}: {cause}; check DATABASE_URL, and that PostgreSQL is running there")]
    Unreachable {
        /// Database, host and port.
        database: String,
        /// What the system said.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The user or the password.
    #[error("the database {database} does not let {user} in: {cause}; check user and password in DATABASE_URL")]
    Refused {
        /// Database, host and port.
        database: String,
        /// As given.
        user: String,
        /// What PostgreSQL said.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The server has no such database.
    #[error("there is no database {0}; create it (`createdb`), or correct DATABASE_URL")]
    NoDatabase(String),
    /// It may look and not touch.
    #[error("{user} may not write in the database {database}: {cause}; make it the owner of the database")]
    NotOwner {
        /// Database, host and port.
        database: String,
        /// As given.
        user: String,
        /// What PostgreSQL said.
        cause: Box<dyn Error + Send + Sync>,
    },
    /// A standby.
    #[error("the database {0} is read-only; DATABASE_URL must name the primary server")]
    ReadOnly(String),
    /// Before PostgreSQL 13.
    #[error("the database {database} runs PostgreSQL {version}; version 13 or later is needed")]
    TooOld {
        /// Database, host and port.
        database: String,
        /// As the server says it.
        version: String,
    },
    /// Something that is like PostgreSQL in other ways.
    #[error(
        "the database {0} takes advisory locks and does not hold them, so revocations could be missed; DATABASE_URL must \
         name a PostgreSQL server, or one that is as strict"
    )]
    NoLocks(String),
    /// Written by a later version.
    #[error("the database {0} was written by a newer version of countersign; start that version or a later one")]
    Newer(String),
    /// Its schema is not what this version believes.
    #[error(
        "migration {version} of the database {database} differs from this version's; it was made by a modified build: restore that build or a backup"
    )]
    Changed {
        /// Which database.
        database: String,
        /// Which migration.
        version: i64,
    },
    /// The engine would not.
    #[error("cannot open the database {database}: {cause}; check that it is one and that this user may write it")]
    Failed {
        /// Which database.
        database: String,
        /// What the engine said.
        cause: Box<dyn Error + Send + Sync>,
    },
}

impl OpenError {
    /// Why a schema could not be brought up to date.
    pub(super) fn migrating(database: String, error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(_) => Self::Newer(database),
            MigrateError::VersionMismatch(version) => Self::Changed { database, version },
            other => Self::Failed { database, cause: other.into() },
        }
    }
}
