//! SQLite: `SessionStore`, and the functions that end sessions within the transaction of another capability.

use async_trait::async_trait;
use sqlx::sqlite::Sqlite;
use sqlx::{QueryBuilder, SqliteExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::failure;
use super::writer::WriteTransaction;
use super::{SqliteStore, attempts};
use crate::domain::{AttemptKey, Session};
use crate::store::listing::{PageReader, by_creation};
use crate::store::rows::{SessionRow, millis};
use crate::store::{
    EndedSession, Listed, Opened, Opening, SessionPage, SessionStore, StoreError, StoredSession, statements,
};

/// The rows of one insert. Two parameters for each are far below SQLite's limit.
const REVOCATIONS_PER_STATEMENT: usize = 500;

#[async_trait]
impl SessionStore for SqliteStore {
    async fn open_session(&self, opening: &Opening) -> Result<Opened, StoreError> {
        let Opening { session, budget, .. } = opening;
        // Where nothing has failed, nothing is to be forgotten. Then a single statement, which is a transaction by
        // itself, saves a sign-in two trips to SQLite's thread and back.
        let untried = budget.as_ref().map(|budget| &budget.key);
        if budget.is_none_or(|budget| budget.seen == 0)
            && insert(&mut *self.writer.take().await?, session, opening.seen(), untried).await?
        {
            self.file.require()?;
            return Ok(Opened::Open);
        }
        let Some(budget) = budget else { return Ok(Opened::Ended) };
        let mut tx = self.begin().await?;
        if !attempts::settle(&mut tx, budget).await? {
            return Ok(Opened::Spent);
        }
        if !insert(&mut *tx, session, opening.seen(), None).await? {
            return Ok(Opened::Ended);
        }
        tx.commit().await?;
        Ok(Opened::Open)
    }

    async fn find_session(&self, id: Uuid) -> Result<Option<StoredSession>, StoreError> {
        let row: Option<SessionRow> = sqlx::query_as(statements::sessions::FIND)
            .bind(id)
            .fetch_optional(&mut **self.readers.take().await?)
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
                .fetch_all(&mut **self.readers.take().await?)
                .await
                .map_err(failure)?;
            reader.take(&rows, by_creation, SessionRow::into_session)?;
        }
        Ok(reader.listed())
    }

    async fn end_session(&self, id: Uuid, until: OffsetDateTime) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query(statements::sessions::DELETE).bind(id).execute(&mut *tx).await.map_err(failure)?;
        sqlx::query(statements::revocations::INSERT_SESSION)
            .bind(id)
            .bind(millis(until))
            .execute(&mut *tx)
            .await
            .map_err(failure)?;
        self.commit_and_wake_feed(tx).await
    }

    async fn end_sessions(
        &self,
        account_id: Uuid,
        except: Option<Uuid>,
        from: OffsetDateTime,
    ) -> Result<Vec<EndedSession>, StoreError> {
        let mut tx = self.begin().await?;
        let ended = end_except(&mut tx, account_id, except, from).await?;
        self.commit_and_wake_feed(tx).await?;
        Ok(ended)
    }

    async fn note_last_tokens(&self, times: &[(Uuid, OffsetDateTime)]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for (id, at) in times {
            sqlx::query("update sessions set last_token_at = $2 where id = $1 and last_token_at < $2")
                .bind(id)
                .bind(millis(*at))
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
        }
        tx.commit().await
    }
}

/// Stores a session if its account still is what the sign-in verified, and if nothing has failed under `untried`.
/// Returns whether it was stored.
pub(super) async fn insert(
    writer: impl SqliteExecutor<'_>,
    session: &Session,
    (password_changes, factor_changes): (i64, i64),
    untried: Option<&AttemptKey>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(statements::sessions::insert_session!())
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
        .execute(writer)
        .await
        .map_err(failure)?;
    Ok(done.rows_affected() == 1)
}

/// Ends all sessions of an account but `except`. They are deleted first, so that exactly the rows that were deleted are
/// revoked, even if a session is opened meanwhile.
pub(super) async fn end_except(
    tx: &mut WriteTransaction,
    account_id: Uuid,
    except: Option<Uuid>,
    from: OffsetDateTime,
) -> Result<Vec<EndedSession>, StoreError> {
    let rows: Vec<SessionRow> = sqlx::query_as(concat!(
        "delete from sessions where account_id = $1 and id <> $2 returning ",
        statements::sessions::session_columns!()
    ))
    .bind(account_id)
    .bind(except.unwrap_or(Uuid::nil()))
    .fetch_all(&mut **tx)
    .await
    .map_err(failure)?;
    let ended = rows.into_iter().map(|row| row.into_ended_session(from)).collect::<Result<Vec<_>, StoreError>>()?;
    for some in ended.chunks(REVOCATIONS_PER_STATEMENT) {
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

/// Ends all sessions of an account that began before `epoch`.
pub(super) async fn end_all(
    tx: &mut WriteTransaction,
    account_id: Uuid,
    epoch: i64,
    until: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query("delete from sessions where account_id = $1")
        .bind(account_id)
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    sqlx::query(statements::revocations::INSERT_ACCOUNT)
        .bind(account_id)
        .bind(epoch)
        .bind(millis(until))
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    Ok(())
}
