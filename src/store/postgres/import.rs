//! Accounts that come from elsewhere and those that leave: whole batches a statement, each column an array.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::error::DatabaseError;
use sqlx::postgres::Postgres;
use sqlx::{PgExecutor, Transaction};
use uuid::Uuid;

use super::errors::failure;
use super::{PostgresStore, unit};
use crate::domain::PortableAccount;
use crate::store::import::{Columns, Existing, Known, ROWS_A_STATEMENT, firms, outcomes};
use crate::store::listing::{Page, by_id};
use crate::store::rows::{self, AccountRow};
use crate::store::{ImportStore, Imported, Listed, StoreError};

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
        unit(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let mut all = Vec::with_capacity(accounts.len());
            for some in accounts.chunks(ROWS_A_STATEMENT) {
                all.extend(import_some(&mut tx, some, &epochs).await?);
            }
            tx.commit().await.map_err(failure)?;
            Ok(all)
        })
        .await
    }

    async fn judge_import(&self, accounts: &[PortableAccount]) -> Result<Vec<Imported>, StoreError> {
        let mut all = Vec::with_capacity(accounts.len());
        for some in accounts.chunks(ROWS_A_STATEMENT) {
            let known = Known::new(existing(&self.pools.calls()?, some).await?);
            all.extend(some.iter().map(|account| known.judge(account)));
        }
        Ok(all)
    }

    async fn ended_epochs(&self) -> Result<HashMap<Uuid, i64>, StoreError> {
        let ended: Vec<(Uuid, i64)> = sqlx::query_as(
            "select account_id, max(epoch) from revocations where account_id is not null group by account_id",
        )
        .fetch_all(&self.pools.calls()?)
        .await
        .map_err(failure)?;
        Ok(ended.into_iter().collect())
    }

    async fn export_page(&self, after: Option<Uuid>, limit: u32) -> Result<Listed<PortableAccount>, StoreError> {
        let mut page = Page::new("accounts", after.unwrap_or(Uuid::nil()), limit);
        while page.goes_on() {
            let rows =
                sqlx::query(concat!(rows::select_account!(), " where accounts.id > $1 order by accounts.id limit $2"))
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
    let columns: Vec<_> = accounts.iter().map(|account| Columns::of(account, epochs)).collect();
    let new: Vec<Existing> = sqlx::query_as(
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
    let known = if new.len() == accounts.len() { Vec::new() } else { existing(&mut **tx, accounts).await? };
    if new.len() < accounts.len() && !new_firms.is_empty() {
        // Of accounts that were not taken.
        sqlx::query(
            "delete from firms where id = any ($1) and not exists (select 1 from accounts where firm_id = firms.id)",
        )
        .bind(new_firms)
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    }
    outcomes(accounts, new, &Known::new(known))
}

/// A firm that was there may go with its last account before the foreign key is checked. That is of the moment.
fn insert_failure(error: sqlx::Error) -> StoreError {
    if error.as_database_error().is_some_and(DatabaseError::is_foreign_key_violation) {
        return StoreError::Unavailable(error.into());
    }
    failure(error)
}

/// Makes those that are missing, and tells which.
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

/// Whoever has an id or a name of one of these.
async fn existing(reader: impl PgExecutor<'_>, accounts: &[PortableAccount]) -> Result<Vec<Existing>, StoreError> {
    let none = HashMap::new();
    let columns: Vec<_> = accounts.iter().map(|account| Columns::of(account, &none)).collect();
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
