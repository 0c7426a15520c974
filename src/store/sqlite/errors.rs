//! The translation of SQLite's errors into those of the store.

use crate::store::{StoreError, errors};

/// The result code of a statement that is impossible in the present state: about a table that does not exist, or a
/// `rollback` without a transaction.
pub(super) const SQLITE_ERROR: &str = "1";

/// Translates an error of a statement that cannot violate the uniqueness of a name.
pub(super) fn failure(error: sqlx::Error) -> StoreError {
    errors::failure(error, is_transient)
}

/// Translates an error of a statement that takes a name. SQLite reports the columns of a violated constraint, not its
/// name.
pub(super) fn insert_failure(error: sqlx::Error) -> StoreError {
    let taken = error.as_database_error().is_some_and(|database| {
        database.is_unique_violation()
            && ["accounts.username", "accounts.email"].iter().any(|column| database.message().ends_with(column))
    });
    if taken { StoreError::HandleTaken } else { failure(error) }
}

/// Whether an (extended) result code of SQLite is transient rather than the fault of a statement: busy, locked, no
/// memory, read-only, interrupted, I/O error, full, cannot open, locking protocol. Source: sqlite.org/rescode.html.
fn is_transient(code: &str) -> bool {
    let primary = code.parse::<u32>().ok().map(|extended| extended & 0xff);
    matches!(primary, Some(5..=10 | 13..=15))
}
