//! The SQLite file of the username contract's second store: `users(id text primary key, username, password, is_active,
//! created_at)`, the last in milliseconds. Opened for reading only; whoever is at work with it goes on.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions as _, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{BATCH, Record, Refusal, mongo_users};
use crate::domain::{DraftError, DraftProblem, PasswordHash, PortableAccount, PortableDraft, derived_id};

/// A column holds what was put into it, whatever its type says: hence the casts, and a look at the types of the numbers.
const PAGE: &str = "select rowid, cast(id as text), cast(username as text), cast(password as text), \
     typeof(is_active) in ('integer', 'null'), cast(is_active as integer), \
     typeof(created_at) in ('integer', 'real', 'null'), cast(created_at as integer) \
     from users where rowid > ?1 order by rowid limit ?2";

/// The rows that have not been read.
#[derive(Debug)]
pub(super) struct Users {
    connection: SqliteConnection,
    now: OffsetDateTime,
    /// The rowid of the latest.
    after: i64,
    rows: u64,
}

impl Users {
    /// With how many rows there are.
    pub async fn open(file: &Path, now: OffsetDateTime) -> Result<(Self, u64), String> {
        let mut wal = file.as_os_str().to_owned();
        wal.push("-wal");
        let options = SqliteConnectOptions::new()
            .filename(file)
            .read_only(true)
            // Nobody has it open: then nothing is made beside it either.
            .immutable(!Path::new(&wal).exists());
        let mut connection = options.connect().await.map_err(problem)?;
        // One state of it, from here on, whatever is written meanwhile.
        sqlx::raw_sql("begin").execute(&mut connection).await.map_err(problem)?;
        let total: i64 =
            sqlx::query_scalar("select count(*) from users").fetch_one(&mut connection).await.map_err(problem)?;
        sqlx::query(PAGE).bind(i64::MIN).bind(0).fetch_all(&mut connection).await.map_err(problem)?;
        Ok((Self { connection, now, after: i64::MIN, rows: 0 }, total.unsigned_abs()))
    }

    /// How many have been read.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The next ones; none after the last.
    pub async fn next(&mut self) -> Result<Vec<Record>, String> {
        let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
        let rows = sqlx::query(PAGE).bind(self.after).bind(limit).fetch_all(&mut self.connection).await;
        let mut records = Vec::with_capacity(BATCH);
        for row in rows.map_err(problem)? {
            self.after = row.try_get(0).map_err(problem)?;
            self.rows += 1;
            records.push(Record { place: self.rows, account: account(&row, self.now) });
        }
        Ok(records)
    }
}

fn account(row: &SqliteRow, now: OffsetDateTime) -> Result<PortableAccount, Refusal> {
    let text = |column: usize, field| {
        row.try_get::<Option<String>, _>(column).map(Option::unwrap_or_default).map_err(|_| bad(field, "is no text"))
    };
    let number = |column: usize, field, what| match row.try_get(column) {
        Ok(true) => row.try_get::<Option<i64>, _>(column + 1).map_err(|_| bad(field, what)),
        _ => Err(bad(field, what)),
    };
    let (id, username, password) = (text(1, "id")?, text(2, "username")?, text(3, "password")?);
    let is_active = number(4, "is_active", "must be 0 or 1")? != Some(0);
    let created_at = number(6, "created_at", "must be a number of milliseconds")?
        .map(|millis| OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000))
        .transpose()
        .map_err(|_| bad("created_at", "is out of range"))?;
    if id.is_empty() {
        return Err(bad("id", "is required"));
    }
    if password.is_empty() {
        return Err(mongo_users::missing());
    }
    // Most are UUIDs; whatever else identifies a user there makes one, the same each time.
    let id = Uuid::try_parse(&id).unwrap_or_else(|_| derived_id("username-sqlite", &id));
    let draft = PortableDraft {
        id: &id.to_string(),
        username: &username,
        password_hash: &password,
        status: if is_active { "active" } else { "inactive" },
        created_at,
        ..PortableDraft::default()
    };
    let account = draft.parse(now)?;
    Ok(PortableAccount { password_hash: account.password_hash.map(PasswordHash::of_trimmed), ..account })
}

fn bad(field: &'static str, problem: &'static str) -> Refusal {
    Refusal::Field(DraftError { field, problem: DraftProblem::Value(problem) })
}

/// SQLite's own sentence: it names what is missing and no values.
fn problem(error: sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => {
            format!("{}; it must have a table users(id, username, password, is_active, created_at)", database.message())
        }
        other => other.to_string(),
    }
}
