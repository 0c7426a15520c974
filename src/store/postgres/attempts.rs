//! PostgreSQL: `AttemptStore`, and the functions that forget failed guesses within the transaction of another
//! capability. A transaction that locks both locks guesses before accounts, so that no two form a deadlock.

use async_trait::async_trait;
use sqlx::Row as _;
use sqlx::Transaction;
use sqlx::postgres::Postgres;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::failure;
use super::{PURGED_AT_ONCE, PostgresStore, to_completion};
use crate::domain::{AttemptKey, Attempts, Handle};
use crate::store::listing::PageReader;
use crate::store::rows::attempts::{AttemptRow, SignInRow};
use crate::store::rows::millis;
use crate::store::{AttemptStore, Budget, Credentials, Listed, StoreError, StoredAttempts, statements};

#[async_trait]
impl AttemptStore for PostgresStore {
    async fn find_attempts(&self, key: &AttemptKey) -> Result<Option<Attempts>, StoreError> {
        let row: Option<AttemptRow> = sqlx::query_as(statements::attempts::FIND)
            .bind(key.to_string())
            .fetch_optional(&self.pools.calls()?)
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
            Handle::Username(_) => statements::attempts::FIND_SIGN_IN_BY_USERNAME,
            Handle::Email(_) => statements::attempts::FIND_SIGN_IN_BY_EMAIL,
        };
        let row: SignInRow = sqlx::query_as(query)
            .bind(key.to_string())
            .bind(handle.as_str())
            .bind(i64::from(below))
            .fetch_one(&self.pools.calls()?)
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
        let (pool, budget) = (self.pools.calls()?, *budget);
        to_completion(async move {
            let failures: Option<i64> = sqlx::query_scalar(statements::attempts::COUNT_FAILURE)
                .bind(budget.key.to_string())
                .bind(millis(at))
                .bind(account_id)
                .bind(i64::from(budget.below))
                .fetch_optional(&pool)
                .await
                .map_err(failure)?;
            Ok(failures.map(|failures| failures.try_into().unwrap_or(u32::MAX)))
        })
        .await
    }

    async fn settle_attempts(&self, budget: &Budget) -> Result<bool, StoreError> {
        let (pool, budget) = (self.pools.calls()?, *budget);
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let in_time = settle(&mut tx, &budget).await?;
            tx.commit().await.map_err(failure)?;
            Ok(in_time)
        })
        .await
    }

    async fn clear_attempts(&self, key: &AttemptKey) -> Result<bool, StoreError> {
        let (pool, key) = (self.pools.calls()?, *key);
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let cleared = clear(&mut tx, &key).await?;
            tx.commit().await.map_err(failure)?;
            Ok(cleared)
        })
        .await
    }

    async fn list_attempts(
        &self,
        failures: u32,
        after: Option<&AttemptKey>,
        limit: u32,
    ) -> Result<Listed<StoredAttempts>, StoreError> {
        let mut page = PageReader::new("attempts", after.map(AttemptKey::to_string).unwrap_or_default(), limit);
        while page.goes_on() {
            let rows = sqlx::query(statements::attempts::LIST)
                .bind(i64::from(failures))
                .bind(page.after())
                .bind(page.missing())
                .fetch_all(&self.pools.calls()?)
                .await
                .map_err(failure)?;
            page.take(&rows, |row| row.try_get("key"), AttemptRow::into_attempts)?;
        }
        Ok(page.listed())
    }

    async fn purge_attempts(&self, idle_since: OffsetDateTime, failures: u32) -> Result<(), StoreError> {
        let pool = self.pools.calls()?;
        to_completion(async move {
            let mut purged = PURGED_AT_ONCE;
            while purged == PURGED_AT_ONCE {
                let done = sqlx::query(
                    "delete from attempts where key in
                         (select key from attempts where last_failed_at <= $1
                              and (failures < $2 or not exists (select 1 from accounts where accounts.id = account_id))
                          order by key limit 1000 for update of attempts skip locked)",
                )
                .bind(millis(idle_since))
                .bind(i64::from(failures))
                .execute(&pool)
                .await;
                purged = done.map_err(failure)?.rows_affected();
            }
            Ok(())
        })
        .await
    }
}

/// Forgets the failures of a key within the caller's transaction. Returns whether there were any.
pub(super) async fn clear(tx: &mut Transaction<'_, Postgres>, key: &AttemptKey) -> Result<bool, StoreError> {
    let done =
        sqlx::query(statements::attempts::DELETE).bind(key.to_string()).execute(&mut **tx).await.map_err(failure)?;
    Ok(done.rows_affected() == 1)
}

/// Forgets the failures before a guess that was right, within the caller's transaction. Returns whether the guess came
/// in time. If not, the caller must not commit.
pub(super) async fn settle(tx: &mut Transaction<'_, Postgres>, budget: &Budget) -> Result<bool, StoreError> {
    sqlx::query(statements::attempts::DELETE_BELOW)
        .bind(budget.key.to_string())
        .bind(i64::from(budget.below))
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    sqlx::query_scalar(statements::attempts::IS_IN_TIME)
        .bind(budget.key.to_string())
        .bind(i64::from(budget.below))
        .fetch_one(&mut **tx)
        .await
        .map_err(failure)
}
