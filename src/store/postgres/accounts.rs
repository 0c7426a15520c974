//! PostgreSQL: `AccountStore`, and the function that inserts an account within the transaction of another capability.

use async_trait::async_trait;
use sqlx::Transaction;
use sqlx::postgres::Postgres;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::{self, failure};
use super::{PostgresStore, admin, attempts, outbox, sessions, to_completion};
use crate::domain::{
    Account, AccountStatus, AttemptKey, Authority, Handle, Identity, NewAccount, NewMail, PasswordHash, Role, Session,
};
use crate::store::listing::{PageReader, by_id};
use crate::store::rows::{AccountRow, millis};
use crate::store::{AccountStore, Credentials, Listed, StoreError, statements};

#[async_trait]
impl AccountStore for PostgresStore {
    async fn insert_account(
        &self,
        account: &NewAccount,
        session: Option<&Session>,
        mail: Option<&NewMail>,
    ) -> Result<(), StoreError> {
        let (pool, account, session, mail) = (self.pools.calls()?, account.clone(), session.cloned(), mail.cloned());
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            insert(&mut tx, &account).await?;
            if let Some(session) = &session {
                sessions::insert(&mut tx, session, (0, 0), None).await?;
            }
            if let Some(mail) = &mail {
                outbox::queue(&mut tx, mail).await?;
            }
            tx.commit().await.map_err(failure)
        })
        .await?;
        self.mail_queued.notify_one();
        Ok(())
    }

    async fn find_credentials(&self, handle: &Handle) -> Result<Option<Credentials>, StoreError> {
        let query = match handle {
            Handle::Username(_) => statements::accounts::FIND_BY_USERNAME,
            Handle::Email(_) => statements::accounts::FIND_BY_EMAIL,
        };
        let row: Option<AccountRow> =
            sqlx::query_as(query).bind(handle.as_str()).fetch_optional(&self.pools.calls()?).await.map_err(failure)?;
        row.map(AccountRow::into_credentials).transpose()
    }

    async fn find_account(&self, id: Uuid) -> Result<Option<Account>, StoreError> {
        let row: Option<AccountRow> = sqlx::query_as(statements::accounts::FIND)
            .bind(id)
            .fetch_optional(&self.pools.calls()?)
            .await
            .map_err(failure)?;
        row.map(AccountRow::into_account).transpose()
    }

    async fn list_accounts(&self, after: Option<Uuid>, limit: u32) -> Result<Listed<Account>, StoreError> {
        let mut page = PageReader::new("accounts", after.unwrap_or(Uuid::nil()), limit);
        while page.goes_on() {
            let rows = sqlx::query(statements::accounts::LIST)
                .bind(page.after())
                .bind(page.missing())
                .fetch_all(&self.pools.calls()?)
                .await
                .map_err(failure)?;
            page.take(&rows, by_id, AccountRow::into_account)?;
        }
        Ok(page.listed())
    }

    async fn replace_hash(&self, id: Uuid, old: &PasswordHash, new: &PasswordHash) -> Result<bool, StoreError> {
        let (pool, old, new) = (self.pools.calls()?, old.to_phc(), new.to_phc());
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let done = sqlx::query(statements::accounts::REPLACE_HASH)
                .bind(id)
                .bind(old)
                .bind(new)
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            tx.commit().await.map_err(failure)?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    async fn set_status(
        &self,
        id: Uuid,
        status: AccountStatus,
        until: OffsetDateTime,
    ) -> Result<Option<i64>, StoreError> {
        let pool = self.pools.calls()?;
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let epoch: Option<i64> = sqlx::query_scalar(
                "update accounts set status = $2, epoch = epoch + ($2 = 'inactive')::int where id = $1 and status <> $2
                 returning epoch",
            )
            .bind(id)
            .bind(status.as_str())
            .fetch_optional(&mut *tx)
            .await
            .map_err(failure)?;
            if let (Some(epoch), AccountStatus::Inactive) = (epoch, status) {
                sessions::end_all(&mut tx, id, epoch, until).await?;
            }
            tx.commit().await.map_err(failure)?;
            Ok(epoch)
        })
        .await
    }

    async fn set_role(&self, id: Uuid, role: Role, until: OffsetDateTime) -> Result<Option<i64>, StoreError> {
        let pool = self.pools.calls()?;
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let epoch: Option<i64> = sqlx::query_scalar(statements::accounts::SET_ROLE)
                .bind(id)
                .bind(role.as_str())
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

    async fn delete_account(
        &self,
        id: Uuid,
        until: OffsetDateTime,
        authority: Authority,
    ) -> Result<Option<i64>, StoreError> {
        let pool = self.pools.calls()?;
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            admin::require_author(&mut tx, authority, id).await?;
            // The account before its sessions, as every other transaction that ends sessions locks them.
            let Some(before) = admin::find_outline(&mut *tx, admin::FIND_OUTLINE_AND_LOCK, id).await? else {
                return Ok(None);
            };
            // A transaction that joins the firm at this moment has it locked. After the wait, the statements below see
            // its account.
            admin::lock_firm(&mut tx, before.member.map(|(firm, _)| firm)).await?;
            // The sessions before the cascade, which would lock them in no order.
            sqlx::query("select id from sessions where account_id = $1 order by id for update")
                .bind(id)
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            let deleted: Option<(i64, Option<Uuid>)> = sqlx::query_as(statements::accounts::DELETE)
                .bind(id)
                .fetch_optional(&mut *tx)
                .await
                .map_err(failure)?;
            let Some((epoch, firm_id)) = deleted else {
                return Ok(None);
            };
            if authority != Authority::Forced {
                admin::require_administrator(&mut tx, before.administered_firm()).await?;
            }
            sessions::end_all(&mut tx, id, epoch, until).await?;
            sqlx::query(statements::firms::DELETE_IF_EMPTY).bind(firm_id).execute(&mut *tx).await.map_err(failure)?;
            tx.commit().await.map_err(failure)?;
            Ok(Some(epoch))
        })
        .await
    }
}

pub(super) async fn insert(tx: &mut Transaction<'_, Postgres>, account: &NewAccount) -> Result<(), StoreError> {
    // Guesses that failed before the account existed must not count against it.
    attempts::clear(tx, &AttemptKey::login(&account.identity.handle())).await?;
    let (username, email, name, firm, role) = match &account.identity {
        Identity::Username(username) => (Some(username.as_str()), None, None, None, None),
        Identity::Email { email, name, firm, role, .. } => {
            (None, Some(email.as_str()), Some(name.as_str()), Some(firm), Some(role.as_str()))
        }
    };
    if let Some(firm) = firm.filter(|_| !account.joins) {
        sqlx::query(statements::firms::INSERT)
            .bind(firm.id)
            .bind(firm.name.as_str())
            .bind(millis(account.created_at))
            .execute(&mut **tx)
            .await
            .map_err(failure)?;
    }
    sqlx::query(statements::accounts::INSERT)
        .bind(account.id)
        .bind(username)
        .bind(email)
        .bind(name)
        .bind(firm.map(|firm| firm.id))
        .bind(role)
        .bind(account.password_hash.as_ref().map(PasswordHash::to_phc).unwrap_or_default())
        .bind(millis(account.created_at))
        .bind(account.verified_at().map(millis))
        .execute(&mut **tx)
        .await
        .map_err(errors::insert_failure)?;
    Ok(())
}

/// Locks an account until the transaction ends.
pub(super) async fn lock(tx: &mut Transaction<'_, Postgres>, id: Uuid) -> Result<(), StoreError> {
    sqlx::query("select id from accounts where id = $1 for update")
        .bind(id)
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    Ok(())
}
