//! The statements about mail that waits to be sent.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::SqliteStore;
use super::errors::failure;
use super::writer::Write;
use crate::domain::NewMail;
use crate::store::listing::{Page, by_id};
use crate::store::rows::mail::{ClaimedRow, DeadRow};
use crate::store::rows::millis;
use crate::store::{BETWEEN_MAILS, ClaimedMail, DeadMail, Listed, MailFate, OutboxStore, StoreError};

/// What nobody needs any more: mail that went more than a minute ago ([`BETWEEN_MAILS`]), or was given up 30 days ago, and
/// what can be used no more.
pub(super) const PURGE: [&str; 4] = [
    "delete from outbox where rowid in
         (select rowid from outbox where state = 'done' and due_at <= ?1 - 60000 limit 1000)",
    "delete from outbox where rowid in
         (select rowid from outbox where state = 'dead' and due_at <= ?1 - 2592000000 limit 1000)",
    "delete from tickets where rowid in (select rowid from tickets where expires_at <= ?1 limit 1000)",
    "delete from invitations where rowid in (select rowid from invitations where expires_at <= ?1 limit 1000)",
];

#[async_trait]
impl OutboxStore for SqliteStore {
    async fn queue_mail(&self, mail: &NewMail) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let queued = queue(&mut tx, mail).await?;
        self.commit_mail(tx).await?;
        Ok(queued)
    }

    async fn mail_queued(&self) {
        self.mail.notified().await;
    }

    async fn claim_mail(
        &self,
        limit: u32,
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<Vec<ClaimedMail>, StoreError> {
        // Asked first, for there is nothing to send most of the time, and only one may write.
        let due: bool =
            sqlx::query_scalar("select exists (select 1 from outbox where state = 'queued' and due_at <= ?1)")
                .bind(millis(now))
                .fetch_one(&mut **self.readers.take().await?)
                .await
                .map_err(failure)?;
        if !due {
            return Ok(Vec::new());
        }
        let mut tx = self.write().await?;
        let rows = sqlx::query(
            "update outbox set due_at = ?2, attempts = attempts + 1 where id in
                 (select id from outbox where state = 'queued' and due_at <= ?1 order by due_at, id limit ?3)
             returning id, kind, recipient, subject, attempts",
        )
        .bind(millis(now))
        .bind(millis(now + lease))
        .bind(i64::from(limit))
        .fetch_all(&mut *tx)
        .await
        .map_err(failure)?;
        tx.commit().await?;
        let mut claimed = Page::new("outbox", Uuid::nil(), limit);
        claimed.take(&rows, by_id, ClaimedRow::into_claimed)?;
        Ok(claimed.listed().logged())
    }

    async fn settle_mail(&self, mail: &ClaimedMail, fate: &MailFate, now: OffsetDateTime) -> Result<bool, StoreError> {
        let (state, at, cause) = match fate {
            MailFate::Settled => ("done", now, None),
            MailFate::Postponed { until, cause } => ("queued", *until, Some(cause)),
            MailFate::Dead { cause } => ("dead", now, Some(cause)),
        };
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "update outbox set state = ?3, due_at = ?4, cause = ?5 where id = ?1 and attempts = ?2 and state = 'queued'",
        )
        .bind(mail.id)
        .bind(i64::from(mail.attempt))
        .bind(state)
        .bind(millis(at))
        .bind(cause)
        .execute(&mut *tx)
        .await
        .map_err(failure)?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    async fn list_dead_mail(&self, after: Option<Uuid>, limit: u32) -> Result<Listed<DeadMail>, StoreError> {
        let mut page = Page::new("outbox", after.unwrap_or(Uuid::nil()), limit);
        while page.goes_on() {
            let rows = sqlx::query(
                "select id, kind, recipient, attempts, queued_at, due_at, cause from outbox
                 where state = 'dead' and id > ?1 order by id limit ?2",
            )
            .bind(page.after())
            .bind(page.missing())
            .fetch_all(&mut **self.readers.take().await?)
            .await
            .map_err(failure)?;
            page.take(&rows, by_id, DeadRow::into_dead)?;
        }
        Ok(page.listed())
    }

    async fn retry_dead_mail(&self, id: Uuid, now: OffsetDateTime) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "update outbox set state = 'queued', due_at = ?2, attempts = 0, cause = null where id = ?1 and state = 'dead'",
        )
        .bind(id)
        .bind(millis(now))
        .execute(&mut *tx)
        .await
        .map_err(failure)?;
        self.commit_mail(tx).await?;
        Ok(done.rows_affected() == 1)
    }
}

impl SqliteStore {
    /// Commits mail, and wakes whoever sends it.
    pub(super) async fn commit_mail(&self, tx: Write) -> Result<(), StoreError> {
        tx.commit().await?;
        self.mail.notify_one();
        Ok(())
    }
}

/// One statement that writes one row, whoever the recipient is and whatever is queued: asking must not tell.
pub(super) async fn queue(tx: &mut Write, mail: &NewMail) -> Result<bool, StoreError> {
    sqlx::query_scalar(
        "insert into outbox (id, kind, recipient, subject, queued_at, due_at, asked_at)
         values (?1, ?2, ?3, ?4, ?5,
             max(?5, coalesce((select max(due_at) + ?6 from outbox where recipient = ?3 and kind = ?2), ?5)), ?5)
         on conflict (recipient, kind, subject) do update set
             asked_at = excluded.asked_at,
             id = iif(state = 'queued', id, excluded.id),
             attempts = iif(state = 'queued', attempts, 0),
             queued_at = iif(state = 'queued', queued_at, excluded.queued_at),
             due_at = iif(state = 'queued', due_at, excluded.due_at),
             cause = iif(state = 'queued', cause, null),
             state = 'queued'
         returning id = ?1",
    )
    .bind(mail.id)
    .bind(mail.kind.as_str())
    .bind(mail.recipient.as_str())
    .bind(mail.subject)
    .bind(millis(mail.queued_at))
    .bind(i64::try_from(BETWEEN_MAILS.as_millis()).unwrap_or(i64::MAX))
    .fetch_one(&mut **tx)
    .await
    .map_err(failure)
}
