//! PostgreSQL: `TicketStore`, and the function that voids tickets when a password or an address changes.
//!
//! A transaction that locks several rows locks them in this order, so that no two form a deadlock: failed guesses, the
//! account, its firm, its mail, its tickets, its sessions, and last the lock of all revocations (`listen`).

use async_trait::async_trait;
use sqlx::Transaction;
use sqlx::postgres::Postgres;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::{self, failure};
use super::{PostgresStore, attempts, outbox, revocations, sessions, to_completion};
use crate::domain::{AttemptKey, Handle, PasswordHash, TicketDigest, TicketPurpose};
use crate::store::rows::mail::TicketRow;
use crate::store::rows::{millis, stored_email};
use crate::store::tickets::address_changed;
use crate::store::{
    ClaimedMail, EmailChange, NewTicket, PasswordReset, StoreError, StoredTicket, TicketStore, statements,
};

#[async_trait]
impl TicketStore for PostgresStore {
    async fn issue_ticket(&self, mail: &ClaimedMail, ticket: &NewTicket) -> Result<bool, StoreError> {
        let (pool, mail, ticket) = (self.pools.calls()?, mail.clone(), ticket.clone());
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let invitation_id = ticket.account_id.is_none().then_some(mail.subject);
            // Locked, so that a transaction which takes the mail back at this moment either finds the ticket, or
            // commits first: then nothing is found here.
            for (lock, id) in [
                ("select id from accounts where id = $1 for key share", ticket.account_id),
                ("select id from invitations where id = $1 for key share", invitation_id),
                ("select id from outbox where id = $1 for share", Some(mail.id)),
            ] {
                let Some(id) = id else { continue };
                let held = sqlx::query(lock).bind(id).fetch_optional(&mut *tx).await.map_err(failure)?;
                if held.is_none() {
                    return Ok(false);
                }
            }
            let done = sqlx::query(
                "insert into tickets (digest, purpose, account_id, invitation_id, email, created_at, expires_at)
                 select $3, $4, $5, $6, recipient, $7, $8 from outbox
                 where id = $1 and attempts = $2 and state = 'queued'",
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
            tx.commit().await.map_err(failure)?;
            Ok(done.rows_affected() == 1)
        })
        .await
    }

    async fn find_ticket(
        &self,
        digest: &TicketDigest,
        now: OffsetDateTime,
    ) -> Result<Option<StoredTicket>, StoreError> {
        let row: Option<TicketRow> = sqlx::query_as(statements::tickets::FIND)
            .bind(digest.as_str())
            .bind(millis(now))
            .fetch_optional(&self.pools.calls()?)
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
        let (pool, digest) = (self.pools.calls()?, digest.clone());
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let Some((account_id, email)) = spend(&mut tx, &digest, TicketPurpose::VerifyEmail, now).await? else {
                return Ok(None);
            };
            let done = sqlx::query(statements::accounts::VERIFY_EMAIL)
                .bind(account_id)
                .bind(email)
                .bind(millis(now))
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            if done.rows_affected() == 0 {
                return Ok(None);
            }
            sqlx::query(statements::tickets::DELETE_VERIFICATIONS)
                .bind(account_id)
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            revocations::announce_change(&mut tx, account_id, until).await?;
            tx.commit().await.map_err(failure)?;
            Ok(Some(account_id))
        })
        .await
    }

    async fn reset_password(
        &self,
        digest: &TicketDigest,
        hash: &PasswordHash,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Option<PasswordReset>, StoreError> {
        let (pool, digest, hash) = (self.pools.calls()?, digest.clone(), hash.to_phc());
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            forget_failures(&mut tx, &digest).await?;
            let Some((account_id, email)) = spend(&mut tx, &digest, TicketPurpose::ResetPassword, now).await? else {
                return Ok(None);
            };
            let epoch: Option<i64> = sqlx::query_scalar(statements::accounts::RESET_PASSWORD)
                .bind(account_id)
                .bind(email)
                .bind(hash)
                .bind(millis(now))
                .fetch_optional(&mut *tx)
                .await
                .map_err(failure)?;
            let Some(epoch) = epoch else {
                return Ok(None);
            };
            void(&mut tx, account_id).await?;
            sessions::end_all(&mut tx, account_id, epoch, until).await?;
            tx.commit().await.map_err(failure)?;
            Ok(Some(PasswordReset { account_id, epoch }))
        })
        .await
    }

    async fn change_email(
        &self,
        digest: &TicketDigest,
        notice: Uuid,
        now: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Option<EmailChange>, StoreError> {
        let (pool, digest) = (self.pools.calls()?, digest.clone());
        let changed = to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let Some((account_id, to)) = spend(&mut tx, &digest, TicketPurpose::ChangeEmail, now).await? else {
                return Ok(None);
            };
            let present: Option<(String, i64)> = sqlx::query_as(statements::accounts::FIND_PRESENT_EMAIL)
                .bind(account_id)
                .fetch_optional(&mut *tx)
                .await
                .map_err(failure)?;
            let Some((from, epoch)) = present else {
                return Ok(None);
            };
            let (from, to) = (stored_email("accounts", account_id, from)?, stored_email("tickets", account_id, to)?);
            // Before the address changes, because queued mail is found by it.
            void(&mut tx, account_id).await?;
            sqlx::query(statements::accounts::CHANGE_EMAIL)
                .bind(account_id)
                .bind(to.as_str())
                .bind(millis(now))
                .execute(&mut *tx)
                .await
                .map_err(errors::insert_failure)?;
            outbox::queue(&mut tx, &address_changed(notice, account_id, &from, now)).await?;
            revocations::announce_change(&mut tx, account_id, until).await?;
            tx.commit().await.map_err(failure)?;
            Ok(Some(EmailChange { account_id, from, to, epoch }))
        })
        .await?;
        self.mail_queued.notify_one();
        Ok(changed)
    }
}

