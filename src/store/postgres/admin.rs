//! PostgreSQL: `AdminStore`. The page of accounts is put together at run time, in `statements::account_page`.

use async_trait::async_trait;
use sqlx::postgres::Postgres;
use sqlx::{PgExecutor, Transaction};
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::{self, failure};
use super::{PostgresStore, attempts, revocations, sessions, to_completion};
use crate::domain::{AccountStatus, AttemptKey, Authority, Handle, Role, Username};
use crate::store::listing::{AccountKey, PageReader, by_creation, by_id};
use crate::store::rows::{AccountRow, FirmRow, OutlineRow, UsernameRow, millis};
use crate::store::{
    AccountChange, AccountOrder, AccountPage, AccountRecord, AdminStore, FirmRecord, Listed, Outline, StoreError,
    Updated, statements,
};

/// Compares names byte by byte, whichever collation the database has.
const BYTEWISE: &str = " collate \"C\"";

/// Finds an outline and locks the account until the transaction ends, so that nobody else changes it meanwhile.
pub(super) const FIND_OUTLINE_AND_LOCK: &str =
    concat!(statements::accounts::select_outline!(), " where id = $1 for update");

#[async_trait]
impl AdminStore for PostgresStore {
    async fn find_record(&self, id: Uuid) -> Result<Option<AccountRecord>, StoreError> {
        let row: Option<AccountRow> = sqlx::query_as(statements::accounts::FIND)
            .bind(id)
            .fetch_optional(&self.pools.calls()?)
            .await
            .map_err(failure)?;
        row.map(AccountRow::into_record).transpose()
    }

    async fn find_outline(&self, id: Uuid) -> Result<Option<Outline>, StoreError> {
        find_outline(&self.pools.calls()?, statements::accounts::FIND_OUTLINE, id).await
    }

    async fn list_unusual_usernames(
        &self,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Listed<(Uuid, Username)>, StoreError> {
        let mut page = PageReader::new("accounts", after.unwrap_or(Uuid::nil()), limit);
        while page.goes_on() {
            let rows = sqlx::query(
                "select id, username from accounts where id > $1 and username collate \"C\" ~ '[^ -~]' order by id limit $2",
            )
            .bind(page.after())
            .bind(page.missing())
            .fetch_all(&self.pools.calls()?)
            .await
            .map_err(failure)?;
            page.take(&rows, by_id, UsernameRow::into_username)?;
        }
        Ok(page.listed())
    }

    async fn list_records(&self, page: &AccountPage) -> Result<Listed<AccountRecord>, StoreError> {
        let mut reader = PageReader::new("accounts", AccountKey::before(&page.order), page.limit);
        while reader.goes_on() {
            let mut query =
                statements::account_page::query::<sqlx::Postgres>(page, reader.after(), reader.missing(), BYTEWISE);
            let rows = query.build().fetch_all(&self.pools.calls()?).await.map_err(failure)?;
            let key = match page.order {
                AccountOrder::Registration(_) => AccountKey::by_creation,
                AccountOrder::Handle { .. } => AccountKey::by_name,
            };
            reader.take(&rows, key, AccountRow::into_record)?;
        }
        Ok(reader.listed())
    }

    async fn update_account(
        &self,
        id: Uuid,
        change: &AccountChange,
        until: OffsetDateTime,
        heard: OffsetDateTime,
    ) -> Result<Option<Updated>, StoreError> {
        let (pool, change) = (self.pools.calls()?, change.clone());
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            require_author(&mut tx, change.authority, id).await?;
            let Some(before) = find_outline(&mut *tx, FIND_OUTLINE_AND_LOCK, id).await? else {
                return Ok(None);
            };
            if change.role.is_some() || change.status.is_some() {
                lock_firm(&mut tx, before.administered_firm()).await?;
            }
            let mut renamed = 0;
            if let Some(name) = &change.name {
                let done = sqlx::query(statements::accounts::CHANGE_NAME)
                    .bind(id)
                    .bind(name.as_str())
                    .execute(&mut *tx)
                    .await
                    .map_err(failure)?;
                renamed += done.rows_affected();
            }
            if let Some(username) = &change.username {
                let done = sqlx::query(statements::accounts::CHANGE_USERNAME)
                    .bind(id)
                    .bind(username.as_str())
                    .execute(&mut *tx)
                    .await
                    .map_err(errors::insert_failure)?;
                renamed += done.rows_affected();
                if done.rows_affected() == 1 {
                    // Guesses that failed before the account had the name must not count against it.
                    attempts::clear(&mut tx, &AttemptKey::login(&Handle::Username(username.clone()))).await?;
                }
            }
            sqlx::query(statements::accounts::CHANGE_ROLE_AND_STATUS)
                .bind(id)
                .bind(change.role.map(Role::as_str))
                .bind(change.status.map(AccountStatus::as_str))
                .bind(i64::from(change.ends_sessions(&before)))
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            let Some(after) = find_outline(&mut *tx, statements::accounts::FIND_OUTLINE, id).await? else {
                return Ok(None);
            };
            if change.authority != Authority::Forced && after.administered_firm().is_none() {
                require_administrator(&mut tx, before.administered_firm()).await?;
            }
            let mut record = PageReader::new("accounts", id, 1);
            let rows = sqlx::query(statements::accounts::FIND).bind(id).fetch_all(&mut *tx).await.map_err(failure)?;
            record.take(&rows, by_id, AccountRow::into_record)?;
            let record = record.listed().logged().pop();
            let updated = Updated { before, after, renamed: renamed > 0, record };
            if after.epoch != before.epoch {
                sessions::end_all(&mut tx, id, after.epoch, until).await?;
            } else if updated.is_change() {
                revocations::announce_change(&mut tx, id, heard).await?;
            }
            tx.commit().await.map_err(failure)?;
            Ok(Some(updated))
        })
        .await
    }

    async fn set_platform_admin(&self, id: Uuid, is_one: bool, heard: OffsetDateTime) -> Result<bool, StoreError> {
        let pool = self.pools.calls()?;
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let done = sqlx::query(statements::accounts::SET_PLATFORM_ADMIN)
                .bind(id)
                .bind(i64::from(is_one))
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            let changed = done.rows_affected() == 1;
            if changed {
                revocations::announce_change(&mut tx, id, heard).await?;
            }
            tx.commit().await.map_err(failure)?;
            Ok(changed)
        })
        .await
    }

    async fn find_firm(&self, id: Uuid) -> Result<Option<FirmRecord>, StoreError> {
        let row: Option<FirmRow> = sqlx::query_as(statements::firms::FIND)
            .bind(id)
            .fetch_optional(&self.pools.calls()?)
            .await
            .map_err(failure)?;
        row.map(FirmRow::into_record).transpose()
    }

    async fn list_firms(
        &self,
        after: Option<(OffsetDateTime, Uuid)>,
        limit: u32,
    ) -> Result<Listed<FirmRecord>, StoreError> {
        let after = after.map_or((i64::MIN, Uuid::nil()), |(at, id)| (millis(at), id));
        let mut page = PageReader::new("firms", after, limit);
        while page.goes_on() {
            let (after, after_id) = page.after();
            let rows = sqlx::query(statements::firms::LIST)
                .bind(after)
                .bind(after_id)
                .bind(page.missing())
                .fetch_all(&self.pools.calls()?)
                .await
                .map_err(failure)?;
            page.take(&rows, by_creation, FirmRow::into_record)?;
        }
        Ok(page.listed())
    }
}

