//! The statements about sessions, several at once or in another's transaction. Apart from the others for length only.
//!
//! Whatever locks several sessions does so in the order of their ids: two transactions then wait in turn, not in a ring.

use sqlx::postgres::Postgres;
use sqlx::{PgPool, Transaction};
use time::OffsetDateTime;
use uuid::Uuid;

use super::attempts;
use super::errors::failure;
use super::listen::announce;
use crate::domain::{AttemptKey, Session};
use crate::store::listing::{Page, by_making};
use crate::store::rows::{RevocationRow, SessionRow, millis};
use crate::store::{
    EndedSession, Listed, Opened, Opening, REVOCATIONS_AT_ONCE, SessionPage, StoreError, StoredRevocation,
    StoredSession,
};

/// What every look-up of a session begins with; the columns of [`SessionRow`].
macro_rules! select_session {
    () => {
        "select id, account_id, epoch, created_at, expires_at, token_lifetime, client_label, client_address, \
         last_token_at from sessions"
    };
}

pub(super) async fn list(
    readers: &PgPool,
    account_id: Uuid,
    page: &SessionPage,
) -> Result<Listed<StoredSession>, StoreError> {
    // Before the first page comes what no session can be newer than.
    let before = page.after.map_or((i64::MAX, Uuid::max()), |(time, id)| (millis(time), id));
    let mut listed = Page::new("sessions", before, page.limit);
    while listed.goes_on() {
        let (before, before_id) = listed.after();
        let rows = sqlx::query(concat!(
            select_session!(),
            " where account_id = $1 and (created_at, id) < ($2, $3) and expires_at > $4
                  and last_token_at + token_lifetime > $5
              order by created_at desc, id desc limit $6"
        ))
        .bind(account_id)
        .bind(before)
        .bind(before_id)
        .bind(millis(page.now))
        .bind(millis(page.tokens_since))
        .bind(listed.missing())
        .fetch_all(readers)
        .await
        .map_err(failure)?;
        listed.take(&rows, by_making, SessionRow::into_session)?;
    }
    Ok(listed.listed())
}

pub(super) async fn find(readers: &PgPool, id: Uuid) -> Result<Option<StoredSession>, StoreError> {
    let row: Option<SessionRow> = sqlx::query_as(concat!(select_session!(), " where id = $1"))
        .bind(id)
        .fetch_optional(readers)
        .await
        .map_err(failure)?;
    row.map(SessionRow::into_any_session).transpose()
}

