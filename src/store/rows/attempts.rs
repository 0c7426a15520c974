//! The rows of failed guesses, and the row that a sign-in begins with: an account and its failures, each of which may
//! be absent.

use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};
use uuid::Uuid;

use super::{AccountRow, from_millis, from_row, impossible};
use crate::domain::{AttemptKey, Attempts};
use crate::store::{Credentials, StoreError, StoredAttempts};

pub(in crate::store) struct AttemptRow {
    key: String,
    failures: i64,
    last_failed_at: i64,
    account_id: Option<Uuid>,
}

from_row!(AttemptRow: key, failures, last_failed_at, account_id);

impl AttemptRow {
    pub(crate) fn into_attempts(self) -> Result<StoredAttempts, StoreError> {
        let attempts = attempts(&self.key, self.failures, self.last_failed_at)?;
        let key = AttemptKey::parse(&self.key).ok_or_else(|| impossible("attempts", "key", &self.key))?;
        Ok(StoredAttempts { key, account_id: self.account_id, attempts })
    }
}

fn attempts(key: impl std::fmt::Display, failures: i64, last_failed_at: i64) -> Result<Attempts, StoreError> {
    let impossible = |column| impossible("attempts", column, &key);
    Ok(Attempts {
        failures: failures.try_into().map_err(|_| impossible("failures"))?,
        last_failed_at: from_millis(last_failed_at).ok_or_else(|| impossible("last_failed_at"))?,
    })
}

/// The row of `statements::attempts::FIND_SIGN_IN_BY_…`.
pub(in crate::store) struct SignInRow {
    failures: Option<i64>,
    last_failed_at: Option<i64>,
    account: Option<AccountRow>,
}

/// The account was joined: without one, its `id` is null.
impl<'r, R: Row> FromRow<'r, R> for SignInRow
where
    AccountRow: FromRow<'r, R>,
    &'static str: ColumnIndex<R>,
    Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
    Option<Uuid>: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> sqlx::Result<Self> {
        let id: Option<Uuid> = row.try_get("id")?;
        Ok(Self {
            failures: row.try_get("failures")?,
            last_failed_at: row.try_get("last_failed_at")?,
            account: id.map(|_| AccountRow::from_row(row)).transpose()?,
        })
    }
}

impl SignInRow {
    pub(crate) fn into_parts(self, key: &AttemptKey) -> Result<(Option<Attempts>, Option<Credentials>), StoreError> {
        let failed = self.failures.zip(self.last_failed_at);
        let attempts = failed.map(|(failures, last_failed_at)| attempts(key, failures, last_failed_at));
        let credentials = self.account.map(AccountRow::into_credentials);
        Ok((attempts.transpose()?, credentials.transpose()?))
    }
}