/// Locks a firm before one of its administrators is changed or deleted. Of two that demote each other at once, the
/// second waits, and then sees what the first did.
pub(super) async fn lock_firm(tx: &mut Transaction<'_, Postgres>, firm: Option<Uuid>) -> Result<(), StoreError> {
    sqlx::query("select id from firms where id = $1 for update")
        .bind(firm)
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    Ok(())
}

/// Refuses the change of an account by one that is not active any more. Locks both in the order of their ids: of two
/// that disable or delete each other at once, the second waits, and then sees that it is inactive itself.
pub(super) async fn require_author(
    tx: &mut Transaction<'_, Postgres>,
    authority: Authority,
    id: Uuid,
) -> Result<(), StoreError> {
    let Authority::Account(author) = authority else { return Ok(()) };
    let rows: Vec<(Uuid, bool)> =
        sqlx::query_as("select id, status = 'active' from accounts where id = $1 or id = $2 order by id for update")
            .bind(author)
            .bind(id)
            .fetch_all(&mut **tx)
            .await
            .map_err(failure)?;
    if rows.contains(&(author, true)) { Ok(()) } else { Err(StoreError::AuthorGone) }
}

/// Refuses what has just left a locked firm with active accounts and no active administrator.
pub(super) async fn require_administrator(
    tx: &mut Transaction<'_, Postgres>,
    firm: Option<Uuid>,
) -> Result<(), StoreError> {
    let is_without: bool = sqlx::query_scalar(statements::accounts::IS_FIRM_WITHOUT_ADMINISTRATOR)
        .bind(firm)
        .fetch_one(&mut **tx)
        .await
        .map_err(failure)?;
    if is_without { Err(StoreError::LastAdministrator) } else { Ok(()) }
}

pub(super) async fn find_outline(
    reader: impl PgExecutor<'_>,
    query: &'static str,
    id: Uuid,
) -> Result<Option<Outline>, StoreError> {
    let row: Option<OutlineRow> = sqlx::query_as(query).bind(id).fetch_optional(reader).await.map_err(failure)?;
    row.map(OutlineRow::into_outline).transpose()
}