/// Uses a ticket of an account, and returns the account and the address that the ticket was sent to. The account is
/// locked first. Otherwise two of its tickets that are used at once would wait for each other.
async fn spend(
    tx: &mut Transaction<'_, Postgres>,
    digest: &TicketDigest,
    purpose: TicketPurpose,
    now: OffsetDateTime,
) -> Result<Option<(Uuid, String)>, StoreError> {
    sqlx::query("select id from accounts where id = (select account_id from tickets where digest = $1) for update")
        .bind(digest.as_str())
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    sqlx::query_as(statements::tickets::SPEND)
        .bind(digest.as_str())
        .bind(purpose.as_str())
        .bind(millis(now))
        .fetch_optional(&mut **tx)
        .await
        .map_err(failure)
}

/// Forgets the failed guesses at the password of a ticket's account. Its owner can read the account's mail, so may sign
/// in at once. Called before the account is locked, in the same order as a sign-in.
async fn forget_failures(tx: &mut Transaction<'_, Postgres>, digest: &TicketDigest) -> Result<(), StoreError> {
    let owner: Option<(Uuid, String)> = sqlx::query_as(statements::tickets::FIND_RESET_OWNER)
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

/// Voids every link of an account that could change its password or address, sent or queued. Mail first: mail that is
/// being sent at this moment gets no ticket from then on, or has one that is deleted here.
pub(super) async fn void(tx: &mut Transaction<'_, Postgres>, account_id: Uuid) -> Result<(), StoreError> {
    for statement in [
        statements::outbox::DELETE_EMAIL_CHANGE,
        statements::outbox::DELETE_PASSWORD_RESET,
        statements::tickets::DELETE_CHANGES,
    ] {
        sqlx::query(statement).bind(account_id).execute(&mut **tx).await.map_err(failure)?;
    }
    Ok(())
}
