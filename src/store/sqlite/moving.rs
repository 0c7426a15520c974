//! SQLite as an end of a move: a connection of its own, outside the store's pools.

use std::fs::{self, File};
use std::path::PathBuf;

use async_trait::async_trait;
use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, QueryBuilder};

use super::SqliteStore;
use super::errors::failure;
use super::open::{self, MIGRATIONS};
use crate::store::moving::{APPLIED, End, Row, Side, Table, Value, decode, require_current};
use crate::store::{OpenError, StoreError, beside};

/// The result code of a statement about a table that is not there.
const SQLITE_ERROR: &str = "1";

/// The result code when somebody else is writing.
const SQLITE_BUSY: &str = "5";

pub(in crate::store) struct SqliteEnd {
    path: PathBuf,
    identity: String,
    connection: SqliteConnection,
    /// As of a server, so that none writes meanwhile.
    served: Option<File>,
    /// Whether nobody had served it: the lock would tell otherwise.
    unserved: bool,
    /// Whether the file was made for the move.
    new: bool,
    /// Whether something in it may have been committed.
    committing: bool,
}

impl SqliteEnd {
    /// As a source, an existing database of this version's schema. As a target, any file, which is made if missing.
    pub async fn open(url: &str, side: Side) -> Result<Self, OpenError> {
        let (path, new) = match side {
            Side::Source => (SqliteStore::existing(url)?, false),
            Side::Target => {
                let path = SqliteStore::path(url)?;
                let new = open::make(&path)?;
                (path, new)
            }
        };
        let database = path.display().to_string();
        let failed = |cause: sqlx::Error| OpenError::Failed { database: database.clone(), cause: cause.into() };
        let mut connection = open::options(&path).connect().await.map_err(failed)?;
        if side == Side::Source {
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
impl End for SqliteEnd {
    fn identity(&self) -> &str {
        &self.identity
    }

    async fn begin(&mut self, _side: Side) -> Result<(), OpenError> {
        self.unserved = !beside(&self.path, "-lock").exists();
        self.served = Some(open::claim(&self.path)?);
        // Also of a source: what the command line would write there meanwhile would be lost.
        match self.connection.begin_with("begin immediate").await {
            // It ends with the connection. That sqlx knows of it makes a savepoint of what a migration begins.
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
            sqlx::query_scalar("select exists (select 1 from sqlite_schema where name = ?1)").bind(table.name);
        if !is_there.fetch_one(&mut self.connection).await.map_err(failure)? {
            return Ok(false);
        }
        sqlx::query_scalar(AssertSqlSafe(table.any())).fetch_one(&mut self.connection).await.map_err(failure)
    }

    async fn migrate(&mut self) -> Result<(), OpenError> {
        let migrated = MIGRATIONS.run_direct(None, &mut self.connection, false).await;
        migrated.map_err(|error| OpenError::migrating(self.identity.clone(), error))
    }

    async fn read(&mut self, table: &Table, after: Option<&Value>) -> Result<Vec<Row>, StoreError> {
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

    async fn write(&mut self, table: &Table, rows: &[Row]) -> Result<(), StoreError> {
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
        // How it ends changes nothing: all is committed, or rolled back.
        let _ = connection.close().await;
        // Only if it is ours, and nobody else can have written to it. On a full disk SQLite may leave what it had written.
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
