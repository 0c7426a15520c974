//! The statements about one-time tokens.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::{self, failure};
use super::writer::Write;
use super::{SqliteStore, attempts, outbox, sessions};
use crate::domain::{AttemptKey, Email, Handle, MailKind, NewMail, PasswordHash, TicketDigest, TicketPurpose};
use crate::store::rows::mail::TicketRow;
use crate::store::rows::{millis, stored_email};
use crate::store::{ClaimedMail, EmailChange, NewTicket, PasswordReset, StoreError, StoredTicket, TicketStore};

#[async_trait]
impl TicketStore for SqliteStore {
    async fn issue_ticket(&self, mail: &ClaimedMail, ticket: &NewTicket) -> Result<bool, StoreError> {
        let invitation_id = ticket.account_id.is_none().then_some(mail.subject);
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "insert into tickets (digest, purpose, account_id, invitation_id, email, created_at, expires_at)
             select ?3, ?4, ?5, ?6, recipient, ?7, ?8 from outbox
             where id = ?1 and attempts = ?2 and state = 'queued'
                 and exists (select 1 from accounts where id = ?5 union all select 1 from invitations where id = ?6)",
        )
        .bind(mail.id)
        .bind(i64::from(mail.attempt))
        .bind(ticket.digest.as_str())
        .bind(ticket.purpose.as_str())
        .bind(ticket.account_id)
        .bind(invitation_id)
        .bind(millis(ticket.created_at))
        .bind(millis(ticket.expires_at))
        .execute(&mut *tx)
        .await
        .map_err(failure)?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    async fn find_ticket(
        &self,
        digest: &TicketDigest,
        now: OffsetDateTime,
    ) -> Result<Option<StoredTicket>, StoreError> {
        let row: Option<TicketRow> = sqlx::query_as(
            "select purpose, account_id, invitation_id, tickets.email, expires_at
             from tickets left join accounts on accounts.id = account_id
             where digest = ?1 and expires_at > ?2
                 and (purpose in ('change_email', 'invitation') or tickets.email = accounts.email)",
        )
        .bind(digest.as_str())
        .bind(millis(now))
        .fetch_optional(&mut **self.readers.take().await?)
        .await
        .map_err(failure)?;
        row.map(TicketRow::into_ticket).transpose()
    }

