//! PostgreSQL: `OutboxStore`, and the function that queues mail within the transaction of another capability.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Transaction;
use sqlx::postgres::Postgres;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::failure;
use super::{PostgresStore, to_completion};
use crate::domain::NewMail;
use crate::store::listing::{PageReader, by_id};
use crate::store::rows::mail::{ClaimedRow, DeadRow};
use crate::store::rows::millis;
use crate::store::{ClaimedMail, DeadMail, Listed, MAIL_INTERVAL, MailFate, OutboxStore, StoreError, statements};

#[async_trait]
impl OutboxStore for PostgresStore {
    async fn queue_mail(&self, mail: &NewMail) -> Result<bool, StoreError> {
        let (pool, mail) = (self.pools.calls()?, mail.clone());
        let queued = to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let queued = queue(&mut tx, &mail).await?;
            tx.commit().await.map_err(failure)?;
            Ok(queued)
        })
        .await?;
        self.mail_queued.notify_one();
        Ok(queued)
    }

    async fn mail_queued(&self) {
        self.mail_queued.notified().await;
    }

    async fn settle_mail_to_nobody(&self, now: OffsetDateTime, limit: u32) -> Result<u64, StoreError> {
        let pool = self.pools.calls()?;
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            // Compared once more when a row is locked, because another process may have leased it meanwhile.
            let done = sqlx::query(
                "update outbox set state = 'done', due_at = $1, cause = null where id in
                     (select id from outbox where state = 'queued' and due_at <= $1
                          and id in (select id from outbox where state = 'queued' and due_at <= $1
                                     order by due_at, id limit $2)
                          and kind in ('verify_email', 'reset_password')
                          and not exists (select 1 from accounts where email = recipient)
                      for update skip locked)",
            )
            .bind(millis(now))
            .bind(i64::from(limit))
            .execute(&mut *tx)
            .await
            .map_err(failure)?;
            tx.commit().await.map_err(failure)?;
            Ok(done.rows_affected())
        })
        .await
    }

    async fn claim_mail(
        &self,
        limit: u32,
        now: OffsetDateTime,
        lease: Duration,
    ) -> Result<Vec<ClaimedMail>, StoreError> {
        let pool = self.pools.calls()?;
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            // Rows that another process is leasing at this moment are skipped.
            let rows = sqlx::query(
                "update outbox set due_at = $2, attempts = attempts + 1 where id in
                     (select id from outbox where state = 'queued' and due_at <= $1 order by due_at, id limit $3
                      for update skip locked)
                 returning id, kind, recipient, subject, attempts",
            )
            .bind(millis(now))
            .bind(millis(now + lease))
            .bind(i64::from(limit))
            .fetch_all(&mut *tx)
            .await
            .map_err(failure)?;
            tx.commit().await.map_err(failure)?;
            let mut claimed = PageReader::new("outbox", Uuid::nil(), limit);
            claimed.take(&rows, by_id, ClaimedRow::into_claimed)?;
            Ok(claimed.listed().logged())
        })
        .await
    }

    async fn settle_mail(&self, mail: &ClaimedMail, fate: &MailFate, now: OffsetDateTime) -> Result<bool, StoreError> {
        let (state, at, cause) = match fate {
            MailFate::Settled => ("done", now, None),
            MailFate::Postponed { until, cause } => ("queued", *until, Some(cause.clone())),
            MailFate::Dead { cause } => ("dead", now, Some(cause.clone())),
        };
        let (pool, id, attempt) = (self.pools.calls()?, mail.id, mail.attempt);
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let done = sqlx::query(statements::outbox::SETTLE)
                .bind(id)
                .bind(i64::from(attempt))
                .bind(state)
                .bind(millis(at))
                .bind(cause)
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            tx.commit().await.map_err(failure)?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    async fn list_dead_mail(&self, after: Option<Uuid>, limit: u32) -> Result<Listed<DeadMail>, StoreError> {
        let mut page = PageReader::new("outbox", after.unwrap_or(Uuid::nil()), limit);
        while page.goes_on() {
            let rows = sqlx::query(statements::outbox::LIST_DEAD)
                .bind(page.after())
                .bind(page.missing())
                .fetch_all(&self.pools.calls()?)
                .await
                .map_err(failure)?;
            page.take(&rows, by_id, DeadRow::into_dead)?;
        }
        Ok(page.listed())
    }

    async fn retry_dead_mail(&self, id: Uuid, now: OffsetDateTime) -> Result<bool, StoreError> {
        let pool = self.pools.calls()?;
        let found = to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let done = sqlx::query(statements::outbox::RETRY_DEAD)
                .bind(id)
                .bind(millis(now))
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            tx.commit().await.map_err(failure)?;
            Ok(done.rows_affected() == 1)
        })
        .await?;
        self.mail_queued.notify_one();
        Ok(found)
    }
}

/// Queues a mail within the caller's transaction. Always one statement that writes one row: its time must not tell a
/// client whether the recipient has an account or mail is queued already.
pub(super) async fn queue(tx: &mut Transaction<'_, Postgres>, mail: &NewMail) -> Result<bool, StoreError> {
    sqlx::query_scalar(
        "insert into outbox as old (id, kind, recipient, subject, queued_at, due_at, asked_at)
         values ($1, $2, $3, $4, $5,
             greatest($5, (select max(due_at) + $6 from outbox where recipient = $3 and kind = $2)), $5)
         on conflict on constraint outbox_recipient_key do update set
             asked_at = excluded.asked_at,
             id = case when old.state = 'queued' then old.id else excluded.id end,
             attempts = case when old.state = 'queued' then old.attempts else 0 end,
             queued_at = case when old.state = 'queued' then old.queued_at else excluded.queued_at end,
             due_at = case when old.state = 'queued' then old.due_at else excluded.due_at end,
             cause = case when old.state = 'queued' then old.cause end,
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
