//! A SQLite file as one side of a move, on a connection of its own.

use std::fs::{self, File};
use std::path::PathBuf;

use async_trait::async_trait;
use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, QueryBuilder};

use super::SqliteStore;
use super::errors::{SQLITE_ERROR, failure};
use super::open::{self, MIGRATIONS};
use crate::store::endpoint::{APPLIED, MoveEndpoint, MoveSide, require_current};
use crate::store::tables::{RowValues, Table, Value, decode};
use crate::store::{OpenError, StoreError, beside};

/// The result code of a statement that found another process writing.
const SQLITE_BUSY: &str = "5";

pub(in crate::store) struct SqliteEndpoint {
    path: PathBuf,
    identity: String,
    connection: SqliteConnection,
    /// The lock of a serving process, so that no server starts meanwhile.
    served: Option<File>,
    /// Whether the database was never served, so that the file of the lock must not remain.
    unserved: bool,
    /// Whether the file was created for the move.
    new: bool,
    /// Whether a commit was tried, so that the file may hold data.
    committing: bool,
}

impl SqliteEndpoint {
    /// Opens a source, which must exist and have this version's schema, or a target, which is created if it is missing.
    pub(crate) async fn open(url: &str, side: MoveSide) -> Result<Self, OpenError> {
        let (path, new) = match side {
            MoveSide::Source => (SqliteStore::existing(url)?, false),
            MoveSide::Target => {
                let path = SqliteStore::path(url)?;
                let new = open::create(&path)?;
                (path, new)
            }
        };
        let database = path.display().to_string();
        let failed = |cause: sqlx::Error| OpenError::Failed { database: database.clone(), cause: cause.into() };
        let mut connection = open::options(&path).connect().await.map_err(failed)?;
        if side == MoveSide::Source {
            let applied = sqlx::query_as(APPLIED).fetch_all(&mut connection).await.map_err(|error| {
                let code = error.as_database_error().and_then(|error| error.code());
                if code.as_deref() == Some(SQLITE_ERROR) {
                    OpenError::Outdated(database.clone())
                } else {
                    failed(error)
                }
            })?;
            require_current(&database, &MIGRATIONS, &applied)?;
        }
        Ok(Self { identity: database, path, connection, served: None, unserved: false, new, committing: false })
    }
}

#[async_trait]
impl MoveEndpoint for SqliteEndpoint {
    fn identity(&self) -> &str {
        &self.identity
    }

    async fn begin(&mut self, _side: MoveSide) -> Result<(), OpenError> {
        self.unserved = !beside(&self.path, "-lock").exists();
        self.served = Some(open::claim(&self.path)?);
        // Locked also if it is the source: what a command wrote there meanwhile would be lost.
        match self.connection.begin_with("begin immediate").await {
            // The transaction ends with the connection. Because sqlx knows of it, a migration begins a savepoint and no
            // second transaction.
            Ok(transaction) => std::mem::forget(transaction),
            Err(error) => {
                let code = error.as_database_error().and_then(|error| error.code());
                let database = self.identity.clone();
                return Err(if code.as_deref() == Some(SQLITE_BUSY) {
                    OpenError::InUse(database)
                } else {
                    OpenError::Failed { database, cause: error.into() }
                });
            }
        }
        Ok(())
    }

    async fn has_rows(&mut self, table: &Table) -> Result<bool, StoreError> {
        let is_there =
            sqlx::query_scalar("select exists (select 1 from sqlite_schema where name = $1)").bind(table.name);
        if !is_there.fetch_one(&mut self.connection).await.map_err(failure)? {
            return Ok(false);
        }
        sqlx::query_scalar(AssertSqlSafe(table.any())).fetch_one(&mut self.connection).await.map_err(failure)
    }

    async fn migrate(&mut self) -> Result<(), OpenError> {
        let migrated = MIGRATIONS.run_direct(None, &mut self.connection, false).await;
        migrated.map_err(|error| OpenError::migrating(self.identity.clone(), error))
    }

    async fn read(&mut self, table: &Table, after: Option<&Value>) -> Result<Vec<RowValues>, StoreError> {
        let mut query = sqlx::query(AssertSqlSafe(table.select(after.is_none())));
        query = match after {
            None => query,
            Some(Value::Id(id)) => query.bind(id),
            Some(Value::Number(number)) => query.bind(number),
            Some(Value::Text(text)) => query.bind(text),
        };
        let rows = query.fetch_all(&mut self.connection).await.map_err(failure)?;
        rows.iter().map(|row| decode(table, row)).collect()
    }

    async fn write(&mut self, table: &Table, rows: &[RowValues]) -> Result<(), StoreError> {
        QueryBuilder::<Sqlite>::new(table.insert())
            .push_values(rows, |mut row, values| {
                for value in values {
                    match value {
                        Value::Id(id) => row.push_bind(id),
                        Value::Number(number) => row.push_bind(number),
                        Value::Text(text) => row.push_bind(text),
                    };
                }
            })
            .build()
            .execute(&mut self.connection)
            .await
            .map_err(failure)?;
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        self.committing = true;
        sqlx::raw_sql("commit").execute(&mut self.connection).await.map_err(failure)?;
        Ok(())
    }

    async fn close(self: Box<Self>) {
        let Self { path, connection, served, unserved, new, committing, .. } = *self;
        // An error changes nothing: everything is committed or rolled back.
        let _ = connection.close().await;
        // Removed only if this move created it and held its lock, so that no other process can have written to it. On a
        // full disk, SQLite may leave a file with a part of the data.
        let is_empty = || fs::metadata(&path).is_ok_and(|metadata| metadata.len() == 0);
        if new && served.is_some() && (!committing || is_empty()) {
            for file in [beside(&path, "-journal"), path.clone(), beside(&path, "-lock")] {
                let _ = fs::remove_file(file);
            }
        } else if served.is_some() && unserved && is_empty() {
            let _ = fs::remove_file(beside(&path, "-lock"));
        }
    }
}
