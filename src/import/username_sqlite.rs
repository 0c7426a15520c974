//! Reads the SQLite file of the username contract's second store: `users(id text primary key, username, password,
//! is_active, created_at)`, the last in milliseconds. The file is opened for reading only; another process may go on
//! using it.
//!
//! SQLite stores a value as it was inserted, whatever the type of the column says: a number may be stored as text, and
//! so may NULL.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{ConnectOptions as _, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{BATCH, Record, RecordError, SourceName, mongo_users, typed};
use crate::domain::{ImportTerms, PasswordHash, PortableAccount, PortableDraft, derived_id};

const PAGE: &str = "select rowid, cast(id as text), cast(username as text), cast(password as text), \
     cast(is_active as text), cast(created_at as text) from users where rowid > ?1 order by rowid limit ?2";

/// The rows that have not been read yet.
#[derive(Debug)]
pub(super) struct Users {
    connection: SqliteConnection,
    terms: ImportTerms,
    /// The rowid of the row that was read last.
    after: i64,
    rows: u64,
}

impl Users {
    /// Opens the file and returns it with the number of its rows.
    pub(super) async fn open(file: &Path, terms: ImportTerms) -> Result<(Self, u64), String> {
        let mut wal = file.as_os_str().to_owned();
        wal.push("-wal");
        let options = SqliteConnectOptions::new()
            .filename(file)
            .read_only(true)
            // No process has the file open, so SQLite need not make files beside it.
            .immutable(!Path::new(&wal).exists());
        let mut connection = options.connect().await.map_err(problem)?;
        // The transaction shows one state of the file from here on, whatever is written meanwhile.
        sqlx::raw_sql("begin").execute(&mut connection).await.map_err(problem)?;
        let total: i64 =
            sqlx::query_scalar("select count(*) from users").fetch_one(&mut connection).await.map_err(problem)?;
        sqlx::query(PAGE).bind(i64::MIN).bind(0).fetch_all(&mut connection).await.map_err(problem)?;
        Ok((Self { connection, terms, after: i64::MIN, rows: 0 }, total.unsigned_abs()))
    }

    /// Returns how many rows have been read.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the next rows, and none after the last one.
    pub(super) async fn next(&mut self) -> Result<Vec<Record>, String> {
        let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
        let rows = sqlx::query(PAGE).bind(self.after).bind(limit).fetch_all(&mut self.connection).await;
        let mut records = Vec::with_capacity(BATCH);
        for row in rows.map_err(problem)? {
            self.after = row.try_get(0).map_err(problem)?;
            self.rows += 1;
            let shown = |column: usize| row.try_get::<Option<String>, _>(column).ok().flatten().unwrap_or_default();
            let source = Some(SourceName::new(&shown(1), &shown(2)));
            records.push(Record { place: self.rows, source, account: account(&row, &self.terms), notes: Vec::new() });
        }
        Ok(records)
    }
}

fn account(row: &SqliteRow, terms: &ImportTerms) -> Result<PortableAccount, RecordError> {
    let text = |column: usize, field| {
        let text = row.try_get::<Option<String>, _>(column).map(Option::unwrap_or_default);
        text.map_err(|_| RecordError::field(field, "is not text"))
    };
    let (id, username, password) = (text(1, "id")?, text(2, "username")?, text(3, "password")?);
    let (is_active, created_at) = (text(4, "is_active")?, text(5, "created_at")?);
    let is_active = match typed::given(&is_active) {
        None => true,
        // A column of type REAL turns 1 into 1.0.
        Some(text) => typed::boolean(text.strip_suffix(".0").unwrap_or(text))
            .ok_or_else(|| RecordError::field("is_active", "must be 0 or 1"))?,
    };
    let created_at = typed::given(&created_at).map(time).transpose()?;
    if id.is_empty() {
        return Err(RecordError::field("id", "is required"));
    }
    if password.is_empty() {
        return Err(mongo_users::missing());
    }
    // Most ids are UUIDs. Any other id is turned into a UUID, the same one in every import.
    let id = Uuid::try_parse(&id).unwrap_or_else(|_| derived_id("username-sqlite", &id));
    let draft = PortableDraft {
        id: &id.to_string(),
        username: &username,
        password_hash: &password,
        status: if is_active { "active" } else { "inactive" },
        created_at,
        ..PortableDraft::default()
    };
    let account = draft.parse(terms)?;
    Ok(PortableAccount { password_hash: account.password_hash.map(PasswordHash::of_trimmed), ..account })
}

/// Reads milliseconds, or a time that is written out.
fn time(text: &str) -> Result<OffsetDateTime, RecordError> {
    let bad = |problem| RecordError::field("created_at", problem);
    match text.strip_suffix(".0").unwrap_or(text).parse::<i64>() {
        Ok(millis) => OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
            .map_err(|_| bad("is out of range")),
        Err(_) => typed::time(text)
            .ok_or_else(|| bad("must be a number of milliseconds, or a time as in 2026-03-04T05:06:07Z")),
    }
}

/// SQLite's own message, which names what is missing and holds no values.
fn problem(error: sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(database) => {
            format!("{}; it must have a table users(id, username, password, is_active, created_at)", database.message())
        }
        other => other.to_string(),
    }
}
