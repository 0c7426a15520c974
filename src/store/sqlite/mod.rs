//! SQLite, embedded: the default. `open` is how a database file is opened, `file` whether it is still there, `errors` what
//! SQLite's mean, `moving` and
//! `backup` are how all of it is copied at once; here are the statements.
//!
//! One writer connection beside a pool of readers: SQLite allows one writer anyway, and queueing for it here, fairly
//! and with a time limit, keeps "database is locked" from ever reaching a client. Writes of more than one statement
//! begin with `begin immediate`, for a transaction that reads first and upgrades later fails at once, whatever the busy
//! timeout says.

mod accounts;
mod admin;
mod attempts;
mod audit;
mod backup;
mod connection;
mod errors;
mod file;
mod import;
mod invitations;
mod moving;
mod open;
mod outbox;
mod passwords;
mod readers;
mod sessions;
mod tickets;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::SqliteExecutor;
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

use super::listing::{Page, by_id};
use super::rows::{self, AccountRow, millis};
use super::{
    AccountStore, Credentials, EndedSession, Listed, Opened, Opening, SessionPage, StoreError, StoredRevocation,
    StoredSession,
};
use crate::domain::{Account, AccountStatus, AttemptKey, Handle, NewAccount, NewMail, PasswordHash, Role, Session};
use errors::failure;
use file::OpenedFile;
use readers::Readers;
use writer::{Write, Writer};

pub use backup::{Backup, BackupError, Counts};
pub(super) use moving::SqliteEnd;

/// How often the file is looked into for what another process (the command line) wrote: a disable must be honoured
/// within a second.
const LOOK: Duration = Duration::from_millis(200);

/// How many rows are deleted at a time: nobody waits for long, however many there are.
const PURGED_AT_ONCE: u64 = 1_000;

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    /// Reads revocations, and nothing else: a rush of look-ups must not make it look as if the database were away.
    feed: Readers,
    /// What all of these are connected to.
    file: Arc<OpenedFile>,
    /// Rings when this process has ended a session.
    bell: Notify,
    /// Rings when this process has queued mail.
    mail: Notify,
    /// Held while this process serves from the file; the system lets go of it when the process ends, however it ends.
    _served: Option<std::fs::File>,
}

impl SqliteStore {
    async fn write(&self) -> Result<Write, StoreError> {
        self.writer.begin().await
    }

    /// Commits the end of sessions, which the feed need not wait for.
    async fn commit_end(&self, tx: Write) -> Result<(), StoreError> {
        tx.commit().await?;
        self.bell.notify_one();
        Ok(())
    }
}

#[async_trait]
impl AccountStore for SqliteStore {
    async fn insert_account(
        &self,
        account: &NewAccount,
        session: Option<&Session>,
        mail: Option<&NewMail>,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        accounts::insert(&mut tx, account).await?;
        if let Some(session) = session {
            insert_session(&mut *tx, session, 0, None).await?;
        }
        if let Some(mail) = mail {
            outbox::queue(&mut tx, mail).await?;
        }
        self.commit_mail(tx).await
    }

    async fn find_credentials(&self, handle: &Handle) -> Result<Option<Credentials>, StoreError> {
        let query = match handle {
            Handle::Username(_) => {
                concat!(rows::select_account!(), " where accounts.username = ?1")
            }
            Handle::Email(_) => concat!(rows::select_account!(), " where accounts.email = ?1"),
        };
        let row: Option<AccountRow> = sqlx::query_as(query)
            .bind(handle.as_str())
            .fetch_optional(&mut **self.readers.take().await?)
            .await
            .map_err(failure)?;
        row.map(AccountRow::into_credentials).transpose()
    }

    async fn find_account(&self, id: Uuid) -> Result<Option<Account>, StoreError> {
        let row: Option<AccountRow> = sqlx::query_as(concat!(rows::select_account!(), " where accounts.id = ?1"))
            .bind(id)
            .fetch_optional(&mut **self.readers.take().await?)
            .await
            .map_err(failure)?;
        row.map(AccountRow::into_account).transpose()
    }

