//! The statements about failed attempts.

use async_trait::async_trait;
use sqlx::Row as _;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::failure;
use super::writer::Write;
use super::{PURGED_AT_ONCE, SqliteStore};
use crate::domain::{AttemptKey, Attempts, Handle};
use crate::store::listing::Page;
use crate::store::rows::attempts::{AttemptRow, SignInRow, select_sign_in};
use crate::store::rows::millis;
use crate::store::{AttemptStore, Budget, Credentials, Listed, StoreError, StoredAttempts};

#[async_trait]
impl AttemptStore for SqliteStore {
    async fn find_attempts(&self, key: &AttemptKey) -> Result<Option<Attempts>, StoreError> {
        let row: Option<AttemptRow> =
            sqlx::query_as("select key, failures, last_failed_at, account_id from attempts where key = ?1")
                .bind(key.to_string())
                .fetch_optional(&mut **self.readers.take().await?)
                .await
                .map_err(failure)?;
        Ok(row.map(AttemptRow::into_attempts).transpose()?.map(|stored| stored.attempts))
    }

    async fn find_sign_in(
        &self,
        key: &AttemptKey,
        handle: &Handle,
        below: u32,
    ) -> Result<(Option<Attempts>, Option<Credentials>), StoreError> {
        let query = match handle {
            Handle::Username(_) => select_sign_in!("username", "?1", "?2", "?3"),
            Handle::Email(_) => select_sign_in!("email", "?1", "?2", "?3"),
        };
        let row: SignInRow = sqlx::query_as(query)
            .bind(key.to_string())
            .bind(handle.as_str())
            .bind(i64::from(below))
            .fetch_one(&mut **self.readers.take().await?)
            .await
            .map_err(failure)?;
        row.into_parts(key)
    }

    async fn count_failure(
        &self,
        budget: &Budget,
        account_id: Option<Uuid>,
        at: OffsetDateTime,
    ) -> Result<Option<u32>, StoreError> {
        let failures: Vec<i64> = sqlx::query_scalar(
            "insert into attempts (key, failures, last_failed_at, account_id) values (?1, 1, ?2, ?3)
             on conflict (key) do update
             set failures = attempts.failures + 1, last_failed_at = excluded.last_failed_at,
                 account_id = excluded.account_id
             where attempts.failures < ?4
             returning failures",
        )
        .bind(budget.key.to_string())
        .bind(millis(at))
        .bind(account_id)
        .bind(budget.below)
        // To its end, for only there it is committed: whoever reads but the row is given it also when the disk is full.
        .fetch_all(&mut *self.writer.take().await?)
        .await
        .map_err(failure)?;
        self.file.require()?;
        Ok(failures.first().map(|&failures| failures.try_into().unwrap_or(u32::MAX)))
    }

    async fn settle_attempts(&self, budget: &Budget) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let in_time = settle(&mut tx, budget).await?;
        tx.commit().await?;
        Ok(in_time)
    }

    async fn clear_attempts(&self, key: &AttemptKey) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let cleared = clear(&mut tx, key).await?;
        tx.commit().await?;
        Ok(cleared)
    }

    async fn list_attempts(
        &self,
        failures: u32,
        after: Option<&AttemptKey>,
        limit: u32,
    ) -> Result<Listed<StoredAttempts>, StoreError> {
        let mut page = Page::new("attempts", after.map(AttemptKey::to_string).unwrap_or_default(), limit);
        while page.goes_on() {
            let rows = sqlx::query(
                "select key, failures, last_failed_at, account_id from attempts where failures >= ?1 and key > ?2
                 order by key limit ?3",
            )
            .bind(failures)
            .bind(page.after())
            .bind(page.missing())
            .fetch_all(&mut **self.readers.take().await?)
            .await
            .map_err(failure)?;
            page.take(&rows, |row| row.try_get("key"), AttemptRow::into_attempts)?;
        }
        Ok(page.listed())
    }

    async fn purge_attempts(&self, idle_since: OffsetDateTime, failures: u32) -> Result<(), StoreError> {
        let mut purged = PURGED_AT_ONCE;
        while purged == PURGED_AT_ONCE {
            let done = sqlx::query(
                "delete from attempts where key in
                     (select key from attempts where last_failed_at <= ?1
                          and (failures < ?2 or not exists (select 1 from accounts where accounts.id = account_id))
                      limit 1000)",
            )
            .bind(millis(idle_since))
            .bind(failures)
            .execute(&mut *self.writer.take().await?)
            .await;
            purged = done.map_err(failure)?.rows_affected();
        }
        Ok(())
    }
}

/// Forgets the failures within another's transaction. Tells whether there were any.
pub(super) async fn clear(tx: &mut Write, key: &AttemptKey) -> Result<bool, StoreError> {
    let done = sqlx::query("delete from attempts where key = ?1")
        .bind(key.to_string())
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    Ok(done.rows_affected() == 1)
}

/// Forgets the failures for a guess that was right, within the transaction of what it was for. Tells whether it came in time;
/// if not, nothing of the transaction may be committed.
pub(super) async fn settle(tx: &mut Write, budget: &Budget) -> Result<bool, StoreError> {
    sqlx::query("delete from attempts where key = ?1 and failures < ?2")
        .bind(budget.key.to_string())
        .bind(budget.below)
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    sqlx::query_scalar("select not exists (select 1 from attempts where key = ?1 and failures >= ?2)")
        .bind(budget.key.to_string())
        .bind(budget.below)
        .fetch_one(&mut **tx)
        .await
        .map_err(failure)
}

/// Stores something and takes it away again. No key is so short, and nobody sees it before it is gone.
const TRY_WRITING: [&str; 2] = [
    "insert into attempts (key, failures, last_failed_at) values ('none', 1, 0)",
    "delete from attempts where key = 'none'",
];

/// In a transaction, which it commits.
pub(super) async fn try_writing(mut tx: Write) -> Result<(), StoreError> {
    for statement in TRY_WRITING {
        sqlx::query(statement).execute(&mut *tx).await.map_err(failure)?;
    }
    tx.commit().await
}
