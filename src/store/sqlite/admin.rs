//! The statements of administration.

use async_trait::async_trait;
use sqlx::sqlite::Sqlite;
use sqlx::{QueryBuilder, SqliteExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::{self, failure};
use super::{SqliteStore, attempts, sessions};
use crate::domain::{AccountStatus, AttemptKey, Handle, Role, Username};
use crate::store::listing::{AccountPlace, Page, by_id, by_making};
use crate::store::rows::{self, AccountRow, FirmRow, OutlineRow, UsernameRow, millis};
use crate::store::{
    AccountChange, AccountOrder, AccountPage, AccountRecord, AdminStore, FirmRecord, Listed, Outline, StoreError,
    Updated,
};

/// What every look-up of a firm begins with; the columns of [`FirmRow`].
macro_rules! select_firm {
    () => {
        "select id, name, created_at, (select count(*) from accounts where firm_id = firms.id) as accounts from firms"
    };
}

#[async_trait]
impl AdminStore for SqliteStore {
    async fn find_record(&self, id: Uuid) -> Result<Option<AccountRecord>, StoreError> {
        let row: Option<AccountRow> = sqlx::query_as(concat!(rows::select_account!(), " where accounts.id = ?1"))
            .bind(id)
            .fetch_optional(&mut **self.readers.take().await?)
            .await
            .map_err(failure)?;
        row.map(AccountRow::into_record).transpose()
    }

    async fn find_outline(&self, id: Uuid) -> Result<Option<Outline>, StoreError> {
        outline(&mut **self.readers.take().await?, id).await
    }

    async fn list_unusual_usernames(
        &self,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Listed<(Uuid, Username)>, StoreError> {
        let mut page = Page::new("accounts", after.unwrap_or(Uuid::nil()), limit);
        while page.goes_on() {
            let rows = sqlx::query(
                "select id, username from accounts where id > ?1 and username glob '*[^ -~]*' order by id limit ?2",
            )
            .bind(page.after())
            .bind(page.missing())
            .fetch_all(&mut **self.readers.take().await?)
            .await
            .map_err(failure)?;
            page.take(&rows, by_id, UsernameRow::into_username)?;
        }
        Ok(page.listed())
    }

    async fn list_records(&self, page: &AccountPage) -> Result<Listed<AccountRecord>, StoreError> {
        let mut listed = Page::new("accounts", AccountPlace::before(&page.order), page.limit);
        while listed.goes_on() {
            let mut question = question(page, listed.after(), listed.missing());
            let rows = question.build().fetch_all(&mut **self.readers.take().await?).await.map_err(failure)?;
            let place = match page.order {
                AccountOrder::Registration(_) => AccountPlace::by_making,
                AccountOrder::Handle { .. } => AccountPlace::by_name,
            };
            listed.take(&rows, place, AccountRow::into_record)?;
        }
        Ok(listed.listed())
    }

    async fn update_account(
        &self,
        id: Uuid,
        change: &AccountChange,
        until: OffsetDateTime,
        heard: OffsetDateTime,
    ) -> Result<Option<Updated>, StoreError> {
        let mut tx = self.write().await?;
        let Some(before) = outline(&mut *tx, id).await? else {
            return Ok(None);
        };
        let mut renamed = 0;
        if let Some(name) = &change.name {
            let done = sqlx::query("update accounts set name = ?2 where id = ?1 and username is null and name <> ?2")
                .bind(id)
                .bind(name.as_str())
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            renamed += done.rows_affected();
        }
        if let Some(username) = &change.username {
            let done =
                sqlx::query("update accounts set username = ?2 where id = ?1 and email is null and username <> ?2")
                    .bind(id)
                    .bind(username.as_str())
                    .execute(&mut *tx)
                    .await
                    .map_err(errors::insert_failure)?;
            renamed += done.rows_affected();
            if done.rows_affected() == 1 {
                // What was guessed while nobody had the name is not held against who has it now.
                attempts::clear(&mut tx, &AttemptKey::login(&Handle::Username(username.clone()))).await?;
            }
        }
        // What a username account does not have stays null.
        sqlx::query(
            "update accounts set
                 role = case when username is null then coalesce(?2, role) end,
                 status = coalesce(?3, status), epoch = epoch + ?4
             where id = ?1",
        )
        .bind(id)
        .bind(change.role.map(Role::as_str))
        .bind(change.status.map(AccountStatus::as_str))
        .bind(i64::from(change.ends_sessions(&before)))
        .execute(&mut *tx)
        .await
        .map_err(failure)?;
        let Some(after) = outline(&mut *tx, id).await? else {
            return Ok(None);
        };
        let mut record = Page::new("accounts", id, 1);
        let rows = sqlx::query(concat!(rows::select_account!(), " where accounts.id = ?1"))
            .bind(id)
            .fetch_all(&mut *tx)
            .await
            .map_err(failure)?;
        record.take(&rows, by_id, AccountRow::into_record)?;
        let record = record.listed().logged().pop();
        let updated = Updated { before, after, renamed: renamed > 0, record };
        if after.epoch != before.epoch {
            sessions::end_all(&mut tx, id, after.epoch, until).await?;
        } else if updated.is_change() {
            sessions::tell_change(&mut tx, id, heard).await?;
        }
        self.commit_end(tx).await?;
        Ok(Some(updated))
    }

    async fn set_platform_admin(&self, id: Uuid, is_one: bool, heard: OffsetDateTime) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query("update accounts set platform_admin = ?2 where id = ?1 and platform_admin <> ?2")
            .bind(id)
            .bind(i64::from(is_one))
            .execute(&mut *tx)
            .await
            .map_err(failure)?;
        let changed = done.rows_affected() == 1;
        if changed {
            sessions::tell_change(&mut tx, id, heard).await?;
        }
        self.commit_end(tx).await?;
        Ok(changed)
    }

    async fn find_firm(&self, id: Uuid) -> Result<Option<FirmRecord>, StoreError> {
        let row: Option<FirmRow> = sqlx::query_as(concat!(select_firm!(), " where id = ?1"))
            .bind(id)
            .fetch_optional(&mut **self.readers.take().await?)
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
        let mut page = Page::new("firms", after, limit);
        while page.goes_on() {
            let (after, after_id) = page.after();
            let rows = sqlx::query(concat!(
                select_firm!(),
                " where (created_at, id) > (?1, ?2) order by created_at, id limit ?3"
            ))
            .bind(after)
            .bind(after_id)
            .bind(page.missing())
            .fetch_all(&mut **self.readers.take().await?)
            .await
            .map_err(failure)?;
            page.take(&rows, by_making, FirmRow::into_record)?;
        }
        Ok(page.listed())
    }
}

async fn outline(reader: impl SqliteExecutor<'_>, id: Uuid) -> Result<Option<Outline>, StoreError> {
    let row: Option<OutlineRow> = sqlx::query_as(concat!(rows::select_outline!(), " where id = ?1"))
        .bind(id)
        .fetch_optional(reader)
        .await
        .map_err(failure)?;
    row.map(OutlineRow::into_outline).transpose()
}

/// Names of either kind are two questions, each of an index that has the order already.
fn question(page: &AccountPage, after: &AccountPlace, limit: i64) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("");
    match (&page.order, after) {
        (AccountOrder::Handle { prefix, .. }, AccountPlace::Named(after, _)) => {
            query.push("select * from (select * from (");
            named(&mut query, page, "username", prefix, after, limit);
            query.push(") union all select * from (");
            named(&mut query, page, "email", prefix, after, limit);
            query.push(")) order by coalesce(username, email)");
        }
        (_, after) => {
            let (after, after_id) = after.made();
            query.push(rows::select_account!()).push(" where (accounts.created_at, accounts.id) > (");
            query.push_bind(after).push(", ").push_bind(after_id).push(")");
            filter(&mut query, page);
            query.push(" order by accounts.created_at, accounts.id");
        }
    }
    query.push(" limit ").push_bind(limit);
    query
}