    async fn list_accounts(&self, after: Option<Uuid>, limit: u32) -> Result<Listed<Account>, StoreError> {
        let mut page = Page::new("accounts", after.unwrap_or(Uuid::nil()), limit);
        while page.goes_on() {
            let rows =
                sqlx::query(concat!(rows::select_account!(), " where accounts.id > ?1 order by accounts.id limit ?2"))
                    .bind(page.after())
                    .bind(page.missing())
                    .fetch_all(&mut **self.readers.take().await?)
                    .await
                    .map_err(failure)?;
            page.take(&rows, by_id, AccountRow::into_account)?;
        }
        Ok(page.listed())
    }

    async fn replace_hash(&self, id: Uuid, old: &PasswordHash, new: &PasswordHash) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query("update accounts set password_hash = ?3 where id = ?1 and password_hash = ?2")
            .bind(id)
            .bind(old.to_phc())
            .bind(new.to_phc())
            .execute(&mut *tx)
            .await
            .map_err(failure)?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    async fn open_session(&self, opening: &Opening) -> Result<Opened, StoreError> {
        let Opening { session, password_changes, budget } = opening;
        // One statement is a transaction, and spares a sign-in two ways to SQLite's thread and back. Where nothing has
        // failed there is nothing to forget.
        let untried = budget.as_ref().map(|budget| &budget.key);
        if budget.is_none_or(|budget| budget.seen == 0)
            && insert_session(&mut *self.writer.take().await?, session, *password_changes, untried).await?
        {
            self.file.require()?;
            return Ok(Opened::Open);
        }
        let Some(budget) = budget else { return Ok(Opened::Ended) };
        let mut tx = self.write().await?;
        if !attempts::settle(&mut tx, budget).await? {
            return Ok(Opened::Spent);
        }
        if !insert_session(&mut *tx, session, *password_changes, None).await? {
            return Ok(Opened::Ended);
        }
        tx.commit().await?;
        Ok(Opened::Open)
    }

