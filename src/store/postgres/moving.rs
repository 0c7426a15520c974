//! A PostgreSQL database as one side of a move, on a connection of its own without the time limits of calls.

use async_trait::async_trait;
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};
use uuid::Uuid;

use super::address;
use super::errors::failure;
use super::open::{MIGRATIONS, Server};
use crate::store::endpoint::{APPLIED, MoveEndpoint, MoveSide, require_current};
use crate::store::tables::{ColumnKind, RowValues, TABLES, Table, Value, decode};
use crate::store::{OpenError, StoreError};

/// A move may take hours, and one side waits for the other. It waits for a lock only briefly: the process that holds it
/// is a server at work.
const LIMITS: [(&str, &str); 4] = [
    ("statement_timeout", "0"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "0"),
    // Suppresses the notices "… already exists, skipping".
    ("client_min_messages", "warning"),
];

/// The SQLSTATE of a statement about a table that does not exist.
const UNDEFINED_TABLE: &str = "42P01";

/// The SQLSTATE of a lock that another process holds.
const LOCK_NOT_AVAILABLE: &str = "55P03";

pub(in crate::store) struct PostgresEndpoint {
    server: Server,
    identity: String,
    connection: PgConnection,
}

impl PostgresEndpoint {
    /// Opens a source, which must have this version's schema, or a target.
    pub(crate) async fn open(url: &str, side: MoveSide) -> Result<Self, OpenError> {
        let (options, server) = address::parse(url)?;
        let mut connection = server.connect(options.clone().options(LIMITS)).await?;
        server.require_version(&mut connection).await?;
        match side {
            MoveSide::Source => {
                let applied = sqlx::query_as(APPLIED).fetch_all(&mut connection).await.map_err(|error| {
                    if is(&error, UNDEFINED_TABLE) {
                        OpenError::Outdated(server.database.clone())
                    } else {
                        server.not_opened(error)
                    }
                })?;
                require_current(&server.database, &MIGRATIONS, &applied)?;
            }
            MoveSide::Target => {
                let other = server.connect(options.clone()).await?;
                server.require_locks(&mut connection, other).await?;
            }
        }
        let identity = sqlx::query_scalar(
            // The start of the running server and the database on it, the same for every address that leads there.
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

    /// Locks the tables that exist, so that no other process writes to them. Others may read them meanwhile.
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

/// Whether an error has this SQLSTATE.
fn is(error: &sqlx::Error, sqlstate: &str) -> bool {
    error.as_database_error().and_then(|error| error.code()).as_deref() == Some(sqlstate)
}

#[async_trait]
impl MoveEndpoint for PostgresEndpoint {
    fn identity(&self) -> &str {
        &self.identity
    }

    async fn begin(&mut self, side: MoveSide) -> Result<(), OpenError> {
        let statement = match side {
            MoveSide::Source => "begin isolation level repeatable read read only",
            MoveSide::Target => "begin",
        };
        match self.connection.begin_with(statement).await {
            // The transaction ends with the connection. Because sqlx knows of it, a migration begins a savepoint and no
            // second transaction.
            Ok(transaction) => std::mem::forget(transaction),
            Err(error) => return Err(self.server.not_opened(error)),
        }
        match side {
            MoveSide::Source => Ok(()),
            MoveSide::Target => self.lock().await.map_err(|error| self.not_begun(error)),
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
            // A server of this version that starts at the same time may be migrating.
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => self.not_begun(error),
            other => OpenError::migrating(self.server.database.clone(), other),
        })
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
        // One array for each column.
        let arrays: Vec<_> = table
            .columns
            .iter()
            .zip(1..)
            .map(|(column, number)| match column.kind {
                ColumnKind::Id => format!("${number}::uuid[]"),
                ColumnKind::Number => format!("${number}::bigint[]"),
                ColumnKind::Text => format!("${number}::text[]"),
            })
            .collect();
        // `overriding`, because the numbers of revocations are copied and not generated.
        let statement =
            format!("{} overriding system value select * from unnest({})", table.insert(), arrays.join(", "));
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for at in 0..table.columns.len() {
            query = match table.columns[at].kind {
                ColumnKind::Id => query.bind(rows.iter().map(|row| row[at].id()).collect::<Vec<Option<Uuid>>>()),
                ColumnKind::Number => query.bind(rows.iter().map(|row| row[at].number()).collect::<Vec<Option<i64>>>()),
                ColumnKind::Text => query.bind(rows.iter().map(|row| row[at].text()).collect::<Vec<Option<&str>>>()),
            };
        }
        query.execute(&mut self.connection).await.map_err(failure)?;
        // PostgreSQL must go on numbering new rows after the last copied one. SQLite does so by itself.
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
        // An error changes nothing: everything is committed or rolled back.
        let _ = self.connection.close().await;
    }
}
