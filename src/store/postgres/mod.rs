//! PostgreSQL, for more than one machine. `open` is how a database is opened, `pools` the connections, `errors` what
//! PostgreSQL's mean, `listen` how other processes' revocations are heard of, `moving` how all of it is copied at once;
//! here are the statements, the same as `sqlite/`'s and in the same order.
//!
//! **Every transaction is a task of its own** (`unit`). The driver has a defect (sqlx 0.9.0): a `begin()` whose caller
//! hangs up puts the session back into the pool "idle in transaction", where the next transaction finds it.

mod accounts;
mod admin;
mod attempts;
mod audit;
mod errors;
mod import;
mod invitations;
mod listen;
mod moving;
mod open;
mod outbox;
mod passwords;
mod pools;
mod sessions;
mod tickets;

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio::sync::Notify;
use tracing::Instrument as _;
use uuid::Uuid;

use super::listing::{Page, by_id};
use super::rows::{self, AccountRow, millis};
use super::{
    AccountStore, Credentials, EndedSession, Listed, Opened, Opening, SessionPage, StoreError, StoredRevocation,
    StoredSession,
};
use crate::domain::{Account, AccountStatus, Handle, NewAccount, NewMail, PasswordHash, Role, Session};
use errors::failure;
use listen::{Announcements, announce};
use pools::Pools;

pub(super) use moving::PostgresEnd;

/// Shorter than a client's patience; also for connecting, when no connection is there.
const WAIT_FOR_A_CONNECTION: Duration = Duration::from_secs(3);

/// Longer than the server lets our statements take. Only a network that swallows packets makes one take as long.
const LONGEST_UNIT: Duration = Duration::from_secs(20);

/// A store in a database of a PostgreSQL server, beside others on the same one.
pub struct PostgresStore {
    pools: Pools,
    announcements: Announcements,
    /// Rings when this process has queued mail.
    mail: Notify,
}

/// Runs a transaction to its end, whether or not whoever asked for it stays to hear of it.
async fn unit<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let bounded = tokio::time::timeout(LONGEST_UNIT, work.in_current_span());
    match tokio::spawn(bounded).await {
        Ok(Ok(done)) => done,
        Ok(Err(elapsed)) => Err(StoreError::Unavailable(elapsed.into())),
        Err(ended) if ended.is_cancelled() => Err(StoreError::Unavailable(ended.into())),
        Err(panic) => Err(StoreError::Corrupt(panic.into())),
    }
}

