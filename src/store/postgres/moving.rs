//! PostgreSQL as an end of a move: a connection of its own, without the limits that keep a call short.

use async_trait::async_trait;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use uuid::Uuid;

use super::errors::failure;
use super::open::{self, MIGRATIONS, Server};
use crate::store::moving::{APPLIED, End, Kind, Row, Side, TABLES, Table, Value, decode, require_current};
use crate::store::{OpenError, StoreError};

/// A copy takes as long as it takes, and one end waits for the other. Only for a lock it need not wait long: whoever holds
/// one is a server at work.
const LIMITS: [(&str, &str); 3] =
    [("statement_timeout", "0"), ("lock_timeout", "10s"), ("idle_in_transaction_session_timeout", "0")];

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
    /// An existing database of this version's schema.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let options = open::parse(url)?;
        let server = Server::of(&options);
        let mut connection = server.connect(options.options(LIMITS).disable_statement_logging()).await?;
        server.require_version(&mut connection).await?;
        let applied = sqlx::query_as(APPLIED).fetch_all(&mut connection).await.map_err(|error| {
            let code = error.as_database_error().and_then(|error| error.code());
            if code.as_deref() == Some(UNDEFINED_TABLE) {
                OpenError::Outdated(server.database.clone())
            } else {
                server.not_opened(error)
            }
        })?;
        require_current(&server.database, &MIGRATIONS, &applied)?;
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
}

#[async_trait]
impl End for PostgresEnd {
    fn identity(&self) -> &str {
        &self.identity
    }

    async fn begin(&mut self, side: Side) -> Result<(), OpenError> {
        let statement = match side {
            Side::Source => "begin isolation level repeatable read read only".to_owned(),
            // Others may read meanwhile, and find nothing.
            Side::Target => {
                format!("begin; lock table {} in exclusive mode", TABLES.map(|table| table.name).join(", "))
            }
        };
        let begun = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.connection).await;
        begun.map_err(|error| {
            let code = error.as_database_error().and_then(|error| error.code());
            if code.as_deref() == Some(LOCK_NOT_AVAILABLE) {
                OpenError::InUse(self.server.database.clone())
            } else {
                self.server.not_opened(error)
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

    async fn finish(mut self: Box<Self>) -> Result<(), StoreError> {
        sqlx::raw_sql("commit").execute(&mut self.connection).await.map_err(failure)?;
        self.connection.close().await.map_err(failure)
    }
}
