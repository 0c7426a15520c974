//! PostgreSQL: `SessionStore`, and the functions that end sessions within the transaction of another capability.
//!
//! A statement that locks several sessions locks them in the order of their ids, so that two transactions wait for one
//! another in turn and never form a deadlock.

use async_trait::async_trait;
use sqlx::Transaction;
use sqlx::postgres::Postgres;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::failure;
use super::listen::announce;
use super::{PostgresStore, attempts, to_completion};
use crate::domain::{AttemptKey, Session};
use crate::store::listing::{PageReader, by_creation};
use crate::store::rows::{SessionRow, millis};
use crate::store::{
    EndedSession, Listed, Opened, Opening, SessionPage, SessionStore, StoreError, StoredSession, statements,
};

#[async_trait]
impl SessionStore for PostgresStore {
    async fn open_session(&self, opening: &Opening) -> Result<Opened, StoreError> {
        let (pool, opening) = (self.pools.calls()?, opening.clone());
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let opened = open(&mut tx, &opening).await?;
            if opened.is_open() {
                tx.commit().await.map_err(failure)?;
            }
            Ok(opened)
        })
        .await
    }

    async fn find_session(&self, id: Uuid) -> Result<Option<StoredSession>, StoreError> {
        let row: Option<SessionRow> = sqlx::query_as(statements::sessions::FIND)
            .bind(id)
            .fetch_optional(&self.pools.calls()?)
            .await
            .map_err(failure)?;
        row.map(SessionRow::into_any_session).transpose()
    }

    async fn list_sessions(&self, account_id: Uuid, page: &SessionPage) -> Result<Listed<StoredSession>, StoreError> {
        // No session is newer than the key before the first page.
        let before = page.after.map_or((i64::MAX, Uuid::max()), |(time, id)| (millis(time), id));
        let mut reader = PageReader::new("sessions", before, page.limit);
        while reader.goes_on() {
            let (before, before_id) = reader.after();
            let rows = sqlx::query(statements::sessions::LIST)
                .bind(account_id)
                .bind(before)
                .bind(before_id)
                .bind(millis(page.now))
                .bind(millis(page.tokens_since))
                .bind(reader.missing())
                .fetch_all(&self.pools.calls()?)
                .await
                .map_err(failure)?;
            reader.take(&rows, by_creation, SessionRow::into_session)?;
        }
        Ok(reader.listed())
    }

    async fn end_session(&self, id: Uuid, until: OffsetDateTime) -> Result<(), StoreError> {
        let pool = self.pools.calls()?;
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            sqlx::query(statements::sessions::DELETE).bind(id).execute(&mut *tx).await.map_err(failure)?;
            announce(&mut tx).await?;
            sqlx::query(statements::revocations::INSERT_SESSION)
                .bind(id)
                .bind(millis(until))
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            tx.commit().await.map_err(failure)
        })
        .await
    }

    async fn end_sessions(
        &self,
        account_id: Uuid,
        except: Option<Uuid>,
        from: OffsetDateTime,
    ) -> Result<Vec<EndedSession>, StoreError> {
        let pool = self.pools.calls()?;
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let ended = end_except(&mut tx, account_id, except, from).await?;
            tx.commit().await.map_err(failure)?;
            Ok(ended)
        })
        .await
    }

    async fn note_last_tokens(&self, times: &[(Uuid, OffsetDateTime)]) -> Result<(), StoreError> {
        let (ids, ats): (Vec<Uuid>, Vec<i64>) = times.iter().map(|(id, at)| (*id, millis(*at))).unzip();
        let pool = self.pools.calls()?;
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            sqlx::query(
                "with due as materialized (
                     select id, at from sessions join unnest($1::uuid[], $2::bigint[]) as noted (id, at) using (id)
                     where last_token_at < at order by id for update of sessions
                 )
                 update sessions set last_token_at = due.at from due where sessions.id = due.id",
            )
            .bind(ids)
            .bind(ats)
            .execute(&mut *tx)
            .await
            .map_err(failure)?;
            tx.commit().await.map_err(failure)
        })
        .await
    }
}

