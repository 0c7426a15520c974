//! PostgreSQL: `RevocationStore`, the feed of revocations. It has connections of its own, and waits for the
//! announcements of other processes (`listen`).

use async_trait::async_trait;
use sqlx::postgres::Postgres;
use sqlx::{PgPool, Transaction};
use time::OffsetDateTime;
use uuid::Uuid;

use super::PostgresStore;
use super::errors::failure;
use super::listen::announce;
use crate::store::rows::{RevocationRow, millis};
use crate::store::{REVOCATIONS_AT_ONCE, RevocationStore, StoreError, StoredRevocation, statements};

#[async_trait]
impl RevocationStore for PostgresStore {
    async fn revocations_after(&self, seq: i64, now: OffsetDateTime) -> Result<Vec<StoredRevocation>, StoreError> {
        let (feed, query) = self.pools.feed();
        let answer = list(&feed, seq, now).await;
        query.over(answer.is_ok());
        answer
    }

    async fn missed_revocations(&self, seq: i64, now: OffsetDateTime) -> Result<Vec<StoredRevocation>, StoreError> {
        list(&self.pools.calls()?, seq, now).await
    }

    async fn time(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        let (feed, query) = self.pools.feed();
        let answer = time(&feed).await;
        query.over(answer.is_ok());
        answer.map(Some)
    }

    async fn changed(&self) -> bool {
        self.announcements.next().await
    }

    fn caught_up(&self) {
        self.pools.caught_up();
    }

    fn is_in_step(&self) -> bool {
        self.pools.is_in_step()
    }
}

async fn list(pool: &PgPool, seq: i64, now: OffsetDateTime) -> Result<Vec<StoredRevocation>, StoreError> {
    let rows = sqlx::query(statements::revocations::LIST)
        .bind(seq)
        .bind(millis(now))
        .bind(i64::from(REVOCATIONS_AT_ONCE))
        .fetch_all(pool)
        .await
        .map_err(failure)?;
    rows.iter().map(RevocationRow::read).collect()
}

/// Asks the server's clock. `clock_timestamp` is the present time; `now` would be that of the transaction's beginning.
async fn time(pool: &PgPool) -> Result<OffsetDateTime, StoreError> {
    let micros: i64 = sqlx::query_scalar("select (extract(epoch from clock_timestamp()) * 1000000)::bigint")
        .fetch_one(pool)
        .await
        .map_err(failure)?;
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .map_err(|error| StoreError::Corrupt(error.into()))
}

/// Tells every process that an account has changed, until `until`. No session ends.
pub(super) async fn announce_change(
    tx: &mut Transaction<'_, Postgres>,
    account_id: Uuid,
    until: OffsetDateTime,
) -> Result<(), StoreError> {
    announce(tx).await?;
    sqlx::query(statements::revocations::INSERT_CHANGE)
        .bind(account_id)
        .bind(millis(until))
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    Ok(())
}