/// Ends them by deleting first: whichever rows that finds, and no others, are revoked, whoever opens one meanwhile.
pub(super) async fn end(
    tx: &mut Transaction<'_, Postgres>,
    account_id: Uuid,
    except: Option<Uuid>,
    from: OffsetDateTime,
) -> Result<Vec<EndedSession>, StoreError> {
    let rows: Vec<SessionRow> = sqlx::query_as(
        "delete from sessions where id in
             (select id from sessions where account_id = $1 and id <> $2 order by id for update)
         returning id, account_id, epoch, created_at, expires_at, token_lifetime, client_label, client_address,
         last_token_at",
    )
    .bind(account_id)
    .bind(except.unwrap_or(Uuid::nil()))
    .fetch_all(&mut **tx)
    .await
    .map_err(failure)?;
    // Late, for the lock that it takes is everybody's.
    announce(tx).await?;
    let ended = rows
        .into_iter()
        .map(|row| {
            let stored = row.into_any_session()?;
            let until = from + stored.session.token_lifetime;
            Ok(EndedSession { stored, until })
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
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

/// Never backwards: another replica may have written a later one.
pub(super) async fn note_tokens(
    tx: &mut Transaction<'_, Postgres>,
    times: &[(Uuid, OffsetDateTime)],
) -> Result<(), StoreError> {
    let (ids, ats): (Vec<Uuid>, Vec<i64>) = times.iter().map(|(id, at)| (*id, millis(*at))).unzip();
    sqlx::query(
        "with due as materialized (
             select id, at from sessions join unnest($1::uuid[], $2::bigint[]) as noted (id, at) using (id)
             where last_token_at < at order by id for update of sessions
         )
         update sessions set last_token_at = due.at from due where sessions.id = due.id",
    )
    .bind(ids)
    .bind(ats)
    .execute(&mut **tx)
    .await
    .map_err(failure)?;
    Ok(())
}

/// Stores a session in time. To be committed if it is open, and only then.
pub(super) async fn open(tx: &mut Transaction<'_, Postgres>, opening: &Opening) -> Result<Opened, StoreError> {
    let Opening { session, password_changes, budget } = opening;
    // Where nothing has failed there is nothing to forget. Failures that commit during the statement come after it.
    if budget.is_none_or(|budget| budget.seen == 0)
        && insert(tx, session, *password_changes, budget.as_ref().map(|budget| &budget.key)).await?
    {
        return Ok(Opened::Open);
    }
    let Some(budget) = budget else { return Ok(Opened::Ended) };
    if !attempts::settle(tx, budget).await? {
        return Ok(Opened::Spent);
    }
    Ok(if insert(tx, session, *password_changes, None).await? { Opened::Open } else { Opened::Ended })
}

/// Stores a session if its account is active, in the session's epoch and has the same password still, and nothing of
/// `untried` has failed; tells whether it did. `for share`: SQLite has one writer, but here a disable at the same moment must
/// wait for this to commit, or it would leave this session behind.
pub(super) async fn insert(
    tx: &mut Transaction<'_, Postgres>,
    session: &Session,
    password_changes: i64,
    untried: Option<&AttemptKey>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "insert into sessions
             (id, account_id, epoch, created_at, expires_at, token_lifetime, client_label, client_address, last_token_at)
         select $1, id, epoch, $4, $5, $6, $7, $8, $4 from accounts
         where id = $2 and epoch = $3 and password_changes = $9 and status = 'active'
             and not exists (select 1 from attempts where key = $10)
         for share of accounts",
    )
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
    .execute(&mut **tx)
    .await
    .map_err(failure)?;
    Ok(done.rows_affected() == 1)
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
    sqlx::query("insert into revocations (account_id, epoch, expires_at) values ($1, $2, $3)")
        .bind(account_id)
        .bind(epoch)
        .bind(millis(until))
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    Ok(())
}

pub(super) async fn revocations(
    pool: &PgPool,
    seq: i64,
    now: OffsetDateTime,
) -> Result<Vec<StoredRevocation>, StoreError> {
    let rows = sqlx::query(
        "select seq, session_id, account_id, epoch, expires_at from revocations
         where seq > $1 and expires_at > $2 order by seq limit $3",
    )
    .bind(seq)
    .bind(millis(now))
    .bind(i64::from(REVOCATIONS_AT_ONCE))
    .fetch_all(pool)
    .await
    .map_err(failure)?;
    rows.iter().map(RevocationRow::read).collect()
}

/// Now, by the server's clock and not as of the beginning of a transaction.
pub(super) async fn time(pool: &PgPool) -> Result<OffsetDateTime, StoreError> {
    let micros: i64 = sqlx::query_scalar("select (extract(epoch from clock_timestamp()) * 1000000)::bigint")
        .fetch_one(pool)
        .await
        .map_err(failure)?;
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .map_err(|error| StoreError::Corrupt(error.into()))
}

/// Has every process forget what it knows of an account, by a revocation that ends nothing: all epochs before the present one
/// are over already.
pub(super) async fn tell_change(
    tx: &mut Transaction<'_, Postgres>,
    account_id: Uuid,
    until: OffsetDateTime,
) -> Result<(), StoreError> {
    announce(tx).await?;
    sqlx::query(
        "insert into revocations (account_id, epoch, expires_at) select id, epoch, $2 from accounts where id = $1",
    )
    .bind(account_id)
    .bind(millis(until))
    .execute(&mut **tx)
    .await
    .map_err(failure)?;
    Ok(())
}
