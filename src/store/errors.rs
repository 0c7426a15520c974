//! The error of every method of a store, and how an error of the driver becomes one. Each engine adds which of its
//! codes are transient.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a method of a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another account has this username or email address.
    #[error("the username or email is taken")]
    HandleTaken,
    /// The firm of the account would have active accounts and no active administrator. Nothing was changed.
    #[error("the account is the last active administrator of its firm")]
    LastAdministrator,
    /// The account that makes the change is not active any more. Nothing was changed.
    #[error("the account that makes the change is not active any more")]
    AuthorGone,
    /// The database is out of reach, full, or too busy. Nothing was changed, unless the connection was lost during the
    /// commit: then it is not known whether the change was made.
    #[error("the database is out of reach")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// A row that this service cannot have written, or a statement that is wrong.
    #[error("the database holds or returned an impossible value")]
    Corrupt(#[source] Box<dyn Error + Send + Sync>),
}

impl StoreError {
    /// The error of the driver if there is one, for the log.
    pub fn cause(&self) -> &(dyn Error + 'static) {
        self.source().unwrap_or(self)
    }
}

/// Counts the times that [`failure`] returned [`StoreError::Unavailable`].
static UNAVAILABLE: AtomicU64 = AtomicU64::new(0);

/// How often a database of this process was unavailable. A change of the count is a reason to check whether anything
/// can be stored.
pub(crate) fn unavailable_count() -> u64 {
    UNAVAILABLE.load(Ordering::Relaxed)
}

/// Translates an error of a statement that cannot violate the uniqueness of a name. `is_transient` knows which of the
/// engine's codes come from the state of the database rather than from the statement.
pub(super) fn failure(error: sqlx::Error, is_transient: impl Fn(&str) -> bool) -> StoreError {
    match &error {
        sqlx::Error::Database(database) if !database.code().is_some_and(|code| is_transient(&code)) => {
            StoreError::Corrupt(error.into())
        }
        sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::Encode(_) => StoreError::Corrupt(error.into()),
        _ => {
            UNAVAILABLE.fetch_add(1, Ordering::Relaxed);
            StoreError::Unavailable(error.into())
        }
    }
}
