//! SQLite: `AccountStore`, and the function that inserts an account within the transaction of another capability.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::{self, failure};
use super::writer::WriteTransaction;
use super::{SqliteStore, admin, attempts, outbox, sessions};
use crate::domain::{
    Account, AccountStatus, AttemptKey, Authority, Handle, Identity, NewAccount, NewMail, PasswordHash, Role, Session,
};
use crate::store::listing::{PageReader, by_id};
use crate::store::rows::{AccountRow, millis};
use crate::store::{AccountStore, Credentials, Listed, StoreError, statements};

#[async_trait]
impl AccountStore for SqliteStore {
    async fn insert_account(
        &self,
        account: &NewAccount,
        session: Option<&Session>,
        mail: Option<&NewMail>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        insert(&mut tx, account).await?;
        if let Some(session) = session {
            sessions::insert(&mut *tx, session, (0, 0), None).await?;
        }
        if let Some(mail) = mail {
            outbox::queue(&mut tx, mail).await?;
        }
        self.commit_and_wake_sender(tx).await
    }

    async fn find_credentials(&self, handle: &Handle) -> Result<Option<Credentials>, StoreError> {
        let query = match handle {
            Handle::Username(_) => statements::accounts::FIND_BY_USERNAME,
            Handle::Email(_) => statements::accounts::FIND_BY_EMAIL,
        };
        let row: Option<AccountRow> = sqlx::query_as(query)
            .bind(handle.as_str())
            .fetch_optional(&mut **self.readers.take().await?)
            .await
            .map_err(failure)?;
        row.map(AccountRow::into_credentials).transpose()
    }

    async fn find_account(&self, id: Uuid) -> Result<Option<Account>, StoreError> {
        let row: Option<AccountRow> = sqlx::query_as(statements::accounts::FIND)
            .bind(id)
            .fetch_optional(&mut **self.readers.take().await?)
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
                .fetch_all(&mut **self.readers.take().await?)
                .await
                .map_err(failure)?;
            page.take(&rows, by_id, AccountRow::into_account)?;
        }
        Ok(page.listed())
    }

    async fn replace_hash(&self, id: Uuid, old: &PasswordHash, new: &PasswordHash) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let done = sqlx::query(statements::accounts::REPLACE_HASH)
            .bind(id)
            .bind(old.to_phc())
            .bind(new.to_phc())
            .execute(&mut *tx)
            .await
            .map_err(failure)?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    async fn set_status(
        &self,
        id: Uuid,
        status: AccountStatus,
        until: OffsetDateTime,
    ) -> Result<Option<i64>, StoreError> {
        let mut tx = self.begin().await?;
        let epoch: Option<i64> = sqlx::query_scalar(
            "update accounts set status = $2, epoch = epoch + ($2 = 'inactive') where id = $1 and status <> $2
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
        self.commit_and_wake_feed(tx).await?;
        Ok(epoch)
    }

    async fn set_role(&self, id: Uuid, role: Role, until: OffsetDateTime) -> Result<Option<i64>, StoreError> {
        let mut tx = self.begin().await?;
        let epoch: Option<i64> = sqlx::query_scalar(statements::accounts::SET_ROLE)
            .bind(id)
            .bind(role.as_str())
            .fetch_optional(&mut *tx)
            .await
            .map_err(failure)?;
        if let Some(epoch) = epoch {
            sessions::end_all(&mut tx, id, epoch, until).await?;
        }
        self.commit_and_wake_feed(tx).await?;
        Ok(epoch)
    }

    async fn delete_account(
        &self,
        id: Uuid,
        until: OffsetDateTime,
        authority: Authority,
    ) -> Result<Option<i64>, StoreError> {
        let mut tx = self.begin().await?;
        admin::require_author(&mut tx, authority).await?;
        let before = admin::find_outline(&mut *tx, id).await?;
        let deleted: Option<(i64, Option<Uuid>)> =
            sqlx::query_as(statements::accounts::DELETE).bind(id).fetch_optional(&mut *tx).await.map_err(failure)?;
        let Some((epoch, firm_id)) = deleted else {
            return Ok(None);
        };
        if authority != Authority::Forced {
            admin::require_administrator(&mut tx, before.and_then(|before| before.administered_firm())).await?;
        }
        sessions::end_all(&mut tx, id, epoch, until).await?;
        sqlx::query(statements::firms::DELETE_IF_EMPTY).bind(firm_id).execute(&mut *tx).await.map_err(failure)?;
        self.commit_and_wake_feed(tx).await?;
        Ok(Some(epoch))
    }
}

pub(super) async fn insert(tx: &mut WriteTransaction, account: &NewAccount) -> Result<(), StoreError> {
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
