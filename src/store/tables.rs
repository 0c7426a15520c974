//! What a move copies: every table with every column, and the form of a row on its way from one engine to the other. A
//! migration that adds a column adds it here; a test compares this list with the schemas of both engines.

use sha2::{Digest as _, Sha256};
use sqlx::{ColumnIndex, Decode, Type};
use uuid::Uuid;

use super::{StoreError, UnreadableRow};

/// The rows that are read, held and written at once: half a megabyte of them. With ten columns, they take a third of
/// the parameters that a statement of SQLite may have.
const ROWS_PER_PAGE: usize = 1_000;

/// A table that a move copies.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    /// The columns, with the key of the table first.
    pub columns: &'static [Column],
}

/// A column that a move copies.
#[derive(Debug)]
pub struct Column {
    pub name: &'static str,
    pub(super) kind: ColumnKind,
}

/// The kind of a column's values.
#[derive(Debug, Clone, Copy)]
pub(super) enum ColumnKind {
    Id,
    Number,
    Text,
}

/// Every table, each after the tables that it refers to.
pub const TABLES: [Table; 15] = [
    Table { name: "firms", columns: &[id("id"), text("name"), number("created_at")] },
    Table {
        name: "accounts",
        columns: &[
            id("id"),
            text("username"),
            text("email"),
            text("name"),
            id("firm_id"),
            text("role"),
            text("password_hash"),
            text("status"),
            number("epoch"),
            number("created_at"),
            number("email_verified_at"),
            number("platform_admin"),
            number("password_changes"),
            number("second_factor"),
            number("factor_changes"),
        ],
    },
    Table {
        name: "sessions",
        columns: &[
            id("id"),
            id("account_id"),
            number("epoch"),
            number("created_at"),
            number("expires_at"),
            number("token_lifetime"),
            number("last_token_at"),
            text("client_label"),
            text("client_address"),
        ],
    },
    Table {
        name: "revocations",
        columns: &[number("seq"), id("session_id"), id("account_id"), number("epoch"), number("expires_at")],
    },
    Table { name: "attempts", columns: &[text("key"), number("failures"), number("last_failed_at"), id("account_id")] },
    Table {
        name: "audit_events",
        columns: &[
            id("id"),
            number("at"),
            text("action"),
            text("result"),
            id("actor_id"),
            id("account_id"),
            id("firm_id"),
            text("origin"),
            id("request_id"),
            text("detail"),
        ],
    },
    Table {
        name: "outbox",
        columns: &[
            id("id"),
            text("kind"),
            text("recipient"),
            id("subject"),
            text("state"),
            number("attempts"),
            number("queued_at"),
            number("due_at"),
            number("asked_at"),
            text("cause"),
        ],
    },
    Table {
        name: "invitations",
        columns: &[
            id("id"),
            id("firm_id"),
            text("email"),
            text("role"),
            id("invited_by"),
            number("created_at"),
            number("expires_at"),
        ],
    },
    Table {
        name: "tickets",
        columns: &[
            text("digest"),
            text("purpose"),
            id("account_id"),
            id("invitation_id"),
            text("email"),
            number("created_at"),
            number("expires_at"),
        ],
    },
    Table { name: "signing_key", columns: &[text("name"), text("digest")] },
    Table {
        name: "token_keys",
        columns: &[
            text("kid"),
            text("algorithm"),
            text("public_key"),
            text("sealed_key"),
            text("state"),
            number("published_at"),
            number("signs_from"),
            number("rotation_asked"),
            number("accepted_until"),
        ],
    },
    Table { name: "token_kinds", columns: &[text("kind"), number("signed_until"), number("accepted_for")] },
    Table {
        name: "totp_secrets",
        columns: &[id("account_id"), text("secret"), number("last_step"), text("pending"), number("pending_at")],
    },
    Table { name: "recovery_codes", columns: &[text("digest"), id("account_id")] },
    Table { name: "spent_tickets", columns: &[id("id"), number("expires_at")] },
];

const fn id(name: &'static str) -> Column {
    Column { name, kind: ColumnKind::Id }
}

const fn number(name: &'static str) -> Column {
    Column { name, kind: ColumnKind::Number }
}

const fn text(name: &'static str) -> Column {
    Column { name, kind: ColumnKind::Text }
}

impl Table {
    /// The statement that reads the first page, or the page after the key `$1`. Both engines understand it.
    pub(super) fn select(&self, first: bool) -> String {
        let key = self.columns[0].name;
        let after = if first { String::new() } else { format!("where {key} > $1 ") };
        format!("select {} from {} {after}order by {key} limit {ROWS_PER_PAGE}", self.names(), self.name)
    }

    /// The statement that tells whether the table has rows. Both engines understand it.
    pub(super) fn any(&self) -> String {
        format!("select exists (select 1 from {})", self.name)
    }

    /// The beginning of a statement that writes rows.
    pub(super) fn insert(&self) -> String {
        format!("insert into {} ({})", self.name, self.names())
    }

    fn names(&self) -> String {
        self.columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
    }
}