    async fn verify_email(
        &self,
        digest: &TicketDigest,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Option<Uuid>, StoreError> {
        let mut tx = self.write().await?;
        let Some((account_id, email)) = spend(&mut tx, digest, TicketPurpose::VerifyEmail, now).await? else {
            return Ok(None);
        };
        let done = sqlx::query(
            "update accounts set email_verified_at = coalesce(email_verified_at, ?3) where id = ?1 and email = ?2",
        )
        .bind(account_id)
        .bind(email)
        .bind(millis(now))
        .execute(&mut *tx)
        .await
        .map_err(failure)?;
        if done.rows_affected() == 0 {
            return Ok(None);
        }
        sqlx::query("delete from tickets where account_id = ?1 and purpose = 'verify_email'")
            .bind(account_id)
            .execute(&mut *tx)
            .await
            .map_err(failure)?;
        sessions::tell_change(&mut tx, account_id, until).await?;
        self.commit_end(tx).await?;
        Ok(Some(account_id))
    }

    async fn reset_password(
        &self,
        digest: &TicketDigest,
        hash: &PasswordHash,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Option<PasswordReset>, StoreError> {
        let mut tx = self.write().await?;
        forget_failures(&mut tx, digest).await?;
        let Some((account_id, email)) = spend(&mut tx, digest, TicketPurpose::ResetPassword, now).await? else {
            return Ok(None);
        };
        let epoch: Option<i64> = sqlx::query_scalar(
            "update accounts set password_hash = ?3, password_changes = password_changes + 1,
                 email_verified_at = coalesce(email_verified_at, ?4), epoch = epoch + 1
             where id = ?1 and email = ?2 and status = 'active' returning epoch",
        )
        .bind(account_id)
        .bind(email)
        .bind(hash.to_phc())
        .bind(millis(now))
        .fetch_optional(&mut *tx)
        .await
        .map_err(failure)?;
        let Some(epoch) = epoch else {
            return Ok(None);
        };
        void(&mut tx, account_id).await?;
        sessions::end_all(&mut tx, account_id, epoch, until).await?;
        self.commit_end(tx).await?;
        Ok(Some(PasswordReset { account_id, epoch }))
    }

    async fn change_email(
        &self,
        digest: &TicketDigest,
        notice: Uuid,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Option<EmailChange>, StoreError> {
        let mut tx = self.write().await?;
        let Some((account_id, to)) = spend(&mut tx, digest, TicketPurpose::ChangeEmail, now).await? else {
            return Ok(None);
        };
        let present: Option<(String, i64)> = sqlx::query_as(
            "select email, epoch from accounts where id = ?1 and email is not null and status = 'active'",
        )
        .bind(account_id)
        .fetch_optional(&mut *tx)
        .await
        .map_err(failure)?;
        let Some((from, epoch)) = present else {
            return Ok(None);
        };
        let (from, to) = (stored_email("accounts", account_id, from)?, stored_email("tickets", account_id, to)?);
        // While the address is still what a queued mail may have been for.
        void(&mut tx, account_id).await?;
        sqlx::query("update accounts set email = ?2, email_verified_at = ?3 where id = ?1")
            .bind(account_id)
            .bind(to.as_str())
            .bind(millis(now))
            .execute(&mut *tx)
            .await
            .map_err(errors::insert_failure)?;
        outbox::queue(&mut tx, &notice_of_change(notice, account_id, &from, now)).await?;
        sessions::tell_change(&mut tx, account_id, until).await?;
        self.commit_end(tx).await?;
        self.mail.notify_one();
        Ok(Some(EmailChange { account_id, from, to, epoch }))
    }
}

fn notice_of_change(id: Uuid, account_id: Uuid, recipient: &Email, queued_at: OffsetDateTime) -> NewMail {
    NewMail { id, kind: MailKind::EmailChanged, recipient: recipient.clone(), subject: account_id, queued_at }
}

/// Takes a ticket of an account out. Whose it was, and where it was sent.
async fn spend(
    tx: &mut Write,
    digest: &TicketDigest,
    purpose: TicketPurpose,
    now: OffsetDateTime,
) -> Result<Option<(Uuid, String)>, StoreError> {
    sqlx::query_as(
        "delete from tickets where digest = ?1 and purpose = ?2 and expires_at > ?3 and account_id is not null
         returning account_id, email",
    )
    .bind(digest.as_str())
    .bind(purpose.as_str())
    .bind(millis(now))
    .fetch_optional(&mut **tx)
    .await
    .map_err(failure)
}

/// Whoever reads the account's mail may try again at once, however often others guessed.
async fn forget_failures(tx: &mut Write, digest: &TicketDigest) -> Result<(), StoreError> {
    let owner: Option<(Uuid, String)> =
        sqlx::query_as("select account_id, email from tickets where digest = ?1 and purpose = 'reset_password'")
            .bind(digest.as_str())
            .fetch_optional(&mut **tx)
            .await
            .map_err(failure)?;
    if let Some((id, email)) = owner {
        let handle = Handle::Email(stored_email("tickets", id, email)?);
        for key in AttemptKey::of_account(id, &handle) {
            attempts::clear(tx, &key).await?;
        }
    }
    Ok(())
}

/// Takes back every link of an account that could change its password or address, sent or not. Mail first: what is being
/// sent at this moment gets no ticket any more, or has it already.
pub(super) async fn void(tx: &mut Write, account_id: Uuid) -> Result<(), StoreError> {
    for statement in [
        "delete from outbox where state = 'queued' and kind = 'change_email' and subject = ?1",
        "delete from outbox where state = 'queued' and kind = 'reset_password'
             and recipient = (select email from accounts where id = ?1)",
        "delete from tickets where account_id = ?1 and purpose <> 'verify_email'",
    ] {
        sqlx::query(statement).bind(account_id).execute(&mut **tx).await.map_err(failure)?;
    }
    Ok(())
}
