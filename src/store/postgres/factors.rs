//! PostgreSQL: `FactorStore`. Accounts are locked before their factors, and failed guesses before both, so that no two
//! transactions form a deadlock.

use async_trait::async_trait;
use sqlx::Transaction;
use sqlx::postgres::Postgres;
use uuid::Uuid;

use super::errors::failure;
use super::{PostgresStore, attempts, bound, sessions, to_completion};
use crate::store::factors::{Completed, FactorChange, FactorStore, LoginCompletion, StoredFactors};
use crate::store::rows::factors::TotpRow;
use crate::store::{StoreError, statements};

#[async_trait]
impl FactorStore for PostgresStore {
    async fn find_factors(&self, account_id: Uuid) -> Result<StoredFactors, StoreError> {
        let pool = self.pools.calls()?;
        let totp: Option<TotpRow> = sqlx::query_as(statements::factors::FIND_TOTP)
            .bind(account_id)
            .fetch_optional(&pool)
            .await
            .map_err(failure)?;
        let codes: i64 = sqlx::query_scalar(statements::factors::COUNT_CODES)
            .bind(account_id)
            .fetch_one(&pool)
            .await
            .map_err(failure)?;
        TotpRow::into_factors(totp, codes)
    }

    async fn has_sealed_factors(&self) -> Result<bool, StoreError> {
        // Asked at the start, before the feed has caught up: until then, calls get no connection.
        let (feed, query) = self.pools.beside_feed();
        let found = sqlx::query_scalar(statements::factors::HAS_SEALED).fetch_one(&feed).await.map_err(failure);
        // An error is not counted as a loss of the database: the feed finds out by itself.
        query.over(true);
        found
    }

    async fn is_ticket_spent(&self, id: Uuid) -> Result<bool, StoreError> {
        let pool = self.pools.calls()?;
        sqlx::query_scalar(statements::factors::IS_SPENT).bind(id).fetch_one(&pool).await.map_err(failure)
    }

    async fn change_factors(&self, change: &FactorChange) -> Result<bool, StoreError> {
        let (pool, statements) = (self.pools.calls()?, statements::factors::change(change));
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            if !bound::run(&mut tx, statements).await? {
                return Ok(false);
            }
            tx.commit().await.map_err(failure)?;
            Ok(true)
        })
        .await
    }

    async fn complete_login(&self, completion: &LoginCompletion) -> Result<Completed, StoreError> {
        let (pool, completion) = (self.pools.calls()?, completion.clone());
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let completed = complete(&mut tx, &completion).await?;
            if matches!(completed, Completed::Open { .. }) {
                tx.commit().await.map_err(failure)?;
            }
            Ok(completed)
        })
        .await
    }
}

/// Stores the session of a sign-in. The caller commits if it is open, and only then.
async fn complete(tx: &mut Transaction<'_, Postgres>, completion: &LoginCompletion) -> Result<Completed, StoreError> {
    let opening = &completion.opening;
    if let Some(budget) = &opening.budget
        && !attempts::settle(tx, budget).await?
    {
        return Ok(Completed::TooLate);
    }
    attempts::settle(tx, &completion.password).await?;
    if !sessions::insert(tx, &opening.session, opening.seen(), None).await?
        || !bound::run(tx, statements::factors::spend_ticket(completion)).await?
    {
        return Ok(Completed::TicketVoid);
    }
    if !bound::run(tx, statements::factors::use_proof(completion)).await? {
        return Ok(Completed::CodeUsed);
    }
    let left: i64 = sqlx::query_scalar(statements::factors::COUNT_CODES)
        .bind(opening.session.account_id)
        .fetch_one(&mut **tx)
        .await
        .map_err(failure)?;
    Ok(Completed::Open { recovery_codes: left.try_into().unwrap_or(u32::MAX) })
}