    async fn end_session(&self, id: Uuid, until: OffsetDateTime) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("delete from sessions where id = ?1").bind(id).execute(&mut *tx).await.map_err(failure)?;
        sqlx::query("insert into revocations (session_id, expires_at) values (?1, ?2)")
            .bind(id)
            .bind(millis(until))
            .execute(&mut *tx)
            .await
            .map_err(failure)?;
        self.commit_end(tx).await
    }

    async fn set_status(
        &self,
        id: Uuid,
        status: AccountStatus,
        until: OffsetDateTime,
    ) -> Result<Option<i64>, StoreError> {
        let mut tx = self.write().await?;
        let epoch: Option<i64> = sqlx::query_scalar(
            "update accounts set status = ?2, epoch = epoch + (?2 = 'inactive') where id = ?1 and status <> ?2
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
        self.commit_end(tx).await?;
        Ok(epoch)
    }

    async fn delete_account(&self, id: Uuid, until: OffsetDateTime) -> Result<Option<i64>, StoreError> {
        let mut tx = self.write().await?;
        let deleted: Option<(i64, Option<Uuid>)> =
            sqlx::query_as("delete from accounts where id = ?1 returning epoch + 1, firm_id")
                .bind(id)
                .fetch_optional(&mut *tx)
                .await
                .map_err(failure)?;
        let Some((epoch, firm_id)) = deleted else {
            return Ok(None);
        };
        sessions::end_all(&mut tx, id, epoch, until).await?;
        sqlx::query("delete from firms where id = ?1 and not exists (select 1 from accounts where firm_id = ?1)")
            .bind(firm_id)
            .execute(&mut *tx)
            .await
            .map_err(failure)?;
        self.commit_end(tx).await?;
        Ok(Some(epoch))
    }

    async fn revocations_after(&self, seq: i64, now: OffsetDateTime) -> Result<Vec<StoredRevocation>, StoreError> {
        sessions::revocations(&self.feed, seq, now).await
    }

    async fn missed_revocations(&self, seq: i64, now: OffsetDateTime) -> Result<Vec<StoredRevocation>, StoreError> {
        sessions::revocations(&self.readers, seq, now).await
    }

    async fn time(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        Ok(None)
    }

    async fn changed(&self) -> bool {
        let _ = tokio::time::timeout(LOOK, self.bell.notified()).await;
        if let Some(length) = self.file.shrunk_from() {
            let size = open::size(&self.feed).await;
            self.file.judge(size.is_ok_and(|size| size < length));
        }
        self.file.is_lost()
    }

    // Nothing can be missed in a file that is not there, and whether it is there is asked before each use.
    fn caught_up(&self) {}

    fn is_in_step(&self) -> bool {
        !self.file.is_lost()
    }

    async fn try_writing(&self) -> Result<(), StoreError> {
        attempts::try_writing(self.write().await?).await
    }

    async fn purge(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        // Each a transaction of its own: the writer is given back in between, and no sign-in waits for all of it.
        for statement in [
            "delete from sessions where rowid in (select rowid from sessions where expires_at <= ?1 limit 1000)",
            "delete from revocations where rowid in (select rowid from revocations where expires_at <= ?1 limit 1000)",
        ]
        .into_iter()
        .chain(outbox::PURGE)
        {
            let mut purged = PURGED_AT_ONCE;
            while purged == PURGED_AT_ONCE {
                let done = sqlx::query(statement).bind(millis(now)).execute(&mut *self.writer.take().await?).await;
                purged = done.map_err(failure)?.rows_affected();
            }
        }
        Ok(())
    }

    async fn close(&self) {
        self.feed.close().await;
        self.readers.close().await;
        // The last connection to close writes the log back into the file and removes it.
        self.writer.close().await;
    }

    async fn set_role(&self, id: Uuid, role: Role, until: OffsetDateTime) -> Result<Option<i64>, StoreError> {
        let mut tx = self.write().await?;
        // A username account has no role: null differs from nothing.
        let epoch: Option<i64> = sqlx::query_scalar(
            "update accounts set role = ?2, epoch = epoch + 1 where id = ?1 and role <> ?2 returning epoch",
        )
        .bind(id)
        .bind(role.as_str())
        .fetch_optional(&mut *tx)
        .await
        .map_err(failure)?;
        if let Some(epoch) = epoch {
            sessions::end_all(&mut tx, id, epoch, until).await?;
        }
        self.commit_end(tx).await?;
        Ok(epoch)
    }

    async fn list_sessions(&self, account_id: Uuid, page: &SessionPage) -> Result<Listed<StoredSession>, StoreError> {
        sessions::list(&self.readers, account_id, page).await
    }

    async fn find_session(&self, id: Uuid) -> Result<Option<StoredSession>, StoreError> {
        sessions::find(&self.readers, id).await
    }

    async fn end_sessions(
        &self,
        account_id: Uuid,
        except: Option<Uuid>,
        from: OffsetDateTime,
    ) -> Result<Vec<EndedSession>, StoreError> {
        let mut tx = self.write().await?;
        let ended = sessions::end(&mut tx, account_id, except, from).await?;
        self.commit_end(tx).await?;
        Ok(ended)
    }

    async fn note_last_tokens(&self, times: &[(Uuid, OffsetDateTime)]) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sessions::note_tokens(&mut tx, times).await?;
        tx.commit().await
    }
}

/// Stores a session if its account is active, in the session's epoch and has the same password still, and nothing of
/// `untried` has failed; tells whether it did.
async fn insert_session(
    writer: impl SqliteExecutor<'_>,
    session: &Session,
    password_changes: i64,
    untried: Option<&AttemptKey>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "insert into sessions
             (id, account_id, epoch, created_at, expires_at, token_lifetime, client_label, client_address, last_token_at)
         select ?1, id, epoch, ?4, ?5, ?6, ?7, ?8, ?4 from accounts
         where id = ?2 and epoch = ?3 and password_changes = ?9 and status = 'active'
             and not exists (select 1 from attempts where key = ?10)",
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
    .execute(writer)
    .await
    .map_err(failure)?;
    Ok(done.rows_affected() == 1)
}
