//! The statements of administration.

use async_trait::async_trait;
use sqlx::QueryBuilder;
use sqlx::sqlite::Sqlite;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::failure;
use super::{SqliteStore, end_all_sessions, tell_change};
use crate::domain::{AccountStatus, PersonName, Role};
use crate::store::rows::{self, AccountRow, FirmRow, millis};
use crate::store::{
    AccountChange, AccountOrder, AccountPage, AccountRecord, AdminStore, FirmRecord, StoreError, Updated,
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

    async fn list_records(&self, page: &AccountPage) -> Result<Vec<AccountRecord>, StoreError> {
        let rows: Vec<AccountRow> =
            question(page).build_query_as().fetch_all(&mut **self.readers.take().await?).await.map_err(failure)?;
        rows.into_iter().map(AccountRow::into_record).collect()
    }

    async fn update_account(
        &self,
        id: Uuid,
        change: &AccountChange,
        until: OffsetDateTime,
        heard: OffsetDateTime,
    ) -> Result<Option<Updated>, StoreError> {
        let mut tx = self.write().await?;
        let row: Option<AccountRow> = sqlx::query_as(concat!(rows::select_account!(), " where accounts.id = ?1"))
            .bind(id)
            .fetch_optional(&mut *tx)
            .await
            .map_err(failure)?;
        let Some(before) = row.map(AccountRow::into_account).transpose()? else {
            return Ok(None);
        };
        // What a username account does not have stays null.
        sqlx::query(
            "update accounts set
                 name = case when username is null then coalesce(?2, name) end,
                 role = case when username is null then coalesce(?3, role) end,
                 status = coalesce(?4, status), epoch = epoch + ?5
             where id = ?1",
        )
        .bind(id)
        .bind(change.name.as_ref().map(PersonName::as_str))
        .bind(change.role.map(Role::as_str))
        .bind(change.status.map(AccountStatus::as_str))
        .bind(i64::from(change.ends_sessions(&before)))
        .execute(&mut *tx)
        .await
        .map_err(failure)?;
        let after: AccountRow = sqlx::query_as(concat!(rows::select_account!(), " where accounts.id = ?1"))
            .bind(id)
            .fetch_one(&mut *tx)
            .await
            .map_err(failure)?;
        let after = after.into_record()?;
        if after.account.epoch != before.epoch {
            end_all_sessions(&mut tx, id, after.account.epoch, until).await?;
        } else if after.account != before {
            tell_change(&mut tx, id, heard).await?;
        }
        self.commit_end(tx).await?;
        Ok(Some(Updated { before, after }))
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
            tell_change(&mut tx, id, heard).await?;
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
    ) -> Result<Vec<FirmRecord>, StoreError> {
        let (after, after_id) = after.map_or((i64::MIN, Uuid::nil()), |(at, id)| (millis(at), id));
        let rows: Vec<FirmRow> = sqlx::query_as(concat!(
            select_firm!(),
            " where (created_at, id) > (?1, ?2) order by created_at, id limit ?3"
        ))
        .bind(after)
        .bind(after_id)
        .bind(i64::from(limit))
        .fetch_all(&mut **self.readers.take().await?)
        .await
        .map_err(failure)?;
        rows.into_iter().map(FirmRow::into_record).collect()
    }
}

/// Names of either kind are two questions, each of an index that has the order already.
fn question(page: &AccountPage) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("");
    match &page.order {
        AccountOrder::Registration(after) => {
            let (after, after_id) = after.map_or((i64::MIN, Uuid::nil()), |(at, id)| (millis(at), id));
            query.push(rows::select_account!()).push(" where (accounts.created_at, accounts.id) > (");
            query.push_bind(after).push(", ").push_bind(after_id).push(")");
            filter(&mut query, page);
            query.push(" order by accounts.created_at, accounts.id");
        }
        AccountOrder::Handle { prefix, after } => {
            query.push("select * from (select * from (");
            named(&mut query, page, "username", prefix, after.as_deref());
            query.push(") union all select * from (");
            named(&mut query, page, "email", prefix, after.as_deref());
            query.push(")) order by coalesce(username, email)");
        }
    }
    query.push(" limit ").push_bind(i64::from(page.limit));
    query
}

/// Those whose name of one kind begins so.
fn named(query: &mut QueryBuilder<Sqlite>, page: &AccountPage, column: &str, prefix: &str, after: Option<&str>) {
    let column = format!("accounts.{column}");
    query.push(rows::select_account!()).push(format!(" where {column} >= ")).push_bind(prefix.to_owned());
    // What no name has follows all that names have.
    query.push(format!(" and {column} < ")).push_bind(format!("{prefix}\u{10ffff}"));
    if let Some(after) = after {
        query.push(format!(" and {column} > ")).push_bind(after.to_owned());
    }
    filter(query, page);
    query.push(format!(" order by {column} limit ")).push_bind(i64::from(page.limit));
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
