//! The translation of PostgreSQL's errors into those of the store.

use crate::store::{StoreError, errors};

/// Translates an error of a statement that cannot violate the uniqueness of a name.
pub(super) fn failure(error: sqlx::Error) -> StoreError {
    errors::failure(error, is_transient)
}

/// Translates an error of a statement that takes a name. PostgreSQL reports the name of a violated constraint.
pub(super) fn insert_failure(error: sqlx::Error) -> StoreError {
    let taken = error.as_database_error().is_some_and(|database| {
        database.is_unique_violation()
            && matches!(database.constraint(), Some("accounts_username_key" | "accounts_email_key"))
    });
    if taken { StoreError::HandleTaken } else { failure(error) }
}

/// Whether an SQLSTATE is transient rather than the fault of a statement. Source: appendix A of PostgreSQL's manual.
fn is_transient(code: &str) -> bool {
    // Connection lost; refused (a password was changed); out of memory, disk or connections; input or output failed.
    let classes = ["08", "28", "53", "58"];
    let codes = [
        "25006", // read-only: it has become a standby
        "25P03", // idle in transaction for too long
        "3D000", // the database is gone, or not there yet
        "40001", // serialization failure
        "40003", // statement completion unknown
        "40P01", // deadlock
        "55000", // the database accepts no connections
        "55P03", // lock timeout
        "57014", // statement timeout
        "57P01", // shut down by an administrator
        "57P02", // shut down by a crash
        "57P03", // starting up
        "57P04", // the database was dropped
        "57P05", // idle for too long
    ];
    classes.iter().any(|class| code.starts_with(class)) || codes.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::is_transient;

    #[test]
    fn a_transient_error_is_told_from_a_fault_of_the_statement() {
        for code in ["08006", "28P01", "40P01", "53100", "53300", "57014", "57P01", "57P03", "58030", "25006"] {
            assert!(is_transient(code), "{code}");
        }
        // Unique, check, not null, syntax, privilege, no such table, an aborted transaction, an index that is corrupt.
        for code in ["23505", "23514", "23502", "42601", "42501", "42P01", "25P02", "XX002", ""] {
            assert!(!is_transient(code), "{code}");
        }
    }
}
