//! The statements about invitations.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::failure;
use super::writer::Write;
use super::{SqliteStore, accounts, outbox};
use crate::domain::{Identity, MailKind, NewAccount, NewMail, TicketDigest};
use crate::store::listing::{Page, by_making};
use crate::store::rows::mail::{InvitationRow, select_invitation};
use crate::store::rows::millis;
use crate::store::{Invitation, InvitationPage, InvitationStore, Listed, NewInvitation, StoreError};

#[async_trait]
impl InvitationStore for SqliteStore {
    async fn create_invitation(&self, invitation: &NewInvitation, mail: Uuid) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let taken: bool = sqlx::query_scalar("select exists (select 1 from accounts where email = ?1)")
            .bind(invitation.email.as_str())
            .fetch_one(&mut *tx)
            .await
            .map_err(failure)?;
        if taken {
            return Err(StoreError::HandleTaken);
        }
        let before: Option<Uuid> =
            sqlx::query_scalar("delete from invitations where firm_id = ?1 and email = ?2 returning id")
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
             select ?1, id, ?3, ?4, ?5, ?6, ?7 from firms where id = ?2",
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
        let mail = NewMail {
            id: mail,
            kind: MailKind::Invitation,
            recipient: invitation.email.clone(),
            subject: invitation.id,
            queued_at: invitation.created_at,
        };
        outbox::queue(&mut tx, &mail).await?;
        self.commit_mail(tx).await?;
        Ok(true)
    }

    async fn find_invitation(&self, id: Uuid, now: OffsetDateTime) -> Result<Option<Invitation>, StoreError> {
        let row: Option<InvitationRow> =
            sqlx::query_as(concat!(select_invitation!(), " where invitations.id = ?1 and invitations.expires_at > ?2"))
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
        let row: Option<InvitationRow> = sqlx::query_as(concat!(
            select_invitation!(),
            " join tickets on invitation_id = invitations.id
              where digest = ?1 and tickets.expires_at > ?2 and invitations.expires_at > ?2"
        ))
        .bind(digest.as_str())
        .bind(millis(now))
        .fetch_optional(&mut **self.readers.take().await?)
        .await
        .map_err(failure)?;
        row.map(InvitationRow::into_invitation).transpose()
    }

    async fn list_invitations(&self, firm_id: Uuid, page: &InvitationPage) -> Result<Listed<Invitation>, StoreError> {
        // Before the first page comes what no invitation can be newer than.
        let before = page.after.map_or((i64::MAX, Uuid::max()), |(time, id)| (millis(time), id));
        let mut listed = Page::new("invitations", before, page.limit);
        while listed.goes_on() {
            let (before, before_id) = listed.after();
            let rows = sqlx::query(concat!(
                select_invitation!(),
                " where firm_id = ?1 and (invitations.created_at, invitations.id) < (?2, ?3)
                      and invitations.expires_at > ?4
                  order by invitations.created_at desc, invitations.id desc limit ?5"
            ))
            .bind(firm_id)
            .bind(before)
            .bind(before_id)
            .bind(millis(page.now))
            .bind(listed.missing())
            .fetch_all(&mut **self.readers.take().await?)
            .await
            .map_err(failure)?;
            listed.take(&rows, by_making, InvitationRow::into_invitation)?;
        }
        Ok(listed.listed())
    }

    async fn revoke_invitation(&self, id: Uuid, now: OffsetDateTime) -> Result<Option<Invitation>, StoreError> {
        let mut tx = self.write().await?;
        let row: Option<InvitationRow> =
            sqlx::query_as(concat!(select_invitation!(), " where invitations.id = ?1 and invitations.expires_at > ?2"))
                .bind(id)
                .bind(millis(now))
                .fetch_optional(&mut *tx)
                .await
                .map_err(failure)?;
        let Some(row) = row else {
            return Ok(None);
        };
        sqlx::query("delete from invitations where id = ?1").bind(id).execute(&mut *tx).await.map_err(failure)?;
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
        let mut tx = self.write().await?;
        let invitation: Option<Uuid> = sqlx::query_scalar(
            "delete from tickets where digest = ?1 and purpose = 'invitation' and expires_at > ?2 returning invitation_id",
        )
        .bind(digest.as_str())
        .bind(millis(now))
        .fetch_optional(&mut *tx)
        .await
        .map_err(failure)?;
        let Some(invitation) = invitation else {
            return Ok(false);
        };
        let accepted = sqlx::query(
            "delete from invitations where id = ?1 and firm_id = ?2 and email = ?3 and role = ?4 and expires_at > ?5",
        )
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

async fn take_back_mail(tx: &mut Write, invitation: Uuid) -> Result<(), StoreError> {
    sqlx::query("delete from outbox where state = 'queued' and kind = 'invitation' and subject = ?1")
        .bind(invitation)
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    Ok(())
}
