//! The statements that list sessions and end several at once. Apart from the others for length only.

use sqlx::QueryBuilder;
use sqlx::sqlite::Sqlite;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::failure;
use super::readers::Readers;
use super::writer::Write;
use crate::store::listing::{Page, by_making};
use crate::store::rows::{RevocationRow, SessionRow, millis};
use crate::store::{
    EndedSession, Listed, REVOCATIONS_AT_ONCE, SessionPage, StoreError, StoredRevocation, StoredSession,
};

/// Two parameters a row, and far below every engine's limit of them.
const ROWS_A_STATEMENT: usize = 500;

/// What every look-up of a session begins with; the columns of [`SessionRow`].
macro_rules! select_session {
    () => {
        "select id, account_id, epoch, created_at, expires_at, token_lifetime, client_label, client_address, \
         last_token_at from sessions"
    };
}

pub(super) async fn list(
    readers: &Readers,
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
            " where account_id = ?1 and (created_at, id) < (?2, ?3) and expires_at > ?4
                  and last_token_at + token_lifetime > ?5
              order by created_at desc, id desc limit ?6"
        ))
        .bind(account_id)
        .bind(before)
        .bind(before_id)
        .bind(millis(page.now))
        .bind(millis(page.tokens_since))
        .bind(listed.missing())
        .fetch_all(&mut **readers.take().await?)
        .await
        .map_err(failure)?;
        listed.take(&rows, by_making, SessionRow::into_session)?;
    }
    Ok(listed.listed())
}

pub(super) async fn find(readers: &Readers, id: Uuid) -> Result<Option<StoredSession>, StoreError> {
    let row: Option<SessionRow> = sqlx::query_as(concat!(select_session!(), " where id = ?1"))
        .bind(id)
        .fetch_optional(&mut **readers.take().await?)
        .await
        .map_err(failure)?;
    row.map(SessionRow::into_any_session).transpose()
}

/// Ends them by deleting first: whichever rows that finds, and no others, are revoked, whoever opens one meanwhile.
pub(super) async fn end(
    tx: &mut Write,
    account_id: Uuid,
    except: Option<Uuid>,
    from: OffsetDateTime,
) -> Result<Vec<EndedSession>, StoreError> {
    let rows: Vec<SessionRow> = sqlx::query_as(
        "delete from sessions where account_id = ?1 and id <> ?2
         returning id, account_id, epoch, created_at, expires_at, token_lifetime, client_label, client_address,
         last_token_at",
    )
    .bind(account_id)
    .bind(except.unwrap_or(Uuid::nil()))
    .fetch_all(&mut **tx)
    .await
    .map_err(failure)?;
    let ended = rows
        .into_iter()
        .map(|row| {
            let stored = row.into_any_session()?;
            let until = from + stored.session.token_lifetime;
            Ok(EndedSession { stored, until })
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    for some in ended.chunks(ROWS_A_STATEMENT) {
        QueryBuilder::<Sqlite>::new("insert into revocations (session_id, expires_at) ")
            .push_values(some, |mut row, ended| {
                row.push_bind(ended.stored.session.id).push_bind(millis(ended.until));
            })
            .build()
            .execute(&mut **tx)
            .await
            .map_err(failure)?;
    }
    Ok(ended)
}

/// Never backwards: another replica may have written a later one.
pub(super) async fn note_tokens(tx: &mut Write, times: &[(Uuid, OffsetDateTime)]) -> Result<(), StoreError> {
    for (id, at) in times {
        sqlx::query("update sessions set last_token_at = ?2 where id = ?1 and last_token_at < ?2")
            .bind(id)
            .bind(millis(*at))
            .execute(&mut **tx)
            .await
            .map_err(failure)?;
    }
    Ok(())
}

pub(super) async fn revocations(
    readers: &Readers,
    seq: i64,
    now: OffsetDateTime,
) -> Result<Vec<StoredRevocation>, StoreError> {
    let rows = sqlx::query(
        "select seq, session_id, account_id, epoch, expires_at from revocations
         where seq > ?1 and expires_at > ?2 order by seq limit ?3",
    )
    .bind(seq)
    .bind(millis(now))
    .bind(i64::from(REVOCATIONS_AT_ONCE))
    .fetch_all(&mut **readers.take().await?)
    .await
    .map_err(failure)?;
    rows.iter().map(RevocationRow::read).collect()
}

/// Has every process forget what it knows of an account, by a revocation that ends nothing: all epochs before the present one
/// are over already.
pub(super) async fn tell_change(tx: &mut Write, account_id: Uuid, until: OffsetDateTime) -> Result<(), StoreError> {
    sqlx::query(
        "insert into revocations (account_id, epoch, expires_at) select id, epoch, ?2 from accounts where id = ?1",
    )
    .bind(account_id)
    .bind(millis(until))
    .execute(&mut **tx)
    .await
    .map_err(failure)?;
    Ok(())
}

pub(super) async fn end_all(
    tx: &mut Write,
    account_id: Uuid,
    epoch: i64,
    until: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query("delete from sessions where account_id = ?1")
        .bind(account_id)
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    sqlx::query("insert into revocations (account_id, epoch, expires_at) values (?1, ?2, ?3)")
        .bind(account_id)
        .bind(epoch)
        .bind(millis(until))
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    Ok(())
}
