//! Passwords: changed by whoever knows the one before, reset by whoever reads the account's mail.

use countersign_guard::revocations::Revocation;
use countersign_guard::token::MAX_LIFETIME;

use crate::accounts::{AFTERLIFE, Accounts, Actor, new_id, refuse_field, turn, uninterrupted};
use crate::domain::{
    Action, AuthError, Call, Detail, Email, Identity, MailKind, NewMail, Note, Password, PasswordContext, Ticket,
};
use crate::store::Credentials;

impl Accounts {
    /// Gives the actor's account another password. All its other sessions end, durably and at once; tells how many.
    pub async fn change_password(
        &self,
        actor: &Actor,
        current: &Password,
        new: Password,
        call: &Call,
    ) -> Result<usize, AuthError> {
        let seen = self.prove(actor, Action::PasswordChanged, "current_password", current, call).await?;
        let context = PasswordContext::of(&seen.account.identity);
        let new = self.judge_new_password("new_password", new, &context).await?;
        let hash = self.hasher.hash(new.as_password(), turn(call)).await?;
        let (this, call, session_id) = (self.clone(), call.clone(), actor.session_id);
        uninterrupted(async move {
            let account_id = seen.account.id;
            let from = this.clock.now() + AFTERLIFE;
            let ended = this.store.change_password(&seen, &hash, session_id, from).await?;
            // Somebody else has changed it since it was verified.
            let ended = ended.ok_or_else(|| refuse_field("current_password", "is not the password of this account"))?;
            for ended in &ended {
                this.revocations.insert(Revocation::Session(ended.stored.session.id), ended.until);
            }
            let note = Note::new(Action::PasswordChanged, "ok", &call).by(account_id).on(account_id);
            this.audit.note(note.with(Detail::Sessions(ended.len() as u64)));
            // The change is made, whatever becomes of these.
            if let Err(error) = this.after_a_new_password(&seen).await {
                tracing::warn!(event = "password_changed", account = %account_id, cause = %error, "its owner is not told");
            }
            Ok(ended.len())
        })
        .await
    }

    /// Has a link sent with which a new password can be set, if there is such an account. As
    /// [`Self::resend_verification`] has it: one insertion for every address.
    pub async fn request_password_reset(&self, email: Email, call: &Call) -> Result<(), AuthError> {
        self.request_mail(MailKind::ResetPassword, email, call).await
    }

    /// Uses the ticket of such a link: the account has another password, and its address is verified. All its sessions end.
    pub async fn reset_password(&self, ticket: &Ticket, new: Password, call: &Call) -> Result<(), AuthError> {
        let (digest, now) = (ticket.digest(), self.clock.now());
        // Before any work: a ticket cannot be guessed, so nobody is told anything by its being quick.
        let found = self.store.find_ticket(&digest, now).await?.and_then(|found| found.account_id);
        let Some(id) = found else {
            return self.invalid_link(Action::PasswordReset, call);
        };
        let seen = self.store.credentials_of(id).await?.ok_or(AuthError::OneTimeTokenInvalid)?;
        let context = PasswordContext::of(&seen.account.identity);
        let new = self.judge_new_password("new_password", new, &context).await?;
        let hash = self.hasher.hash(new.as_password(), turn(call)).await?;
        let (this, call) = (self.clone(), call.clone());
        uninterrupted(async move {
            let now = this.clock.now();
            let until = now + MAX_LIFETIME + AFTERLIFE;
            let reset = this.store.reset_password(&digest, &hash, now, until).await?;
            let Some(reset) = reset else {
                return this.invalid_link(Action::PasswordReset, &call);
            };
            this.revocations.insert(Revocation::Account { id: reset.account_id, epoch: reset.epoch }, until);
            this.known.forget(reset.account_id);
            this.audit(Action::PasswordReset, &call, None, reset.account_id, "ok");
            if let Err(error) = this.after_a_new_password(&seen).await {
                tracing::warn!(event = "password_reset", account = %reset.account_id, cause = %error, "its owner is not told");
            }
            Ok(())
        })
        .await
    }

    /// The owner is told.
    async fn after_a_new_password(&self, seen: &Credentials) -> Result<(), AuthError> {
        let Identity::Email { email, .. } = &seen.account.identity else { return Ok(()) };
        let (id, queued_at) = (new_id(&*self.clock), self.clock.now());
        let (kind, subject) = (MailKind::PasswordChanged, seen.account.id);
        self.store.queue_mail(&NewMail { id, kind, recipient: email.clone(), subject, queued_at }).await?;
        Ok(())
    }
}