/// Those whose name of one kind begins so.
fn named(query: &mut QueryBuilder<Sqlite>, page: &AccountPage, column: &str, prefix: &str, after: &str, limit: i64) {
    let column = format!("accounts.{column}");
    query.push(rows::select_account!()).push(format!(" where {column} >= ")).push_bind(prefix.to_owned());
    // What no name has follows all that names have.
    query.push(format!(" and {column} < ")).push_bind(format!("{prefix}\u{10ffff}"));
    query.push(format!(" and {column} > ")).push_bind(after.to_owned());
    filter(query, page);
    query.push(format!(" order by {column} limit ")).push_bind(limit);
}

fn filter(query: &mut QueryBuilder<Sqlite>, page: &AccountPage) {
    if let Some(firm) = page.firm {
        query.push(" and accounts.firm_id = ").push_bind(firm);
    }
    if let Some(role) = page.role {
        query.push(" and accounts.role = ").push_bind(role.as_str());
    }
    // Literally: of a parameter nobody knows whether it asks for what the index of the inactive has.
    match page.status {
        Some(AccountStatus::Active) => drop(query.push(" and accounts.status = 'active'")),
        Some(AccountStatus::Inactive) => drop(query.push(" and accounts.status = 'inactive'")),
        None => {}
    }
}
