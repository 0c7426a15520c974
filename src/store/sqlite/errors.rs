//! SQLite's errors, translated into the store's.

use crate::store::{StoreError, rows};

/// An error of any statement but those that take a name.
pub(super) fn failure(error: sqlx::Error) -> StoreError {
    rows::failure(error, is_transient)
}

/// An error of inserting an account: SQLite names the columns of a violated constraint rather than the constraint.
pub(super) fn insert_failure(error: sqlx::Error) -> StoreError {
    let taken = error.as_database_error().is_some_and(|database| {
        database.is_unique_violation()
            && ["accounts.username", "accounts.email"].iter().any(|column| database.message().ends_with(column))
    });
    if taken { StoreError::HandleTaken } else { failure(error) }
}

/// Whether SQLite's (extended) result code speaks of the moment rather than of the statement: busy, locked, no memory,
/// read-only, interrupted, I/O error, full, cannot open, locking protocol. Source: sqlite.org/rescode.html.
fn is_transient(code: &str) -> bool {
    let primary = code.parse::<u32>().ok().map(|extended| extended & 0xff);
    matches!(primary, Some(5..=10 | 13..=15))
}