/// A value as it is stored. A null keeps the kind of its column, which PostgreSQL needs for a parameter.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Id(Option<Uuid>),
    Number(Option<i64>),
    Text(Option<String>),
}

impl Value {
    pub(super) fn id(&self) -> Option<Uuid> {
        if let Self::Id(id) = self { *id } else { None }
    }

    pub(super) fn number(&self) -> Option<i64> {
        if let Self::Number(number) = self { *number } else { None }
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { text.as_deref() } else { None }
    }
}

/// A row: the values of a table's columns, in their order.
pub(super) type RowValues = Vec<Value>;

/// Decodes a row of either engine.
pub(super) fn decode<R: sqlx::Row>(table: &Table, row: &R) -> Result<RowValues, StoreError>
where
    usize: ColumnIndex<R>,
    for<'r> Uuid: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
{
    let mut values = RowValues::new();
    for (at, column) in table.columns.iter().enumerate() {
        let value = match column.kind {
            ColumnKind::Id => row.try_get(at).map(Value::Id),
            ColumnKind::Number => row.try_get(at).map(Value::Number),
            ColumnKind::Text => row.try_get(at).map(Value::Text),
        };
        match value {
            // PostgreSQL stores no NUL, and its error would not name the row.
            Ok(Value::Text(Some(text))) if text.contains('\0') => return Err(unreadable(table, &values, column)),
            Ok(value) => values.push(value),
            Err(_) => return Err(unreadable(table, &values, column)),
        }
    }
    Ok(values)
}

/// The error about a column that cannot be read. It names the row by its key, which is the first column.
fn unreadable(table: &Table, before: &RowValues, column: &Column) -> StoreError {
    let row = match before.first() {
        Some(Value::Id(Some(id))) => id.to_string(),
        Some(Value::Number(Some(number))) => number.to_string(),
        Some(Value::Text(Some(text))) => text.clone(),
        _ => "?".to_owned(),
    };
    StoreError::Corrupt(UnreadableRow { table: table.name, row, column: column.name.to_owned() }.into())
}

/// A summary of everything that a database holds. Two are equal exactly if the databases hold the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseContent {
    /// The number of rows of each table, in the order of [`TABLES`].
    pub rows: Vec<(&'static str, u64)>,
    /// The SHA-256 of all rows in the order of their keys, in hexadecimal.
    pub digest: String,
}

/// Builds a [`DatabaseContent`]. Different rows never feed the same bytes to the digest: a row and the end of a table
/// begin with different bytes, a table has a fixed number of columns, a value says whether it is null, and a text how
/// long it is.
#[derive(Default)]
pub(super) struct Tally {
    rows: Vec<(&'static str, u64)>,
    current: u64,
    digest: Sha256,
}

impl Tally {
    pub(super) fn add(&mut self, page: &[RowValues]) {
        for row in page {
            self.digest.update([1]);
            row.iter().for_each(|value| self.value(value));
        }
        self.current += page.len() as u64;
    }

    pub(super) fn end(&mut self, table: &Table) {
        self.digest.update([0]);
        self.rows.push((table.name, std::mem::take(&mut self.current)));
    }

    pub(super) fn content(self) -> DatabaseContent {
        let digest = self.digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        DatabaseContent { rows: self.rows, digest }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Id(None) | Value::Number(None) | Value::Text(None) => self.digest.update([0]),
            Value::Id(Some(id)) => self.some(id.as_bytes()),
            Value::Number(Some(number)) => self.some(&number.to_be_bytes()),
            Value::Text(Some(text)) => {
                self.some(&(text.len() as u64).to_be_bytes());
                self.digest.update(text);
            }
        }
    }

    fn some(&mut self, bytes: &[u8]) {
        self.digest.update([1]);
        self.digest.update(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::{RowValues, TABLES, Tally, Value};

    fn digest(pages: &[&[RowValues]]) -> String {
        let mut tally = Tally::default();
        for (table, page) in TABLES.iter().zip(pages) {
            tally.add(page);
            tally.end(table);
        }
        tally.content().digest
    }

    #[test]
    fn what_differs_anywhere_has_another_digest() {
        let text = |text: &str| Value::Text(Some(text.to_owned()));
        let row = |a: &str, b: &str| vec![text(a), text(b)];
        let digests = [
            digest(&[]),
            digest(&[&[]]),
            digest(&[&[], &[]]),
            digest(&[&[row("ab", "c")], &[]]),
            digest(&[&[], &[row("ab", "c")]]),
            digest(&[&[row("a", "bc")], &[]]),
            digest(&[&[row("", "abc")], &[]]),
            digest(&[&[vec![Value::Text(None), text("abc")]], &[]]),
            digest(&[&[vec![text("abc"), Value::Text(None)]], &[]]),
            digest(&[&[row("ab", "c"), row("ab", "c")], &[]]),
            digest(&[&[vec![Value::Number(Some(0)), text("")]], &[]]),
            digest(&[&[vec![Value::Number(None), text("")]], &[]]),
        ];
        for (at, digest) in digests.iter().enumerate() {
            assert!(!digests[..at].contains(digest), "{at}");
        }
    }
}
