//! SQLite as an end of a move: a connection of its own, outside the store's pools.

use std::fs::File;
use std::path::PathBuf;

use async_trait::async_trait;
use sqlx::sqlite::{Sqlite, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, QueryBuilder};

use super::SqliteStore;
use super::errors::failure;
use super::open::{self, MIGRATIONS};
use crate::store::moving::{APPLIED, End, Row, Side, Table, Value, decode, require_current};
use crate::store::{OpenError, StoreError};

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
}

impl SqliteEnd {
    /// An existing database of this version's schema.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let path = SqliteStore::existing(url)?;
        let database = path.display().to_string();
        let failed = |cause: sqlx::Error| OpenError::Failed { database: database.clone(), cause: cause.into() };
        let mut connection = open::options(&path).disable_statement_logging().connect().await.map_err(failed)?;
        let applied = sqlx::query_as(APPLIED).fetch_all(&mut connection).await.map_err(|error| {
            let code = error.as_database_error().and_then(|error| error.code());
            if code.as_deref() == Some(SQLITE_ERROR) { OpenError::Outdated(database.clone()) } else { failed(error) }
        })?;
        require_current(&database, &MIGRATIONS, &applied)?;
        Ok(Self { identity: database, path, connection, served: None })
    }
}

#[async_trait]
impl End for SqliteEnd {
    fn identity(&self) -> &str {
        &self.identity
    }

    async fn begin(&mut self, _side: Side) -> Result<(), OpenError> {
        self.served = Some(open::claim(&self.path)?);
        // Also of a source: what the command line would write there meanwhile would be lost.
        let begun = sqlx::raw_sql("begin immediate").execute(&mut self.connection).await;
        begun.map_err(|error| {
            let code = error.as_database_error().and_then(|error| error.code());
            let database = self.identity.clone();
            if code.as_deref() == Some(SQLITE_BUSY) {
                OpenError::InUse(database)
            } else {
                OpenError::Failed { database, cause: error.into() }
            }
        })?;
        Ok(())
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
        rows.iter().map(|row| decode(table, row).map_err(failure)).collect()
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

    async fn finish(mut self: Box<Self>) -> Result<(), StoreError> {
        sqlx::raw_sql("commit").execute(&mut self.connection).await.map_err(failure)?;
        self.connection.close().await.map_err(failure)
    }
}
