//! PostgreSQL as an end of a move: a connection of its own, without the limits that keep a call short.

use async_trait::async_trait;
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use uuid::Uuid;

use super::errors::failure;
use super::open::{self, MIGRATIONS, Server};
use crate::store::moving::{APPLIED, End, Kind, Row, Side, TABLES, Table, Value, decode, require_current};
use crate::store::{OpenError, StoreError};

/// A copy takes as long as it takes, and one end waits for the other. Only for a lock it need not wait long: whoever holds
/// one is a server at work.
const LIMITS: [(&str, &str); 4] = [
    ("statement_timeout", "0"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "0"),
    // "… already exists, skipping" is news to nobody.
    ("client_min_messages", "warning"),
];

/// The SQLSTATE of a statement about a table that is not there.
const UNDEFINED_TABLE: &str = "42P01";

/// The SQLSTATE of a lock that somebody else holds.
const LOCK_NOT_AVAILABLE: &str = "55P03";

pub(in crate::store) struct PostgresEnd {
    server: Server,
    identity: String,
    connection: PgConnection,
}

impl PostgresEnd {
    /// As a source, a database of this version's schema.
    pub async fn open(url: &str, side: Side) -> Result<Self, OpenError> {
        let options = open::parse(url)?;
        let server = Server::of(&options);
        let mut connection = server.connect(options.clone().options(LIMITS)).await?;
        server.require_version(&mut connection).await?;
        match side {
            Side::Source => {
                let applied = sqlx::query_as(APPLIED).fetch_all(&mut connection).await.map_err(|error| {
                    if is(&error, UNDEFINED_TABLE) {
                        OpenError::Outdated(server.database.clone())
                    } else {
                        server.not_opened(error)
                    }
                })?;
                require_current(&server.database, &MIGRATIONS, &applied)?;
            }
            Side::Target => {
                let other = server.connect(options.clone()).await?;
                server.require_locks(&mut connection, other).await?;
            }
        }
        let identity = sqlx::query_scalar(
            // Of the running server, however it was reached, and the database on it.
            "select extract(epoch from pg_postmaster_start_time())::text || '/' || oid from pg_database
             where datname = current_database()",
        )
        .fetch_one(&mut connection)
        .await
        .map_err(|error| server.not_opened(error))?;
        Ok(Self { server, identity, connection })
    }

    async fn has(&mut self, table: &Table) -> Result<bool, sqlx::Error> {
        let is_there = sqlx::query_scalar("select to_regclass($1) is not null").bind(table.name);
        is_there.fetch_one(&mut self.connection).await
    }

    /// Nobody else writes to the tables that are there. Others may read meanwhile, and find nothing.
    async fn lock(&mut self) -> Result<(), sqlx::Error> {
        for table in &TABLES {
            if self.has(table).await? {
                let lock = format!("lock table {} in exclusive mode", table.name);
                sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut self.connection).await?;
            }
        }
        Ok(())
    }

    fn not_begun(&self, error: sqlx::Error) -> OpenError {
        if is(&error, LOCK_NOT_AVAILABLE) {
            OpenError::InUse(self.server.database.clone())
        } else {
            self.server.not_opened(error)
        }
    }
}

/// Whether an error is this one.
fn is(error: &sqlx::Error, sqlstate: &str) -> bool {
    error.as_database_error().and_then(|error| error.code()).as_deref() == Some(sqlstate)
}

#[async_trait]
impl End for PostgresEnd {
    fn identity(&self) -> &str {
        &self.identity
    }

    async fn begin(&mut self, side: Side) -> Result<(), OpenError> {
        let statement = match side {
            Side::Source => "begin isolation level repeatable read read only",
            Side::Target => "begin",
        };
        match self.connection.begin_with(statement).await {
            // It ends with the connection. That sqlx knows of it makes a savepoint of what a migration begins.
            Ok(transaction) => std::mem::forget(transaction),
            Err(error) => return Err(self.server.not_opened(error)),
        }
        match side {
            Side::Source => Ok(()),
            Side::Target => self.lock().await.map_err(|error| self.not_begun(error)),
        }
    }

    async fn has_rows(&mut self, table: &Table) -> Result<bool, StoreError> {
        if !self.has(table).await.map_err(failure)? {
            return Ok(false);
        }
        sqlx::query_scalar(AssertSqlSafe(table.any())).fetch_one(&mut self.connection).await.map_err(failure)
    }

    async fn migrate(&mut self) -> Result<(), OpenError> {
        MIGRATIONS.run_direct(None, &mut self.connection, false).await.map_err(|error| match error {
            // By a server of this version that starts at the same time, and migrates.
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => self.not_begun(error),
            other => OpenError::migrating(self.server.database.clone(), other),
        })
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
        // One array a column.
        let arrays: Vec<_> = table
            .columns
            .iter()
            .zip(1..)
            .map(|(column, number)| match column.kind {
                Kind::Id => format!("${number}::uuid[]"),
                Kind::Number => format!("${number}::bigint[]"),
                Kind::Text => format!("${number}::text[]"),
            })
            .collect();
        // `overriding`: also the places of revocations.
        let statement =
            format!("{} overriding system value select * from unnest({})", table.insert(), arrays.join(", "));
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for at in 0..table.columns.len() {
            query = match table.columns[at].kind {
                Kind::Id => query.bind(rows.iter().map(|row| row[at].id()).collect::<Vec<Option<Uuid>>>()),
                Kind::Number => query.bind(rows.iter().map(|row| row[at].number()).collect::<Vec<Option<i64>>>()),
                Kind::Text => query.bind(rows.iter().map(|row| row[at].text()).collect::<Vec<Option<&str>>>()),
            };
        }
        query.execute(&mut self.connection).await.map_err(failure)?;
        // PostgreSQL numbers the rows of such a table, and must go on after the last one. SQLite does so by itself.
        if let Some(Value::Number(last)) = rows.last().and_then(|row| row.first()) {
            sqlx::query("select setval(pg_get_serial_sequence($1, $2), $3)")
                .bind(table.name)
                .bind(table.columns[0].name)
                .bind(last)
                .execute(&mut self.connection)
                .await
                .map_err(failure)?;
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        sqlx::raw_sql("commit").execute(&mut self.connection).await.map_err(failure)?;
        Ok(())
    }

    async fn close(self: Box<Self>) {
        // How it ends changes nothing: all is committed, or rolled back.
        let _ = self.connection.close().await;
    }
}
