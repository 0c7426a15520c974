//! Proving that mail to an address arrives, and changing to another address.

use std::sync::Arc;

use crate::accounts::guessing::charge;
use crate::accounts::{Accounts, Actor, LONGEST_WAIT, new_id, uninterrupted};
use crate::domain::{Account, AuthError, Call, Email, Identity, MailKind, NewMail, Password, Ticket, TicketPurpose};

impl Accounts {
    /// Uses the ticket of a mail: the address that it was sent to is verified, and, if it is another than the account had,
    /// counts from now on. No session ends.
    pub async fn verify_email(&self, ticket: &Ticket) -> Result<Account, AuthError> {
        let (this, digest, now) = (self.clone(), ticket.digest(), self.clock.now());
        let purpose = self.store.find_ticket(&digest, now).await?.map(|found| found.purpose);
        uninterrupted(async move {
            let until = now + LONGEST_WAIT;
            let (event, id) = match purpose {
                Some(TicketPurpose::VerifyEmail) => {
                    ("email_verified", this.store.verify_email(&digest, now, until).await?)
                }
                Some(TicketPurpose::ChangeEmail) => {
                    let notice = new_id(&*this.clock);
                    let change = this.store.change_email(&digest, notice, now, until).await?;
                    ("email_changed", change.map(|change| change.account_id))
                }
                Some(TicketPurpose::ResetPassword | TicketPurpose::Invitation) | None => ("email_verified", None),
            };
            let id = id.ok_or(AuthError::OneTimeTokenInvalid)?;
            this.known.forget(id);
            tracing::info!(event, result = "ok", account = %id);
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
        let account = self.prove(actor, "password", password, call).await?.account;
        if matches!(account.identity, Identity::Username(_)) {
            return Err(AuthError::InsufficientPermissions);
        }
        let (id, queued_at) = (new_id(&*self.clock), self.clock.now());
        let mail = NewMail { id, kind: MailKind::ChangeEmail, recipient: email, subject: account.id, queued_at };
        self.queue(mail).await?;
        tracing::info!(event = "email_change", result = "requested", account = %account.id);
        Ok(())
    }

    /// One insertion, the same for every address and kind.
    pub(super) async fn request_mail(&self, kind: MailKind, recipient: Email, call: &Call) -> Result<(), AuthError> {
        charge(&self.budgets.mail_requests, call)?.spend();
        self.queue(NewMail::to_address(new_id(&*self.clock), kind, recipient, self.clock.now())).await?;
        tracing::info!(event = "mail", result = "requested", kind = kind.as_str());
        Ok(())
    }

    pub(super) async fn queue(&self, mail: NewMail) -> Result<(), AuthError> {
        let store = Arc::clone(&self.store);
        // Whether it was is not told: it depends on who asked before.
        uninterrupted(async move { Ok(store.queue_mail(&mail).await?) }).await.map(|_queued| ())
    }
}
