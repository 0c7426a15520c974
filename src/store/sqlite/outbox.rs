//! SQLite: `OutboxStore`, and the function that queues mail within the transaction of another capability.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::SqliteStore;
use super::errors::failure;
use super::writer::WriteTransaction;
use crate::domain::NewMail;
use crate::store::listing::{PageReader, by_id};
use crate::store::rows::mail::{ClaimedRow, DeadRow};
use crate::store::rows::millis;
use crate::store::{ClaimedMail, DeadMail, Listed, MAIL_INTERVAL, MailFate, OutboxStore, StoreError, statements};

#[async_trait]
impl OutboxStore for SqliteStore {
    async fn queue_mail(&self, mail: &NewMail) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let queued = queue(&mut tx, mail).await?;
        self.commit_and_wake_sender(tx).await?;
        Ok(queued)
    }

    async fn mail_queued(&self) {
        self.mail_queued.notified().await;
    }

    async fn settle_mail_to_nobody(&self, now: OffsetDateTime, limit: u32) -> Result<u64, StoreError> {
        if !is_mail_due(self, now).await? {
            return Ok(0);
        }
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            "update outbox set state = 'done', due_at = $1, cause = null where id in
                 (select id from
                     (select id, kind, recipient from outbox where state = 'queued' and due_at <= $1
                      order by due_at, id limit $2)
                  where kind in ('verify_email', 'reset_password')
                      and not exists (select 1 from accounts where email = recipient))",
        )
        .bind(millis(now))
        .bind(i64::from(limit))
        .execute(&mut *tx)
        .await
        .map_err(failure)?;
        tx.commit().await?;
        Ok(done.rows_affected())
    }

    async fn claim_mail(
        &self,
        limit: u32,
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<Vec<ClaimedMail>, StoreError> {
        if !is_mail_due(self, now).await? {
            return Ok(Vec::new());
        }
        let mut tx = self.begin().await?;
        let rows = sqlx::query(
            "update outbox set due_at = $2, attempts = attempts + 1 where id in
                 (select id from outbox where state = 'queued' and due_at <= $1 order by due_at, id limit $3)
             returning id, kind, recipient, subject, attempts",
        )
        .bind(millis(now))
        .bind(millis(now + lease))
        .bind(i64::from(limit))
        .fetch_all(&mut *tx)
        .await
        .map_err(failure)?;
        tx.commit().await?;
        let mut claimed = PageReader::new("outbox", Uuid::nil(), limit);
        claimed.take(&rows, by_id, ClaimedRow::into_claimed)?;
        Ok(claimed.listed().logged())
    }

    async fn settle_mail(&self, mail: &ClaimedMail, fate: &MailFate, now: OffsetDateTime) -> Result<bool, StoreError> {
        let (state, at, cause) = match fate {
            MailFate::Settled => ("done", now, None),
            MailFate::Postponed { until, cause } => ("queued", *until, Some(cause)),
            MailFate::Dead { cause } => ("dead", now, Some(cause)),
        };
        let mut tx = self.begin().await?;
        let done = sqlx::query(statements::outbox::SETTLE)
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
        let mut page = PageReader::new("outbox", after.unwrap_or(Uuid::nil()), limit);
        while page.goes_on() {
            let rows = sqlx::query(statements::outbox::LIST_DEAD)
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
        let mut tx = self.begin().await?;
        let done = sqlx::query(statements::outbox::RETRY_DEAD)
            .bind(id)
            .bind(millis(now))
            .execute(&mut *tx)
            .await
            .map_err(failure)?;
        self.commit_and_wake_sender(tx).await?;
        Ok(done.rows_affected() == 1)
    }
}

/// Whether any mail is due. Most of the time none is, and this tells so without waiting for the one writer.
async fn is_mail_due(store: &SqliteStore, now: OffsetDateTime) -> Result<bool, StoreError> {
    sqlx::query_scalar("select exists (select 1 from outbox where state = 'queued' and due_at <= $1)")
        .bind(millis(now))
        .fetch_one(&mut **store.readers.take().await?)
        .await
        .map_err(failure)
}

/// Queues a mail within the caller's transaction. Always one statement that writes one row: its time must not tell a
/// client whether the recipient has an account or mail is queued already.
pub(super) async fn queue(tx: &mut WriteTransaction, mail: &NewMail) -> Result<bool, StoreError> {
    sqlx::query_scalar(
        "insert into outbox (id, kind, recipient, subject, queued_at, due_at, asked_at)
         values ($1, $2, $3, $4, $5,
             max($5, coalesce((select max(due_at) + $6 from outbox where recipient = $3 and kind = $2), $5)), $5)
         on conflict (recipient, kind, subject) do update set
             asked_at = excluded.asked_at,
             id = iif(state = 'queued', id, excluded.id),
             attempts = iif(state = 'queued', attempts, 0),
             queued_at = iif(state = 'queued', queued_at, excluded.queued_at),
             due_at = iif(state = 'queued', due_at, excluded.due_at),
             cause = iif(state = 'queued', cause, null),
             state = 'queued'
         returning id = $1",
    )
    .bind(mail.id)
    .bind(mail.kind.as_str())
    .bind(mail.recipient.as_str())
    .bind(mail.subject)
    .bind(millis(mail.queued_at))
    .bind(i64::try_from(MAIL_INTERVAL.as_millis()).unwrap_or(i64::MAX))
    .fetch_one(&mut **tx)
    .await
    .map_err(failure)
}
