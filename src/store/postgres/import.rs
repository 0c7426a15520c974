//! PostgreSQL: `ImportStore`. A statement handles a whole batch of accounts, and each column is an array.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::error::DatabaseError;
use sqlx::postgres::Postgres;
use sqlx::{PgExecutor, Transaction};
use uuid::Uuid;

use super::errors::failure;
use super::{PostgresStore, to_completion};
use crate::domain::PortableAccount;
use crate::store::import::{ACCOUNTS_PER_STATEMENT, ImportColumns, StoredName, StoredNames, firms, outcomes};
use crate::store::listing::{PageReader, by_id};
use crate::store::rows::AccountRow;
use crate::store::{ImportStore, Imported, Listed, StoreError, statements};

#[async_trait]
impl ImportStore for PostgresStore {
    async fn import(
        &self,
        accounts: &[PortableAccount],
        epochs: &HashMap<Uuid, i64>,
    ) -> Result<Vec<Imported>, StoreError> {
        let (pool, accounts) = (self.pools.calls()?, accounts.to_vec());
        let epochs: HashMap<_, _> =
            accounts.iter().filter_map(|account| Some((account.id, *epochs.get(&account.id)?))).collect();
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let mut all = Vec::with_capacity(accounts.len());
            for some in accounts.chunks(ACCOUNTS_PER_STATEMENT) {
                all.extend(import_some(&mut tx, some, &epochs).await?);
            }
            tx.commit().await.map_err(failure)?;
            Ok(all)
        })
        .await
    }

    async fn preview_import(&self, accounts: &[PortableAccount]) -> Result<Vec<Imported>, StoreError> {
        let mut all = Vec::with_capacity(accounts.len());
        for some in accounts.chunks(ACCOUNTS_PER_STATEMENT) {
            let known = StoredNames::new(find_stored(&self.pools.calls()?, some).await?);
            all.extend(some.iter().map(|account| known.compare(account)));
        }
        Ok(all)
    }

    async fn ended_epochs(&self) -> Result<HashMap<Uuid, i64>, StoreError> {
        let ended: Vec<(Uuid, i64)> = sqlx::query_as(statements::revocations::LIST_EPOCHS)
            .fetch_all(&self.pools.calls()?)
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
                .fetch_all(&self.pools.calls()?)
                .await
                .map_err(failure)?;
            page.take(&rows, by_id, AccountRow::into_portable)?;
        }
        Ok(page.listed())
    }
}

async fn import_some(
    tx: &mut Transaction<'_, Postgres>,
    accounts: &[PortableAccount],
    epochs: &HashMap<Uuid, i64>,
) -> Result<Vec<Imported>, StoreError> {
    let new_firms = import_firms(tx, accounts).await?;
    let columns: Vec<_> = accounts.iter().map(|account| ImportColumns::of(account, epochs)).collect();
    let new: Vec<StoredName> = sqlx::query_as(
        "insert into accounts (id, username, email, name, firm_id, role, password_hash, status, epoch, created_at,
                               email_verified_at)
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[],
                              $8::text[], $9::bigint[], $10::bigint[], $11::bigint[])
         on conflict do nothing returning id, username, email",
    )
    .bind(columns.iter().map(|account| account.id).collect::<Vec<_>>())
    .bind(columns.iter().map(|account| account.username).collect::<Vec<_>>())
    .bind(columns.iter().map(|account| account.email).collect::<Vec<_>>())
    .bind(columns.iter().map(|account| account.name).collect::<Vec<_>>())
    .bind(columns.iter().map(|account| account.firm_id).collect::<Vec<_>>())
    .bind(columns.iter().map(|account| account.role).collect::<Vec<_>>())
    .bind(columns.iter().map(|account| account.password_hash.as_str()).collect::<Vec<_>>())
    .bind(columns.iter().map(|account| account.status).collect::<Vec<_>>())
    .bind(columns.iter().map(|account| account.epoch).collect::<Vec<_>>())
    .bind(columns.iter().map(|account| account.created_at).collect::<Vec<_>>())
    .bind(columns.iter().map(|account| account.email_verified_at).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await
    .map_err(insert_failure)?;
    let known = if new.len() == accounts.len() { Vec::new() } else { find_stored(&mut **tx, accounts).await? };
    if new.len() < accounts.len() && !new_firms.is_empty() {
        // Firms that were inserted for accounts that were not.
        sqlx::query(
            "delete from firms where id = any ($1) and not exists (select 1 from accounts where firm_id = firms.id)",
        )
        .bind(new_firms)
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    }
    outcomes(accounts, new, &StoredNames::new(known))
}

/// An error of inserting accounts. A firm may be deleted with its last account before the foreign key is checked; a
/// second try then inserts it, so this counts as transient.
fn insert_failure(error: sqlx::Error) -> StoreError {
    if error.as_database_error().is_some_and(DatabaseError::is_foreign_key_violation) {
        return StoreError::Unavailable(error.into());
    }
    failure(error)
}

/// Inserts the firms that are missing, and returns their ids.
async fn import_firms(
    tx: &mut Transaction<'_, Postgres>,
    accounts: &[PortableAccount],
) -> Result<Vec<Uuid>, StoreError> {
    let firms = firms(accounts);
    if firms.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar(
        "insert into firms (id, name, created_at) select * from unnest($1::uuid[], $2::text[], $3::bigint[])
         on conflict do nothing returning id",
    )
    .bind(firms.iter().map(|firm| firm.0).collect::<Vec<_>>())
    .bind(firms.iter().map(|firm| firm.1).collect::<Vec<_>>())
    .bind(firms.iter().map(|firm| firm.2).collect::<Vec<_>>())
    .fetch_all(&mut **tx)
    .await
    .map_err(failure)
}

/// Finds the stored accounts that have the id or the name of one of these.
async fn find_stored(reader: impl PgExecutor<'_>, accounts: &[PortableAccount]) -> Result<Vec<StoredName>, StoreError> {
    let none = HashMap::new();
    let columns: Vec<_> = accounts.iter().map(|account| ImportColumns::of(account, &none)).collect();
    sqlx::query_as(
        "select id, username, email from accounts where id = any ($1)
         union select id, username, email from accounts where username = any ($2)
         union select id, username, email from accounts where email = any ($3)",
    )
    .bind(columns.iter().map(|account| account.id).collect::<Vec<_>>())
    .bind(columns.iter().filter_map(|account| account.username).collect::<Vec<_>>())
    .bind(columns.iter().filter_map(|account| account.email).collect::<Vec<_>>())
    .fetch_all(reader)
    .await
    .map_err(failure)
}
