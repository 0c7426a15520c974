//! SQLite: `InvitationStore`. An accepted invitation stores an account in the same transaction.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::failure;
use super::writer::WriteTransaction;
use super::{SqliteStore, accounts, outbox};
use crate::domain::{Identity, NewAccount, TicketDigest};
use crate::store::listing::{PageReader, by_creation};
use crate::store::rows::mail::InvitationRow;
use crate::store::rows::millis;
use crate::store::{Invitation, InvitationPage, InvitationStore, Listed, NewInvitation, StoreError, statements};

#[async_trait]
impl InvitationStore for SqliteStore {
    async fn create_invitation(&self, invitation: &NewInvitation, mail: Uuid) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
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
        let done = sqlx::query(
            "insert into invitations (id, firm_id, email, role, invited_by, created_at, expires_at)
             select $1, id, $3, $4, $5, $6, $7 from firms where id = $2",
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
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        outbox::queue(&mut tx, &invitation.mail(mail)).await?;
        self.commit_and_wake_sender(tx).await?;
        Ok(true)
    }

    async fn find_invitation(&self, id: Uuid, now: OffsetDateTime) -> Result<Option<Invitation>, StoreError> {
        let row: Option<InvitationRow> = sqlx::query_as(statements::invitations::FIND)
            .bind(id)
            .bind(millis(now))
            .fetch_optional(&mut **self.readers.take().await?)
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
            .fetch_optional(&mut **self.readers.take().await?)
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
                .fetch_all(&mut **self.readers.take().await?)
                .await
                .map_err(failure)?;
            listed.take(&rows, by_creation, InvitationRow::into_invitation)?;
        }
        Ok(listed.listed())
    }

    async fn revoke_invitation(&self, id: Uuid, now: OffsetDateTime) -> Result<Option<Invitation>, StoreError> {
        let mut tx = self.begin().await?;
        let row: Option<InvitationRow> = sqlx::query_as(statements::invitations::FIND)
            .bind(id)
            .bind(millis(now))
            .fetch_optional(&mut *tx)
            .await
            .map_err(failure)?;
        let Some(row) = row else {
            return Ok(None);
        };
        sqlx::query(statements::invitations::DELETE).bind(id).execute(&mut *tx).await.map_err(failure)?;
        take_back_mail(&mut tx, id).await?;
        tx.commit().await?;
        row.into_invitation().map(Some)
    }

    async fn accept_invitation(
        &self,
        digest: &TicketDigest,
        account: &NewAccount,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let Identity::Email { email, firm, role, .. } = &account.identity else {
            return Ok(false);
        };
        let mut tx = self.begin().await?;
        let invitation: Option<Uuid> = sqlx::query_scalar(statements::tickets::SPEND_INVITATION)
            .bind(digest.as_str())
            .bind(millis(now))
            .fetch_optional(&mut *tx)
            .await
            .map_err(failure)?;
        let Some(invitation) = invitation else {
            return Ok(false);
        };
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
        take_back_mail(&mut tx, invitation).await?;
        accounts::insert(&mut tx, account).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn take_back_mail(tx: &mut WriteTransaction, invitation: Uuid) -> Result<(), StoreError> {
    sqlx::query(statements::outbox::DELETE_INVITATION).bind(invitation).execute(&mut **tx).await.map_err(failure)?;
    Ok(())
}
