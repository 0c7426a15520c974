//! Accepting an invitation, which creates an account in a firm. Inviting is in `administration::invitations`.

use crate::accounts::administration::Reach;
use crate::accounts::core::{Accounts, turn};
use crate::accounts::new_rows::{new_id, to_the_second};
use crate::accounts::tasks::run_to_end;
use crate::domain::{
    Account, AccountStatus, Action, AuthError, Call, Detail, Identity, Invitation, NewAccount, Note, Password,
    PasswordContext, PersonName, Ticket,
};

impl Accounts {
    /// Redeems the ticket of an invitation: creates an account with its address and role in its firm, with the address
    /// verified, whether or not registration is open. Does not sign in.
    pub(crate) async fn accept_invitation(
        &self,
        ticket: &Ticket,
        name: PersonName,
        password: Password,
        call: &Call,
    ) -> Result<Account, AuthError> {
        let (digest, now) = (ticket.digest(), self.clock.now());
        let invitation = self.store.find_invitation_by_ticket(&digest, now).await?;
        let Some(invitation) = invitation else {
            return self.invalid_link(Action::InvitationAccepted, call);
        };
        if !self.may_still_invite(&invitation).await? {
            return self.invalid_link(Action::InvitationAccepted, call);
        }
        let identity = Identity::Email {
            email: invitation.email,
            name,
            firm: invitation.firm,
            role: invitation.role,
            verified: true,
        };
        let password = self.check_new_password("password", password, &PasswordContext::of(&identity)).await?;
        let password_hash = Some(self.hasher.hash(password.as_password(), turn(call)).await?);
        let created_at = to_the_second(self.clock.now());
        let new = NewAccount { id: new_id(&*self.clock), identity, joins: true, password_hash, created_at };
        let account = Account {
            id: new.id,
            identity: new.identity.clone(),
            status: AccountStatus::Active,
            epoch: 0,
            created_at,
            platform_admin: false,
        };
        let (this, call, joined) = (self.clone(), call.clone(), Detail::Invitation(invitation.id));
        run_to_end(async move {
            if !this.store.accept_invitation(&digest, &new, this.clock.now()).await? {
                return this.invalid_link(Action::InvitationAccepted, &call);
            }
            this.audit.note(Note::new(Action::InvitationAccepted, "ok", &call).on(new.id).with(joined));
            Ok(account)
        })
        .await
    }

    /// Whether the author of the invitation still administers the firm. Invitations of an administrator that was
    /// removed since are void.
    async fn may_still_invite(&self, invitation: &Invitation) -> Result<bool, AuthError> {
        let Some(id) = invitation.invited_by else {
            return Ok(true);
        };
        let inviter = self.store.find_account(id).await?;
        let active = inviter.filter(|inviter| inviter.status == AccountStatus::Active);
        Ok(match active.as_ref().and_then(Reach::of) {
            Some(Reach::Everything) => true,
            Some(Reach::Firm(id)) => id == invitation.firm.id,
            None => false,
        })
    }
}
