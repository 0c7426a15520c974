//! The statements about passwords that are replaced by others.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::failure;
use super::{PostgresStore, sessions, tickets, unit};
use crate::domain::PasswordHash;
use crate::store::rows::{self, AccountRow};
use crate::store::{Credentials, EndedSession, PasswordStore, StoreError};

#[async_trait]
impl PasswordStore for PostgresStore {
    async fn credentials_of(&self, id: Uuid) -> Result<Option<Credentials>, StoreError> {
        let row: Option<AccountRow> = sqlx::query_as(concat!(rows::select_account!(), " where accounts.id = $1"))
            .bind(id)
            .fetch_optional(&self.pools.calls()?)
            .await
            .map_err(failure)?;
        row.map(AccountRow::into_credentials).transpose()
    }

    async fn change_password(
        &self,
        seen: &Credentials,
        new: &PasswordHash,
        except: Uuid,
        from: OffsetDateTime,
    ) -> Result<Option<Vec<EndedSession>>, StoreError> {
        let (pool, id, changes, new) = (self.pools.calls()?, seen.account.id, seen.password_changes, new.to_phc());
        unit(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            // First, as whoever uses one has it: the ticket, then the account.
            tickets::void(&mut tx, id).await?;
            let done = sqlx::query(
                "update accounts set password_hash = $3, password_changes = password_changes + 1
                 where id = $1 and password_changes = $2 and status = 'active'",
            )
            .bind(id)
            .bind(changes)
            .bind(new)
            .execute(&mut *tx)
            .await
            .map_err(failure)?;
            if done.rows_affected() == 0 {
                return Ok(None);
            }
            let ended = sessions::end(&mut tx, id, Some(except), from).await?;
            tx.commit().await.map_err(failure)?;
            Ok(Some(ended))
        })
        .await
    }

    async fn set_password(
        &self,
        id: Uuid,
        new: &PasswordHash,
        until: OffsetDateTime,
    ) -> Result<Option<i64>, StoreError> {
        let (pool, new) = (self.pools.calls()?, new.to_phc());
        unit(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            // First, as whoever uses one has it: the ticket, then the account.
            tickets::void(&mut tx, id).await?;
            let epoch: Option<i64> = sqlx::query_scalar(
                "update accounts set password_hash = $2, password_changes = password_changes + 1, epoch = epoch + 1
                 where id = $1 returning epoch",
            )
            .bind(id)
            .bind(new)
            .fetch_optional(&mut *tx)
            .await
            .map_err(failure)?;
            if let Some(epoch) = epoch {
                sessions::end_all(&mut tx, id, epoch, until).await?;
            }
            tx.commit().await.map_err(failure)?;
            Ok(epoch)
        })
        .await
    }
}
