//! The address of a database decides on its engine, here and nowhere else.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::endpoint::{MoveEndpoint, MoveSide};
use super::postgres::PostgresEndpoint;
use super::sqlite::SqliteEndpoint;
use super::{Backup, BackupError, BadServerUrl, OpenError, PostgresStore, SqliteStore, Store};

/// The purpose that a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Serving. With SQLite, one process at a time may serve, because it cannot tell another what it has written.
    Serve,
    /// Serving; if the database was deleted or emptied, a new one takes its place.
    ServeNew,
    /// Working beside a server, as the command line does.
    Operate,
    /// Working beside a server with a database that must exist: a missing file is not created.
    OperateExisting,
}

/// Opens the database of `url` and brings its schema up to date. `url` is `sqlite:FILE` or
/// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. A missing file is created if `purpose` allows it, but not silently if
/// there was a database before: that is [`OpenError::Lost`].
pub async fn open(url: &str, purpose: Purpose) -> Result<Arc<dyn Store>, OpenError> {
    Ok(match (Engine::of(url)?, purpose) {
        (Engine::Sqlite, Purpose::Serve) => Arc::new(SqliteStore::open_for_serving(url).await?),
        (Engine::Sqlite, Purpose::ServeNew) => Arc::new(SqliteStore::open_new_for_serving(url).await?),
        (Engine::Sqlite, Purpose::OperateExisting) => Arc::new(SqliteStore::open_existing(url).await?),
        (Engine::Sqlite, Purpose::Operate) => Arc::new(SqliteStore::open(url).await?),
        // Any number of processes may serve: PostgreSQL tells them what the others have written.
        (Engine::Postgres, _) => Arc::new(PostgresStore::open(url).await?),
    })
}

/// Opens a database as one side of a move. A source must exist and have this version's schema. A target that is a
/// missing file is created; nothing else is changed.
pub(super) async fn endpoint(url: &str, side: MoveSide) -> Result<Box<dyn MoveEndpoint>, OpenError> {
    Ok(match Engine::of(url)? {
        Engine::Sqlite => Box::new(SqliteEndpoint::open(url, side).await?),
        Engine::Postgres => Box::new(PostgresEndpoint::open(url, side).await?),
    })
}

/// Copies the database of `url` to the new file `to`, while servers and commands work with it.
pub async fn backup(url: &str, to: &Path) -> Result<Backup, BackupError> {
    match Engine::of(url)? {
        Engine::Sqlite => SqliteStore::backup(url, to).await,
        Engine::Postgres => Err(BackupError::NoFile),
    }
}

/// The file that `url` names; `None` if it names a PostgreSQL server.
pub fn file(url: &str) -> Result<Option<PathBuf>, OpenError> {
    match Engine::of(url)? {
        Engine::Sqlite => SqliteStore::path(url).map(Some),
        Engine::Postgres => Ok(None),
    }
}

enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    fn of(url: &str) -> Result<Self, OpenError> {
        match url.split_once(':') {
            // `sqlite:postgres://…` names no file, and an error about the file might show its password.
            Some(("sqlite", rest)) if !rest.contains("://") => Ok(Self::Sqlite),
            Some(("sqlite", _)) => Err(OpenError::BadUrl),
            // Without the slashes the driver would read another host, and name it in its errors.
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => Ok(Self::Postgres),
            Some(("postgres" | "postgresql", _)) => Err(OpenError::BadServerUrl(BadServerUrl::Password)),
            _ => Err(OpenError::UnknownEngine),
        }
    }
}
