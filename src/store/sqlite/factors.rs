//! SQLite: `FactorStore`.

use async_trait::async_trait;
use uuid::Uuid;

use super::errors::failure;
use super::{SqliteStore, attempts, bound, sessions};
use crate::store::factors::{Completed, FactorChange, FactorStore, LoginCompletion, StoredFactors};
use crate::store::rows::factors::TotpRow;
use crate::store::{StoreError, statements};

#[async_trait]
impl FactorStore for SqliteStore {
    async fn find_factors(&self, account_id: Uuid) -> Result<StoredFactors, StoreError> {
        let mut reader = self.readers.take().await?;
        let totp: Option<TotpRow> = sqlx::query_as(statements::factors::FIND_TOTP)
            .bind(account_id)
            .fetch_optional(&mut **reader)
            .await
            .map_err(failure)?;
        let codes: i64 = sqlx::query_scalar(statements::factors::COUNT_CODES)
            .bind(account_id)
            .fetch_one(&mut **reader)
            .await
            .map_err(failure)?;
        TotpRow::into_factors(totp, codes)
    }

    async fn has_sealed_factors(&self) -> Result<bool, StoreError> {
        let mut reader = self.readers.take().await?;
        sqlx::query_scalar(statements::factors::HAS_SEALED).fetch_one(&mut **reader).await.map_err(failure)
    }

    async fn is_ticket_spent(&self, id: Uuid) -> Result<bool, StoreError> {
        let mut reader = self.readers.take().await?;
        sqlx::query_scalar(statements::factors::IS_SPENT).bind(id).fetch_one(&mut **reader).await.map_err(failure)
    }

    async fn change_factors(&self, change: &FactorChange) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        if !bound::run(&mut tx, statements::factors::change(change)).await? {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn complete_login(&self, completion: &LoginCompletion) -> Result<Completed, StoreError> {
        let opening = &completion.opening;
        let mut tx = self.begin().await?;
        if let Some(budget) = &opening.budget
            && !attempts::settle(&mut tx, budget).await?
        {
            return Ok(Completed::TooLate);
        }
        attempts::settle(&mut tx, &completion.password).await?;
        if !sessions::insert(&mut *tx, &opening.session, opening.seen(), None).await?
            || !bound::run(&mut tx, statements::factors::spend_ticket(completion)).await?
        {
            return Ok(Completed::TicketVoid);
        }
        if !bound::run(&mut tx, statements::factors::use_proof(completion)).await? {
            return Ok(Completed::CodeUsed);
        }
        let left: i64 = sqlx::query_scalar(statements::factors::COUNT_CODES)
            .bind(opening.session.account_id)
            .fetch_one(&mut *tx)
            .await
            .map_err(failure)?;
        tx.commit().await?;
        Ok(Completed::Open { recovery_codes: left.try_into().unwrap_or(u32::MAX) })
    }
}
