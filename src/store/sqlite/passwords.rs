//! SQLite: `PasswordStore`. Each method changes a password and everything that must change with it.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::failure;
use super::writer::WriteTransaction;
use super::{SqliteStore, attempts, outbox, sessions, tickets};
use crate::domain::{Account, AttemptKey, NameKind, NewMail, PasswordHash};
use crate::store::passwords::costs;
use crate::store::rows::AccountRow;
use crate::store::{Credentials, EndedSession, PasswordStore, StoreError, statements};

#[async_trait]
impl PasswordStore for SqliteStore {
    async fn credentials_of(&self, id: Uuid) -> Result<Option<Credentials>, StoreError> {
        let row: Option<AccountRow> = sqlx::query_as(statements::accounts::FIND)
            .bind(id)
            .fetch_optional(&mut **self.readers.take().await?)
            .await
            .map_err(failure)?;
        row.map(AccountRow::into_credentials).transpose()
    }

    async fn hash_costs(&self) -> Result<Vec<(NameKind, PasswordHash, u64)>, StoreError> {
        let rows = sqlx::query(
            // The text up to the lanes has the scheme, the memory and the passes; of bcrypt, 7 characters have all.
            "select email is not null, min(password_hash), count(*) from accounts where password_hash <> ''
             group by email is not null, substr(password_hash, 1, max(instr(password_hash, ',p='), 7))",
        )
        .fetch_all(&mut **self.readers.take().await?)
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
        let mut tx = self.begin().await?;
        forget_failures(&mut tx, &seen.account).await?;
        tickets::void(&mut tx, seen.account.id).await?;
        let done = sqlx::query(statements::accounts::CHANGE_PASSWORD)
            .bind(seen.account.id)
            .bind(seen.password_changes)
            .bind(new.to_phc())
            .execute(&mut *tx)
            .await
            .map_err(failure)?;
        if done.rows_affected() == 0 {
            return Ok(None);
        }
        let ended = sessions::end_except(&mut tx, seen.account.id, Some(except), from).await?;
        self.commit_and_wake_feed(tx).await?;
        Ok(Some(ended))
    }

    async fn queue_email_change(
        &self,
        seen: &Credentials,
        session_id: Uuid,
        mail: &NewMail,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let holds: bool = sqlx::query_scalar(
            "select exists (
                 select 1 from accounts join sessions on sessions.account_id = accounts.id
                 where accounts.id = $1 and password_changes = $2 and accounts.epoch = $3 and status = 'active'
                     and sessions.id = $4)",
        )
        .bind(seen.account.id)
        .bind(seen.password_changes)
        .bind(seen.account.epoch)
        .bind(session_id)
        .fetch_one(&mut *tx)
        .await
        .map_err(failure)?;
        if holds {
            outbox::queue(&mut tx, mail).await?;
            self.commit_and_wake_sender(tx).await?;
        }
        Ok(holds)
    }

    async fn set_password(
        &self,
        id: Uuid,
        new: &PasswordHash,
        until: OffsetDateTime,
    ) -> Result<Option<i64>, StoreError> {
        let mut tx = self.begin().await?;
        let row: Option<AccountRow> =
            sqlx::query_as(statements::accounts::FIND).bind(id).fetch_optional(&mut *tx).await.map_err(failure)?;
        let Some(account) = row.map(AccountRow::into_account).transpose()? else {
            return Ok(None);
        };
        forget_failures(&mut tx, &account).await?;
        tickets::void(&mut tx, id).await?;
        let epoch: Option<i64> = sqlx::query_scalar(statements::accounts::SET_PASSWORD)
            .bind(id)
            .bind(new.to_phc())
            .fetch_optional(&mut *tx)
            .await
            .map_err(failure)?;
        if let Some(epoch) = epoch {
            sessions::end_all(&mut tx, id, epoch, until).await?;
        }
        self.commit_and_wake_feed(tx).await?;
        Ok(epoch)
    }
}

/// Forgets the failed guesses at the old password.
async fn forget_failures(tx: &mut WriteTransaction, account: &Account) -> Result<(), StoreError> {
    for key in AttemptKey::of_account(account.id, &account.identity.handle()) {
        attempts::clear(tx, &key).await?;
    }
    Ok(())
}
