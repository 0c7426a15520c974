//! Verifying an email address, and changing to another one.

use std::sync::Arc;

use crate::accounts::actor::Actor;
use crate::accounts::core::{AFTERLIFE, Accounts};
use crate::accounts::guessing::charge;
use crate::accounts::new_rows::new_id;
use crate::accounts::tasks::run_to_end;
use crate::domain::{
    Account, Action, AuthError, Call, Email, Identity, MailKind, NewMail, Note, Password, Ticket, TicketPurpose,
};

impl Accounts {
    /// Redeems the ticket of a mail: the address that the mail was sent to is verified, and becomes the address of the
    /// account if it is a new one. No session ends.
    pub(crate) async fn verify_email(&self, ticket: &Ticket, call: &Call) -> Result<Account, AuthError> {
        let (this, call, digest, now) = (self.clone(), call.clone(), ticket.digest(), self.clock.now());
        let purpose = self.store.find_ticket(&digest, now).await?.map(|found| found.purpose);
        run_to_end(async move {
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
            this.cache.invalidate(id);
            this.audit(action, &call, None, id, "ok");
            this.store.find_account(id).await?.ok_or(AuthError::OneTimeTokenInvalid)
        })
        .await
    }

    /// Sends the link to verify an address again, if an account needs it. The caller cannot find out whether one does:
    /// this is one insertion for every address, and the account is looked up when the mail is sent.
    pub(crate) async fn resend_verification(&self, email: Email, call: &Call) -> Result<(), AuthError> {
        self.request_mail(MailKind::VerifyEmail, email, call).await
    }

    /// Sends a link to the address that the actor wants to change to; the address changes once the link is used. The
    /// answer does not tell whether the address is taken: only the mail to that address does.
    pub(crate) async fn request_email_change(
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
        let queued = run_to_end(async move {
            let queued = store.queue_email_change(&proved, session_id, &mail).await?;
            charge.spend();
            Ok(queued)
        });
        // The password was changed since it was proved, or the session has ended. Either may have been done to shut
        // this caller out.
        if !queued.await? {
            return Err(AuthError::AccountGone);
        }
        self.audit(action, call, account.id, account.id, "ok");
        Ok(())
    }

    /// Queues a mail: one insertion, which is the same for every address and kind.
    pub(super) async fn request_mail(&self, kind: MailKind, recipient: Email, call: &Call) -> Result<(), AuthError> {
        let action = match kind {
            MailKind::ResetPassword => Action::PasswordResetRequested,
            _ => Action::VerificationRequested,
        };
        let charge = charge(&self.budgets.mail_requests, call).inspect_err(self.audit_too_many(action, None, call))?;
        let mail = NewMail::to_address(new_id(&*self.clock), kind, recipient.clone(), self.clock.now());
        let store = Arc::clone(&self.store);
        // The caller is not told whether it was queued, because that depends on earlier requests for the address.
        run_to_end(async move {
            let _queued = store.queue_mail(&mail).await?;
            charge.spend();
            Ok(())
        })
        .await?;
        self.audit.note_mail_request(Note::new(action, "ok", call), recipient);
        Ok(())
    }
}
