//! PostgreSQL: `PasswordStore`. Each method changes a password and everything that must change with it.

use async_trait::async_trait;
use sqlx::Transaction;
use sqlx::postgres::Postgres;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::failure;
use super::{PostgresStore, accounts, attempts, outbox, sessions, tickets, to_completion};
use crate::domain::{Account, AttemptKey, NameKind, NewMail, PasswordHash};
use crate::store::passwords::costs;
use crate::store::rows::AccountRow;
use crate::store::{Credentials, EndedSession, PasswordStore, StoreError, statements};

#[async_trait]
impl PasswordStore for PostgresStore {
    async fn credentials_of(&self, id: Uuid) -> Result<Option<Credentials>, StoreError> {
        let row: Option<AccountRow> = sqlx::query_as(statements::accounts::FIND)
            .bind(id)
            .fetch_optional(&self.pools.calls()?)
            .await
            .map_err(failure)?;
        row.map(AccountRow::into_credentials).transpose()
    }

    async fn hash_costs(&self) -> Result<Vec<(NameKind, PasswordHash, u64)>, StoreError> {
        let rows = sqlx::query(
            // The text up to the lanes has the scheme, the memory and the passes; of bcrypt, 7 characters have all.
            "select email is not null, min(password_hash), count(*) from accounts where password_hash <> ''
             group by email is not null, substr(password_hash, 1, greatest(strpos(password_hash, ',p='), 7))",
        )
        .fetch_all(&self.pools.calls()?)
        .await
        .map_err(failure)?;
        Ok(costs(&rows))
    }

    async fn change_password(
        &self,
        seen: &Credentials,
        new: &PasswordHash,
        except: Uuid,
        from: OffsetDateTime,
    ) -> Result<Option<Vec<EndedSession>>, StoreError> {
        let (pool, account) = (self.pools.calls()?, seen.account.clone());
        let (id, changes, new) = (account.id, seen.password_changes, new.to_phc());
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            forget_failures(&mut tx, &account).await?;
            // Before its mail and its tickets are changed, in the same order as the use of a ticket.
            accounts::lock(&mut tx, id).await?;
            tickets::void(&mut tx, id).await?;
            let done = sqlx::query(statements::accounts::CHANGE_PASSWORD)
                .bind(id)
                .bind(changes)
                .bind(new)
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            if done.rows_affected() == 0 {
                return Ok(None);
            }
            let ended = sessions::end_except(&mut tx, id, Some(except), from).await?;
            tx.commit().await.map_err(failure)?;
            Ok(Some(ended))
        })
        .await
    }

    async fn queue_email_change(
        &self,
        seen: &Credentials,
        session_id: Uuid,
        mail: &NewMail,
    ) -> Result<bool, StoreError> {
        let (pool, account, mail) = (self.pools.calls()?, seen.account.clone(), mail.clone());
        let changes = seen.password_changes;
        let holds = to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            // Locked, so that a change of the password at the same moment waits, and then takes this mail back.
            let found: Option<i32> = sqlx::query_scalar(
                "select 1 from accounts join sessions on sessions.account_id = accounts.id
                 where accounts.id = $1 and password_changes = $2 and accounts.epoch = $3 and status = 'active'
                     and sessions.id = $4
                 for share of accounts",
            )
            .bind(account.id)
            .bind(changes)
            .bind(account.epoch)
            .bind(session_id)
            .fetch_optional(&mut *tx)
            .await
            .map_err(failure)?;
            if found.is_some() {
                outbox::queue(&mut tx, &mail).await?;
                tx.commit().await.map_err(failure)?;
            }
            Ok(found.is_some())
        })
        .await?;
        self.mail_queued.notify_one();
        Ok(holds)
    }

    async fn set_password(
        &self,
        id: Uuid,
        new: &PasswordHash,
        until: OffsetDateTime,
    ) -> Result<Option<i64>, StoreError> {
        let (pool, new) = (self.pools.calls()?, new.to_phc());
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let row: Option<AccountRow> =
                sqlx::query_as(statements::accounts::FIND).bind(id).fetch_optional(&mut *tx).await.map_err(failure)?;
            let Some(account) = row.map(AccountRow::into_account).transpose()? else {
                return Ok(None);
            };
            forget_failures(&mut tx, &account).await?;
            // Before its mail and its tickets are changed, in the same order as the use of a ticket.
            accounts::lock(&mut tx, id).await?;
            tickets::void(&mut tx, id).await?;
            let epoch: Option<i64> = sqlx::query_scalar(statements::accounts::SET_PASSWORD)
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

/// Forgets the failed guesses at the old password. Called before the account is locked, in the same order as a sign-in.
async fn forget_failures(tx: &mut Transaction<'_, Postgres>, account: &Account) -> Result<(), StoreError> {
    for key in AttemptKey::of_account(account.id, &account.identity.handle()) {
        attempts::clear(tx, &key).await?;
    }
    Ok(())
}
