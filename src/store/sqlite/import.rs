//! SQLite: `ImportStore`. A statement handles a whole batch of accounts. SQLite has no arrays, so each value is a
//! parameter.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::sqlite::Sqlite;
use sqlx::{QueryBuilder, SqliteExecutor};
use uuid::Uuid;

use super::SqliteStore;
use super::errors::failure;
use super::writer::WriteTransaction;
use crate::domain::PortableAccount;
use crate::store::import::{ACCOUNTS_PER_STATEMENT, ImportColumns, StoredName, StoredNames, firms, outcomes};
use crate::store::listing::{PageReader, by_id};
use crate::store::rows::AccountRow;
use crate::store::{ImportStore, Imported, Listed, StoreError, statements};

#[async_trait]
impl ImportStore for SqliteStore {
    async fn import(
        &self,
        accounts: &[PortableAccount],
        epochs: &HashMap<Uuid, i64>,
    ) -> Result<Vec<Imported>, StoreError> {
        let mut tx = self.begin().await?;
        let mut all = Vec::with_capacity(accounts.len());
        for some in accounts.chunks(ACCOUNTS_PER_STATEMENT) {
            all.extend(import_some(&mut tx, some, epochs).await?);
        }
        tx.commit().await?;
        Ok(all)
    }

    async fn preview_import(&self, accounts: &[PortableAccount]) -> Result<Vec<Imported>, StoreError> {
        let mut all = Vec::with_capacity(accounts.len());
        for some in accounts.chunks(ACCOUNTS_PER_STATEMENT) {
            let known = StoredNames::new(find_stored(&mut **self.readers.take().await?, some).await?);
            all.extend(some.iter().map(|account| known.compare(account)));
        }
        Ok(all)
    }

    async fn ended_epochs(&self) -> Result<HashMap<Uuid, i64>, StoreError> {
        let ended: Vec<(Uuid, i64)> = sqlx::query_as(statements::revocations::LIST_EPOCHS)
            .fetch_all(&mut **self.readers.take().await?)
            .await
            .map_err(failure)?;
        Ok(ended.into_iter().collect())
    }

    async fn export_page(&self, after: Option<Uuid>, limit: u32) -> Result<Listed<PortableAccount>, StoreError> {
        let mut page = PageReader::new("accounts", after.unwrap_or(Uuid::nil()), limit);
        while page.goes_on() {
            let rows = sqlx::query(statements::accounts::LIST)
                .bind(page.after())
                .bind(page.missing())
                .fetch_all(&mut **self.readers.take().await?)
                .await
                .map_err(failure)?;
            page.take(&rows, by_id, AccountRow::into_portable)?;
        }
        Ok(page.listed())
    }
}

async fn import_some(
    tx: &mut WriteTransaction,
    accounts: &[PortableAccount],
    epochs: &HashMap<Uuid, i64>,
) -> Result<Vec<Imported>, StoreError> {
    let new_firms = import_firms(tx, accounts).await?;
    let columns = accounts.iter().map(|account| ImportColumns::of(account, epochs));
    let new: Vec<StoredName> = QueryBuilder::<Sqlite>::new(
        "insert into accounts (id, username, email, name, firm_id, role, password_hash, status, epoch, created_at, \
         email_verified_at) ",
    )
    .push_values(columns, |mut row, account| {
        row.push_bind(account.id)
            .push_bind(account.username)
            .push_bind(account.email)
            .push_bind(account.name)
            .push_bind(account.firm_id)
            .push_bind(account.role)
            .push_bind(account.password_hash)
            .push_bind(account.status)
            .push_bind(account.epoch)
            .push_bind(account.created_at)
            .push_bind(account.email_verified_at);
    })
    .push(" on conflict do nothing returning id, username, email")
    .build_query_as()
    .fetch_all(&mut **tx)
    .await
    .map_err(failure)?;
    let known = if new.len() == accounts.len() { Vec::new() } else { find_stored(&mut **tx, accounts).await? };
    if new.len() < accounts.len() && !new_firms.is_empty() {
        // Firms that were inserted for accounts that were not.
        let mut delete = QueryBuilder::<Sqlite>::new("delete from firms where id in (");
        let mut ids = delete.separated(", ");
        new_firms.iter().for_each(|(id,)| {
            ids.push_bind(id);
        });
        delete.push(") and not exists (select 1 from accounts where firm_id = firms.id)");
        delete.build().execute(&mut **tx).await.map_err(failure)?;
    }
    outcomes(accounts, new, &StoredNames::new(known))
}

/// Inserts the firms that are missing, and returns their ids.
async fn import_firms(tx: &mut WriteTransaction, accounts: &[PortableAccount]) -> Result<Vec<(Uuid,)>, StoreError> {
    let firms = firms(accounts);
    if firms.is_empty() {
        return Ok(Vec::new());
    }
    QueryBuilder::<Sqlite>::new("insert into firms (id, name, created_at) ")
        .push_values(firms, |mut row, (id, name, created_at)| {
            row.push_bind(id).push_bind(name).push_bind(created_at);
        })
        .push(" on conflict do nothing returning id")
        .build_query_as()
        .fetch_all(&mut **tx)
        .await
        .map_err(failure)
}

/// Finds the stored accounts that have the id or the name of one of these.
async fn find_stored(
    reader: impl SqliteExecutor<'_>,
    accounts: &[PortableAccount],
) -> Result<Vec<StoredName>, StoreError> {
    let none = HashMap::new();
    let columns: Vec<_> = accounts.iter().map(|account| ImportColumns::of(account, &none)).collect();
    let mut query = QueryBuilder::<Sqlite>::new("select id, username, email from accounts where id in (");
    let mut ids = query.separated(", ");
    columns.iter().for_each(|account| {
        ids.push_bind(account.id);
    });
    query.push(") union select id, username, email from accounts where username in (");
    let mut names = query.separated(", ");
    columns.iter().filter_map(|account| account.username).for_each(|name| {
        names.push_bind(name);
    });
    query.push(") union select id, username, email from accounts where email in (");
    let mut emails = query.separated(", ");
    columns.iter().filter_map(|account| account.email).for_each(|email| {
        emails.push_bind(email);
    });
    query.push(")");
    query.build_query_as().fetch_all(reader).await.map_err(failure)
}