#[async_trait]
impl AccountStore for PostgresStore {
    async fn insert_account(
        &self,
        account: &NewAccount,
        session: Option<&Session>,
        mail: Option<&NewMail>,
    ) -> Result<(), StoreError> {
        let (pool, account, session, mail) = (self.pools.calls()?, account.clone(), session.cloned(), mail.cloned());
        unit(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            accounts::insert(&mut tx, &account).await?;
            if let Some(session) = &session {
                sessions::insert(&mut tx, session, 0, None).await?;
            }
            if let Some(mail) = &mail {
                outbox::queue(&mut tx, mail).await?;
            }
            tx.commit().await.map_err(failure)
        })
        .await?;
        self.mail.notify_one();
        Ok(())
    }

    async fn find_credentials(&self, handle: &Handle) -> Result<Option<Credentials>, StoreError> {
        let query = match handle {
            Handle::Username(_) => {
                concat!(rows::select_account!(), " where accounts.username = $1")
            }
            Handle::Email(_) => concat!(rows::select_account!(), " where accounts.email = $1"),
        };
        let row: Option<AccountRow> =
            sqlx::query_as(query).bind(handle.as_str()).fetch_optional(&self.pools.calls()?).await.map_err(failure)?;
        row.map(AccountRow::into_credentials).transpose()
    }

    async fn find_account(&self, id: Uuid) -> Result<Option<Account>, StoreError> {
        let row: Option<AccountRow> = sqlx::query_as(concat!(rows::select_account!(), " where accounts.id = $1"))
            .bind(id)
            .fetch_optional(&self.pools.calls()?)
            .await
            .map_err(failure)?;
        row.map(AccountRow::into_account).transpose()
    }

    async fn list_accounts(&self, after: Option<Uuid>, limit: u32) -> Result<Listed<Account>, StoreError> {
        let mut page = Page::new("accounts", after.unwrap_or(Uuid::nil()), limit);
        while page.goes_on() {
            let rows =
                sqlx::query(concat!(rows::select_account!(), " where accounts.id > $1 order by accounts.id limit $2"))
                    .bind(page.after())
                    .bind(page.missing())
                    .fetch_all(&self.pools.calls()?)
                    .await
                    .map_err(failure)?;
            page.take(&rows, by_id, AccountRow::into_account)?;
        }
        Ok(page.listed())
    }

    async fn replace_hash(&self, id: Uuid, old: &PasswordHash, new: &PasswordHash) -> Result<bool, StoreError> {
        let (pool, old, new) = (self.pools.calls()?, old.to_phc(), new.to_phc());
        unit(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let done = sqlx::query("update accounts set password_hash = $3 where id = $1 and password_hash = $2")
                .bind(id)
                .bind(old)
                .bind(new)
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            tx.commit().await.map_err(failure)?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    async fn open_session(&self, opening: &Opening) -> Result<Opened, StoreError> {
        let (pool, opening) = (self.pools.calls()?, opening.clone());
        unit(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let opened = sessions::open(&mut tx, &opening).await?;
            if opened.is_open() {
                tx.commit().await.map_err(failure)?;
            }
            Ok(opened)
        })
        .await
    }

    async fn end_session(&self, id: Uuid, until: OffsetDateTime) -> Result<(), StoreError> {
        let pool = self.pools.calls()?;
        unit(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            sqlx::query("delete from sessions where id = $1").bind(id).execute(&mut *tx).await.map_err(failure)?;
            announce(&mut tx).await?;
            sqlx::query("insert into revocations (session_id, expires_at) values ($1, $2)")
                .bind(id)
                .bind(millis(until))
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            tx.commit().await.map_err(failure)
        })
        .await
    }

    async fn set_status(
        &self,
        id: Uuid,
        status: AccountStatus,
        until: OffsetDateTime,
    ) -> Result<Option<i64>, StoreError> {
        let pool = self.pools.calls()?;
        unit(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let epoch: Option<i64> = sqlx::query_scalar(
                "update accounts set status = $2, epoch = epoch + ($2 = 'inactive')::int where id = $1 and status <> $2
                 returning epoch",
            )
            .bind(id)
            .bind(status.as_str())
            .fetch_optional(&mut *tx)
            .await
            .map_err(failure)?;
            if let (Some(epoch), AccountStatus::Inactive) = (epoch, status) {
                sessions::end_all(&mut tx, id, epoch, until).await?;
            }
            tx.commit().await.map_err(failure)?;
            Ok(epoch)
        })
        .await
    }

    async fn delete_account(&self, id: Uuid, until: OffsetDateTime) -> Result<Option<i64>, StoreError> {
        let pool = self.pools.calls()?;
        unit(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            // In the order of whatever else ends sessions: the account, then them.
            sqlx::query("select id from accounts where id = $1 for update")
                .bind(id)
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            // Before the cascade, which locks them in no order.
            sqlx::query("select id from sessions where account_id = $1 order by id for update")
                .bind(id)
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            let deleted: Option<(i64, Option<Uuid>)> =
                sqlx::query_as("delete from accounts where id = $1 returning epoch + 1, firm_id")
                    .bind(id)
                    .fetch_optional(&mut *tx)
                    .await
                    .map_err(failure)?;
            let Some((epoch, firm_id)) = deleted else {
                return Ok(None);
            };
            sessions::end_all(&mut tx, id, epoch, until).await?;
            // Whoever joins the firm at this moment has it locked: the next statement then sees the new account.
            sqlx::query("select id from firms where id = $1 for update")
                .bind(firm_id)
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            sqlx::query("delete from firms where id = $1 and not exists (select 1 from accounts where firm_id = $1)")
                .bind(firm_id)
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            tx.commit().await.map_err(failure)?;
            Ok(Some(epoch))
        })
        .await
    }

    async fn revocations_after(&self, seq: i64, now: OffsetDateTime) -> Result<Vec<StoredRevocation>, StoreError> {
        let (feed, question) = self.pools.feed();
        let answer = sessions::revocations(&feed, seq, now).await;
        question.over(answer.is_ok());
        answer
    }

    async fn missed_revocations(&self, seq: i64, now: OffsetDateTime) -> Result<Vec<StoredRevocation>, StoreError> {
        sessions::revocations(&self.pools.calls()?, seq, now).await
    }

    async fn time(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        let (feed, question) = self.pools.feed();
        let answer = sessions::time(&feed).await;
        question.over(answer.is_ok());
        answer.map(Some)
    }

    async fn changed(&self) -> bool {
        self.announcements.next().await
    }

    fn caught_up(&self) {
        self.pools.caught_up();
    }

    fn is_in_step(&self) -> bool {
        self.pools.is_in_step()
    }

    async fn try_writing(&self) -> Result<(), StoreError> {
        unit(attempts::try_writing(self.pools.calls()?)).await
    }

    async fn purge(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        let pool = self.pools.calls()?;
        unit(async move {
            let mut connection = pool.acquire().await.map_err(failure)?;
            // A thousand at a time: a backlog is worked off, however long it is, and nobody waits for its locks.
            for statement in [
                "delete from sessions where id in
                     (select id from sessions where expires_at <= $1 order by id limit 1000 for update skip locked)",
                "delete from revocations where seq in
                     (select seq from revocations where expires_at <= $1 order by seq limit 1000 for update skip locked)",
            ]
            .into_iter()
            .chain(outbox::PURGE)
            {
                let mut purged = 1_000;
                while purged == 1_000 {
                    let done = sqlx::query(statement).bind(millis(now)).execute(&mut *connection).await;
                    purged = done.map_err(failure)?.rows_affected();
                }
            }
            Ok(())
        })
        .await
    }

    async fn close(&self) {
        self.announcements.stop();
        // A connection that hangs is the server's to end.
        let _ = tokio::time::timeout(WAIT_FOR_A_CONNECTION, self.pools.close()).await;
    }

    async fn set_role(&self, id: Uuid, role: Role, until: OffsetDateTime) -> Result<Option<i64>, StoreError> {
        let pool = self.pools.calls()?;
        unit(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            // A username account has no role: null differs from nothing.
            let epoch: Option<i64> = sqlx::query_scalar(
                "update accounts set role = $2, epoch = epoch + 1 where id = $1 and role <> $2 returning epoch",
            )
            .bind(id)
            .bind(role.as_str())
            .fetch_optional(&mut *tx)
            .await
            .map_err(failure)?;
            if let Some(epoch) = epoch {
                sessions::end_all(&mut tx, id, epoch, until).await?;
            }
            tx.commit().await.map_err(failure)?;
            Ok(epoch)
        })
        .await
    }

    async fn list_sessions(&self, account_id: Uuid, page: &SessionPage) -> Result<Listed<StoredSession>, StoreError> {
        sessions::list(&self.pools.calls()?, account_id, page).await
    }

    async fn find_session(&self, id: Uuid) -> Result<Option<StoredSession>, StoreError> {
        sessions::find(&self.pools.calls()?, id).await
    }

    async fn end_sessions(
        &self,
        account_id: Uuid,
        except: Option<Uuid>,
        from: OffsetDateTime,
    ) -> Result<Vec<EndedSession>, StoreError> {
        let pool = self.pools.calls()?;
        unit(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let ended = sessions::end(&mut tx, account_id, except, from).await?;
            tx.commit().await.map_err(failure)?;
            Ok(ended)
        })
        .await
    }

    async fn note_last_tokens(&self, times: &[(Uuid, OffsetDateTime)]) -> Result<(), StoreError> {
        let (pool, times) = (self.pools.calls()?, times.to_vec());
        unit(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            sessions::note_tokens(&mut tx, &times).await?;
            tx.commit().await.map_err(failure)
        })
        .await
    }
}
