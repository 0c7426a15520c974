//! PostgreSQL: `InvitationStore`. A firm is locked before its invitations, as its deletion locks them.

use async_trait::async_trait;
use sqlx::Transaction;
use sqlx::postgres::Postgres;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::failure;
use super::{PostgresStore, accounts, outbox, to_completion};
use crate::domain::{Identity, NewAccount, TicketDigest};
use crate::store::listing::{PageReader, by_creation};
use crate::store::rows::mail::InvitationRow;
use crate::store::rows::millis;
use crate::store::{Invitation, InvitationPage, InvitationStore, Listed, NewInvitation, StoreError, statements};

#[async_trait]
impl InvitationStore for PostgresStore {
    async fn create_invitation(&self, invitation: &NewInvitation, mail: Uuid) -> Result<bool, StoreError> {
        let (pool, invitation) = (self.pools.calls()?, invitation.clone());
        let created = to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            // One invitation at a time in each firm: two at once could leave two for one address.
            let firm = sqlx::query("select id from firms where id = $1 for no key update")
                .bind(invitation.firm_id)
                .fetch_optional(&mut *tx)
                .await
                .map_err(failure)?;
            if firm.is_none() {
                return Ok(false);
            }
            let taken: bool = sqlx::query_scalar(statements::accounts::IS_EMAIL_TAKEN)
                .bind(invitation.email.as_str())
                .fetch_one(&mut *tx)
                .await
                .map_err(failure)?;
            if taken {
                return Err(StoreError::HandleTaken);
            }
            let before: Option<Uuid> = sqlx::query_scalar(statements::invitations::DELETE_REPLACED)
                .bind(invitation.firm_id)
                .bind(invitation.email.as_str())
                .fetch_optional(&mut *tx)
                .await
                .map_err(failure)?;
            if let Some(before) = before {
                take_back_mail(&mut tx, before).await?;
            }
            sqlx::query(
                "insert into invitations (id, firm_id, email, role, invited_by, created_at, expires_at)
                 values ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(invitation.id)
            .bind(invitation.firm_id)
            .bind(invitation.email.as_str())
            .bind(invitation.role.as_str())
            .bind(invitation.invited_by)
            .bind(millis(invitation.created_at))
            .bind(millis(invitation.expires_at))
            .execute(&mut *tx)
            .await
            .map_err(failure)?;
            outbox::queue(&mut tx, &invitation.mail(mail)).await?;
            tx.commit().await.map_err(failure)?;
            Ok(true)
        })
        .await?;
        self.mail_queued.notify_one();
        Ok(created)
    }

    async fn find_invitation(&self, id: Uuid, now: OffsetDateTime) -> Result<Option<Invitation>, StoreError> {
        let row: Option<InvitationRow> = sqlx::query_as(statements::invitations::FIND)
            .bind(id)
            .bind(millis(now))
            .fetch_optional(&self.pools.calls()?)
            .await
            .map_err(failure)?;
        row.map(InvitationRow::into_invitation).transpose()
    }

    async fn find_invitation_by_ticket(
        &self,
        digest: &TicketDigest,
        now: OffsetDateTime,
    ) -> Result<Option<Invitation>, StoreError> {
        let row: Option<InvitationRow> = sqlx::query_as(statements::invitations::FIND_BY_TICKET)
            .bind(digest.as_str())
            .bind(millis(now))
            .fetch_optional(&self.pools.calls()?)
            .await
            .map_err(failure)?;
        row.map(InvitationRow::into_invitation).transpose()
    }

    async fn list_invitations(&self, firm_id: Uuid, page: &InvitationPage) -> Result<Listed<Invitation>, StoreError> {
        // No invitation is newer than the key before the first page.
        let before = page.after.map_or((i64::MAX, Uuid::max()), |(time, id)| (millis(time), id));
        let mut listed = PageReader::new("invitations", before, page.limit);
        while listed.goes_on() {
            let (before, before_id) = listed.after();
            let rows = sqlx::query(statements::invitations::LIST)
                .bind(firm_id)
                .bind(before)
                .bind(before_id)
                .bind(millis(page.now))
                .bind(listed.missing())
                .fetch_all(&self.pools.calls()?)
                .await
                .map_err(failure)?;
            listed.take(&rows, by_creation, InvitationRow::into_invitation)?;
        }
        Ok(listed.listed())
    }

    async fn revoke_invitation(&self, id: Uuid, now: OffsetDateTime) -> Result<Option<Invitation>, StoreError> {
        let pool = self.pools.calls()?;
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let row: Option<InvitationRow> =
                sqlx::query_as(concat!(statements::invitations::find_invitation!(), " for update of invitations"))
                    .bind(id)
                    .bind(millis(now))
                    .fetch_optional(&mut *tx)
                    .await
                    .map_err(failure)?;
            let Some(row) = row else {
                return Ok(None);
            };
            // Mail first: mail that is being sent gets no ticket from then on, or has one that the cascade deletes.
            take_back_mail(&mut tx, id).await?;
            sqlx::query(statements::invitations::DELETE).bind(id).execute(&mut *tx).await.map_err(failure)?;
            tx.commit().await.map_err(failure)?;
            row.into_invitation().map(Some)
        })
        .await
    }

    async fn accept_invitation(
        &self,
        digest: &TicketDigest,
        account: &NewAccount,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let (pool, digest, account) = (self.pools.calls()?, digest.clone(), account.clone());
        to_completion(async move {
            let Identity::Email { email, firm, role, .. } = &account.identity else {
                return Ok(false);
            };
            let mut tx = pool.begin().await.map_err(failure)?;
            // The firm and the invitation are locked before the ticket. Otherwise two tickets of one invitation that
            // are used at once would wait for each other.
            for lock in [
                "select firms.id from firms join invitations on firm_id = firms.id
                     join tickets on invitation_id = invitations.id where digest = $1 for key share of firms",
                "select invitations.id from invitations
                     where id = (select invitation_id from tickets where digest = $1) for update",
            ] {
                sqlx::query(lock).bind(digest.as_str()).execute(&mut *tx).await.map_err(failure)?;
            }
            let invitation: Option<Uuid> = sqlx::query_scalar(statements::tickets::SPEND_INVITATION)
                .bind(digest.as_str())
                .bind(millis(now))
                .fetch_optional(&mut *tx)
                .await
                .map_err(failure)?;
            let Some(invitation) = invitation else {
                return Ok(false);
            };
            take_back_mail(&mut tx, invitation).await?;
            let accepted = sqlx::query(statements::invitations::ACCEPT)
                .bind(invitation)
                .bind(firm.id)
                .bind(email.as_str())
                .bind(role.as_str())
                .bind(millis(now))
                .execute(&mut *tx)
                .await
                .map_err(failure)?;
            if accepted.rows_affected() == 0 || !account.joins {
                return Ok(false);
            }
            accounts::insert(&mut tx, &account).await?;
            tx.commit().await.map_err(failure)?;
            Ok(true)
        })
        .await
    }
}

async fn take_back_mail(tx: &mut Transaction<'_, Postgres>, invitation: Uuid) -> Result<(), StoreError> {
    sqlx::query(statements::outbox::DELETE_INVITATION).bind(invitation).execute(&mut **tx).await.map_err(failure)?;
    Ok(())
}