/// Stores a session. The caller commits if it is open, and only then.
async fn open(tx: &mut Transaction<'_, Postgres>, opening: &Opening) -> Result<Opened, StoreError> {
    let Opening { session, budget, .. } = opening;
    // Where nothing has failed, nothing is to be forgotten, and one statement is enough. A failure that commits during
    // the statement counts as later than it.
    if budget.is_none_or(|budget| budget.seen == 0)
        && insert(tx, session, opening.seen(), budget.as_ref().map(|budget| &budget.key)).await?
    {
        return Ok(Opened::Open);
    }
    let Some(budget) = budget else { return Ok(Opened::Ended) };
    if !attempts::settle(tx, budget).await? {
        return Ok(Opened::Spent);
    }
    Ok(if insert(tx, session, opening.seen(), None).await? { Opened::Open } else { Opened::Ended })
}

/// Stores a session if its account still is what the sign-in verified, and if nothing has failed under `untried`.
/// Returns whether it was stored.
///
/// `for share` makes a disable at the same moment wait for this commit. Otherwise it would not see the session, and
/// would leave it behind.
pub(super) async fn insert(
    tx: &mut Transaction<'_, Postgres>,
    session: &Session,
    (password_changes, factor_changes): (i64, i64),
    untried: Option<&AttemptKey>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(concat!(statements::sessions::insert_session!(), " for share of accounts"))
        .bind(session.id)
        .bind(session.account_id)
        .bind(session.epoch)
        .bind(millis(session.created_at))
        .bind(millis(session.expires_at))
        .bind(i64::try_from(session.token_lifetime.as_millis()).unwrap_or(i64::MAX))
        .bind(session.client.label())
        .bind(session.client.address.map(|address| address.to_string()))
        .bind(password_changes)
        .bind(untried.map(AttemptKey::to_string))
        .bind(factor_changes)
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    Ok(done.rows_affected() == 1)
}

/// Ends all sessions of an account but `except`. They are deleted first, so that exactly the rows that were deleted are
/// revoked, even if a session is opened meanwhile.
pub(super) async fn end_except(
    tx: &mut Transaction<'_, Postgres>,
    account_id: Uuid,
    except: Option<Uuid>,
    from: OffsetDateTime,
) -> Result<Vec<EndedSession>, StoreError> {
    let rows: Vec<SessionRow> = sqlx::query_as(concat!(
        "delete from sessions where id in
             (select id from sessions where account_id = $1 and id <> $2 order by id for update)
         returning ",
        statements::sessions::session_columns!()
    ))
    .bind(account_id)
    .bind(except.unwrap_or(Uuid::nil()))
    .fetch_all(&mut **tx)
    .await
    .map_err(failure)?;
    // Late, because every other transaction that stores a revocation waits for this lock.
    announce(tx).await?;
    let ended = rows.into_iter().map(|row| row.into_ended_session(from)).collect::<Result<Vec<_>, StoreError>>()?;
    let (ids, untils): (Vec<Uuid>, Vec<i64>) =
        ended.iter().map(|ended| (ended.stored.session.id, millis(ended.until))).unzip();
    sqlx::query("insert into revocations (session_id, expires_at) select * from unnest($1::uuid[], $2::bigint[])")
        .bind(ids)
        .bind(untils)
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    Ok(ended)
}

/// Ends all sessions of an account that began before `epoch`.
pub(super) async fn end_all(
    tx: &mut Transaction<'_, Postgres>,
    account_id: Uuid,
    epoch: i64,
    until: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "delete from sessions where id in (select id from sessions where account_id = $1 order by id for update)",
    )
    .bind(account_id)
    .execute(&mut **tx)
    .await
    .map_err(failure)?;
    announce(tx).await?;
    sqlx::query(statements::revocations::INSERT_ACCOUNT)
        .bind(account_id)
        .bind(epoch)
        .bind(millis(until))
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    Ok(())
}
