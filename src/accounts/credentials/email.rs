//! Proving that mail to an address arrives, and changing to another address.

use std::sync::Arc;

use crate::accounts::guessing::charge;
use crate::accounts::{AFTERLIFE, Accounts, Actor, new_id, uninterrupted};
use crate::domain::{
    Account, Action, AuthError, Call, Email, Identity, MailKind, NewMail, Password, Ticket, TicketPurpose,
};

impl Accounts {
    /// Uses the ticket of a mail: the address that it was sent to is verified, and, if it is another than the account had,
    /// counts from now on. No session ends.
    pub async fn verify_email(&self, ticket: &Ticket, call: &Call) -> Result<Account, AuthError> {
        let (this, call, digest, now) = (self.clone(), call.clone(), ticket.digest(), self.clock.now());
        let purpose = self.store.find_ticket(&digest, now).await?.map(|found| found.purpose);
        uninterrupted(async move {
            let until = now + AFTERLIFE;
            let (action, id) = match purpose {
                Some(TicketPurpose::VerifyEmail) => {
                    (Action::EmailVerified, this.store.verify_email(&digest, now, until).await?)
                }
                Some(TicketPurpose::ChangeEmail) => {
                    let notice = new_id(&*this.clock);
                    let change = this.store.change_email(&digest, notice, now, until).await?;
                    (Action::EmailChanged, change.map(|change| change.account_id))
                }
                Some(TicketPurpose::ResetPassword | TicketPurpose::Invitation) | None => (Action::EmailVerified, None),
            };
            let Some(id) = id else {
                return this.invalid_link(action, &call);
            };
            this.known.forget(id);
            this.audit(action, &call, None, id, "ok");
            this.store.find_account(id).await?.ok_or(AuthError::OneTimeTokenInvalid)
        })
        .await
    }

    /// Has the link to verify an address sent again, if an account needs it. Whether one does is found out later, and not
    /// by whoever asks: this is one insertion for every address.
    pub async fn resend_verification(&self, email: Email, call: &Call) -> Result<(), AuthError> {
        self.request_mail(MailKind::VerifyEmail, email, call).await
    }

    /// Has a link sent to the address that the actor wants to change to, where it counts once the link is used. What is said
    /// is the same whether the address is free or not: that is between the service and whoever reads the mail there.
    pub async fn request_email_change(
        &self,
        actor: &Actor,
        email: Email,
        password: &Password,
        call: &Call,
    ) -> Result<(), AuthError> {
        let action = Action::EmailChangeRequested;
        let charge = charge(&self.budgets.mail_requests, call).inspect_err(self.audit_too_many(action, None, call))?;
        let seen = self.prove(actor, action, "password", password, call).await?;
        let account = &seen.account;
        if matches!(account.identity, Identity::Username(_)) {
            return Err(AuthError::InsufficientPermissions);
        }
        let (id, queued_at) = (new_id(&*self.clock), self.clock.now());
        let mail = NewMail { id, kind: MailKind::ChangeEmail, recipient: email, subject: account.id, queued_at };
        let (store, proved, session_id) = (Arc::clone(&self.store), seen.clone(), actor.session_id);
        let queued = uninterrupted(async move {
            let queued = store.queue_email_change(&proved, session_id, &mail).await?;
            charge.spend();
            Ok(queued)
        });
        // Not if the password was set anew since it was proved, or the session ended: that was to shut somebody out.
        if !queued.await? {
            return Err(AuthError::AccountGone);
        }
        self.audit(action, call, account.id, account.id, "ok");
        Ok(())
    }

    /// One insertion, the same for every address and kind.
    pub(super) async fn request_mail(&self, kind: MailKind, recipient: Email, call: &Call) -> Result<(), AuthError> {
        let action = match kind {
            MailKind::ResetPassword => Action::PasswordResetRequested,
            _ => Action::VerificationRequested,
        };
        let charge = charge(&self.budgets.mail_requests, call).inspect_err(self.audit_too_many(action, None, call))?;
        let mail = NewMail::to_address(new_id(&*self.clock), kind, recipient, self.clock.now());
        let store = Arc::clone(&self.store);
        // Whether it was queued is not told: it depends on who asked before.
        uninterrupted(async move {
            let _queued = store.queue_mail(&mail).await?;
            charge.spend();
            Ok(())
        })
        .await?;
        // For which address is not said: anybody types anything there.
        self.audit(action, call, None, None, "ok");
        Ok(())
    }
}
