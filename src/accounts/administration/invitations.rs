//! Invitations to a firm: the one way to an account that needs neither open registration nor a password known to
//! somebody else. Accepting one is in `credentials::invitation`.

use std::time::Duration;

use uuid::Uuid;

use super::changes::{By, Changes};
use super::reach::firm_of;
use crate::accounts::actor::Actor;
use crate::accounts::core::Accounts;
use crate::accounts::errors::refuse_field;
use crate::accounts::guessing::charge;
use crate::accounts::new_rows::new_id;
use crate::accounts::page_tokens::{cut_page, parse_page_token};
use crate::accounts::tasks::run_to_end;
use crate::domain::{Action, AuthError, Call, Detail, Email, Invitation, Role};
use crate::store::{InvitationPage, NewInvitation, StoreError};

/// How long an invitation can be accepted.
const LIFETIME: Duration = Duration::from_secs(7 * 86_400);

/// The content of a new invitation.
#[derive(Debug, Clone)]
pub(crate) struct Invited {
    /// The address of the invited person.
    pub email: Email,
    /// The role of the account in the firm.
    pub role: Role,
    /// The firm; the administrator's own if `None`.
    pub firm: Option<Uuid>,
}

/// A page of invitations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvitationList {
    /// The invitations, the newest first.
    pub invitations: Vec<Invitation>,
    /// The token of the next page; empty on the last page.
    pub next_page_token: String,
}

impl Accounts {
    /// Invites a person to a firm. A pending invitation of the same address is replaced.
    pub(crate) async fn create_invitation(
        &self,
        actor: &Actor,
        invited: Invited,
        call: Call,
    ) -> Result<Invitation, AuthError> {
        let firm = self.inviting_firm(actor, invited.firm, &call).await?;
        let charge = charge(&self.budgets.mail_requests, &call);
        charge.inspect_err(self.audit_too_many(Action::InvitationCreated, Some(actor.account_id), &call))?.spend();
        let (this, by) = (self.clone(), By::Account(actor.account_id, call));
        run_to_end(async move { this.changes().invite(&by, firm, invited.email, invited.role).await }).await
    }

    /// Up to `limit` pending invitations of a firm; from the newest when `page_token` is empty.
    pub(crate) async fn list_invitations(
        &self,
        actor: &Actor,
        firm: Option<Uuid>,
        limit: u32,
        page_token: &str,
        call: &Call,
    ) -> Result<InvitationList, AuthError> {
        let firm = self.inviting_firm(actor, firm, call).await?;
        let query = format!("invitations {firm}");
        let after = parse_page_token(page_token, |token| self.open_position(&query, token))?;
        let page = InvitationPage { after, limit: limit.saturating_add(1), now: self.clock.now() };
        let (invitations, last) = cut_page(self.store.list_invitations(firm, &page).await?.logged(), limit);
        let next_page_token =
            last.map_or_else(String::new, |last| self.seal_position(&query, (last.created_at, last.id)));
        Ok(InvitationList { invitations, next_page_token })
    }

    /// Withdraws a pending invitation.
    pub(crate) async fn revoke_invitation(&self, actor: &Actor, id: Uuid, call: Call) -> Result<(), AuthError> {
        let (_, reach) = self.administrator(actor, &call).await?;
        let found = self.store.find_invitation(id, self.clock.now()).await?;
        found.filter(|found| reach.firm(Some(found.firm.id)).is_ok()).ok_or(AuthError::NotFound("invitation"))?;
        let (this, by) = (self.clone(), By::Account(actor.account_id, call));
        run_to_end(async move {
            let gone = this.changes().revoke_invitation(&by, id).await?;
            gone.map(|_| ()).ok_or(AuthError::NotFound("invitation"))
        })
        .await
    }

    /// The existing firm that a request about invitations concerns.
    async fn inviting_firm(&self, actor: &Actor, asked: Option<Uuid>, call: &Call) -> Result<Uuid, AuthError> {
        let (own, reach) = self.administrator(actor, call).await?;
        let Some(id) = reach.firm(asked)?.or(firm_of(&own)) else {
            return Err(refuse_field("firm_id", "is required: you belong to no firm yourself"));
        };
        let firm = self.store.find_firm(id).await?.ok_or(AuthError::NotFound("firm"))?;
        Ok(firm.firm.id)
    }
}

impl Changes {
    /// Stores an invitation, and queues its mail.
    pub(crate) async fn invite(&self, by: &By, firm: Uuid, email: Email, role: Role) -> Result<Invitation, AuthError> {
        let id = new_id(&*self.clock);
        let created_at = self.clock.now().truncate_to_millisecond();
        let new = NewInvitation {
            id,
            firm_id: firm,
            email,
            role,
            invited_by: by.account(),
            created_at,
            expires_at: created_at + LIFETIME,
        };
        let note = |result| by.note(Action::InvitationCreated, result).within(Some(firm));
        match self.store.create_invitation(&new, new_id(&*self.clock)).await {
            Ok(true) => self.audit.note(note("ok").with(Detail::Invitation(id))),
            Ok(false) => return Err(AuthError::NotFound("firm")),
            Err(StoreError::HandleTaken) => {
                self.audit.note(note("taken"));
                return Err(AuthError::HandleTaken);
            }
            Err(error) => return Err(error.into()),
        }
        self.store.find_invitation(id, created_at).await?.ok_or(AuthError::NotFound("invitation"))
    }

    /// Withdraws an invitation and returns it; `None` if it was not pending.
    pub(crate) async fn revoke_invitation(&self, by: &By, id: Uuid) -> Result<Option<Invitation>, AuthError> {
        let revoked = self.store.revoke_invitation(id, self.clock.now()).await?;
        if let Some(invitation) = &revoked {
            let note = by.note(Action::InvitationRevoked, "ok").within(Some(invitation.firm.id));
            self.audit.note(note.with(Detail::Invitation(id)));
        }
        Ok(revoked)
    }
}
