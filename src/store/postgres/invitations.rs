//! The statements about invitations. A firm is locked before its invitations, as whoever deletes it does.

use async_trait::async_trait;
use sqlx::Transaction;
use sqlx::postgres::Postgres;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::failure;
use super::{PostgresStore, accounts, outbox, unit};
use crate::domain::{Identity, MailKind, NewAccount, NewMail, TicketDigest};
use crate::store::listing::{Page, by_making};
use crate::store::rows::mail::{InvitationRow, select_invitation};
use crate::store::rows::millis;
use crate::store::{Invitation, InvitationPage, InvitationStore, Listed, NewInvitation, StoreError};

#[async_trait]
impl InvitationStore for PostgresStore {
    async fn create_invitation(&self, invitation: &NewInvitation, mail: Uuid) -> Result<bool, StoreError> {
        let (pool, invitation) = (self.pools.calls()?, invitation.clone());
        let created = unit(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            // One at a time, for two at once could leave two for one address.
            let firm = sqlx::query("select id from firms where id = $1 for no key update")
                .bind(invitation.firm_id)
                .fetch_optional(&mut *tx)
                .await
                .map_err(failure)?;
            if firm.is_none() {
                return Ok(false);
            }
            let taken: bool = sqlx::query_scalar("select exists (select 1 from accounts where email = $1)")
                .bind(invitation.email.as_str())
                .fetch_one(&mut *tx)
                .await
                .map_err(failure)?;
            if taken {
                return Err(StoreError::HandleTaken);
            }
            let before: Option<Uuid> =
                sqlx::query_scalar("delete from invitations where firm_id = $1 and email = $2 returning id")
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
            let mail = NewMail {
                id: mail,
                kind: MailKind::Invitation,
                recipient: invitation.email.clone(),
                subject: invitation.id,
                queued_at: invitation.created_at,
            };
            outbox::queue(&mut tx, &mail).await?;
            tx.commit().await.map_err(failure)?;
            Ok(true)
        })
        .await?;
        self.mail.notify_one();
        Ok(created)
    }

    async fn find_invitation(&self, id: Uuid, now: OffsetDateTime) -> Result<Option<Invitation>, StoreError> {
        let row: Option<InvitationRow> =
            sqlx::query_as(concat!(select_invitation!(), " where invitations.id = $1 and invitations.expires_at > $2"))
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
        let row: Option<InvitationRow> = sqlx::query_as(concat!(
            select_invitation!(),
            " join tickets on invitation_id = invitations.id
              where digest = $1 and tickets.expires_at > $2 and invitations.expires_at > $2"
        ))
        .bind(digest.as_str())
        .bind(millis(now))
        .fetch_optional(&self.pools.calls()?)
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
                " where firm_id = $1 and (invitations.created_at, invitations.id) < ($2, $3)
                      and invitations.expires_at > $4
                  order by invitations.created_at desc, invitations.id desc limit $5"
            ))
            .bind(firm_id)
            .bind(before)
            .bind(before_id)
            .bind(millis(page.now))
            .bind(listed.missing())
            .fetch_all(&self.pools.calls()?)
            .await
            .map_err(failure)?;
            listed.take(&rows, by_making, InvitationRow::into_invitation)?;
        }
        Ok(listed.listed())
    }

    async fn revoke_invitation(&self, id: Uuid, now: OffsetDateTime) -> Result<Option<Invitation>, StoreError> {
        let pool = self.pools.calls()?;
        unit(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let row: Option<InvitationRow> = sqlx::query_as(concat!(
                select_invitation!(),
                " where invitations.id = $1 and invitations.expires_at > $2 for update of invitations"
            ))
            .bind(id)
            .bind(millis(now))
            .fetch_optional(&mut *tx)
            .await
            .map_err(failure)?;
            let Some(row) = row else {
                return Ok(None);
            };
            // Mail first: what is being sent at this moment gets no ticket any more, or the cascade finds it.
            take_back_mail(&mut tx, id).await?;
            sqlx::query("delete from invitations where id = $1").bind(id).execute(&mut *tx).await.map_err(failure)?;
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
        unit(async move {
            let Identity::Email { email, firm, role, .. } = &account.identity else {
                return Ok(false);
            };
            let mut tx = pool.begin().await.map_err(failure)?;
            // The firm, then the invitation, before the ticket: two tickets of one that are used at once would each wait for
            // the other.
            for lock in [
                "select firms.id from firms join invitations on firm_id = firms.id
                     join tickets on invitation_id = invitations.id where digest = $1 for key share of firms",
                "select invitations.id from invitations
                     where id = (select invitation_id from tickets where digest = $1) for update",
            ] {
                sqlx::query(lock).bind(digest.as_str()).execute(&mut *tx).await.map_err(failure)?;
            }
            let invitation: Option<Uuid> = sqlx::query_scalar(
                "delete from tickets where digest = $1 and purpose = 'invitation' and expires_at > $2
                 returning invitation_id",
            )
            .bind(digest.as_str())
            .bind(millis(now))
            .fetch_optional(&mut *tx)
            .await
            .map_err(failure)?;
            let Some(invitation) = invitation else {
                return Ok(false);
            };
            take_back_mail(&mut tx, invitation).await?;
            let accepted = sqlx::query(
                "delete from invitations
                 where id = $1 and firm_id = $2 and email = $3 and role = $4 and expires_at > $5",
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
            accounts::insert(&mut tx, &account).await?;
            tx.commit().await.map_err(failure)?;
            Ok(true)
        })
        .await
    }
}

async fn take_back_mail(tx: &mut Transaction<'_, Postgres>, invitation: Uuid) -> Result<(), StoreError> {
    sqlx::query("delete from outbox where state = 'queued' and kind = 'invitation' and subject = $1")
        .bind(invitation)
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    Ok(())
}
