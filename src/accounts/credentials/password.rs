//! Changing the password with the present one, and resetting a forgotten one by a link in a mail.

use crate::accounts::actor::Actor;
use crate::accounts::core::{AFTERLIFE, Accounts, turn};
use crate::accounts::errors::refuse_field;
use crate::accounts::notices::notify_owner;
use crate::accounts::tasks::run_to_end;
use crate::domain::{Action, AuthError, Call, Detail, Email, MailKind, Note, Password, PasswordContext, Ticket};
use countersign_guard::revocations::Revocation;
use countersign_guard::token::MAX_LIFETIME;

impl Accounts {
    /// Changes the password of the actor's account. All its other sessions end, durably and at once; returns how many.
    pub(crate) async fn change_password(
        &self,
        actor: &Actor,
        current: &Password,
        new: Password,
        call: &Call,
    ) -> Result<usize, AuthError> {
        let seen = self.prove(actor, Action::PasswordChanged, "current_password", current, call).await?;
        let context = PasswordContext::of(&seen.account.identity);
        let new = self.check_new_password("new_password", new, &context).await?;
        let hash = self.hasher.hash(new.as_password(), turn(call)).await?;
        let (this, call, session_id) = (self.clone(), call.clone(), actor.session_id);
        run_to_end(async move {
            let account_id = seen.account.id;
            let from = this.clock.now() + AFTERLIFE;
            let ended = this.store.change_password(&seen, &hash, session_id, from).await?;
            // Another call has changed the password since it was verified.
            let ended = ended.ok_or_else(|| refuse_field("current_password", "is not the password of this account"))?;
            for ended in &ended {
                this.revocations.insert(Revocation::Session(ended.stored.session.id), ended.until);
            }
            let note = Note::new(Action::PasswordChanged, "ok", &call).by(account_id).on(account_id);
            this.audit.note(note.with(Detail::Sessions(ended.len() as u64)));
            notify_owner(&*this.store, &*this.clock, &seen.account, MailKind::PasswordChanged).await;
            Ok(ended.len())
        })
        .await
    }

    /// Sends a link to set a new password, if an account has the address. Like [`Self::resend_verification`], this is
    /// one insertion for every address.
    pub(crate) async fn request_password_reset(&self, email: Email, call: &Call) -> Result<(), AuthError> {
        self.request_mail(MailKind::ResetPassword, email, call).await
    }

    /// Redeems the ticket of a reset link: sets the password, verifies the address and ends all sessions of the
    /// account.
    pub(crate) async fn reset_password(&self, ticket: &Ticket, new: Password, call: &Call) -> Result<(), AuthError> {
        let (digest, now) = (ticket.digest(), self.clock.now());
        // Before any work: a ticket cannot be guessed, so a quick refusal tells nothing.
        let found = self.store.find_ticket(&digest, now).await?.and_then(|found| found.account_id);
        let Some(id) = found else {
            return self.invalid_link(Action::PasswordReset, call);
        };
        let seen = self.store.credentials_of(id).await?.ok_or(AuthError::OneTimeTokenInvalid)?;
        let context = PasswordContext::of(&seen.account.identity);
        let new = self.check_new_password("new_password", new, &context).await?;
        let hash = self.hasher.hash(new.as_password(), turn(call)).await?;
        let (this, call) = (self.clone(), call.clone());
        run_to_end(async move {
            let now = this.clock.now();
            let until = now + MAX_LIFETIME + AFTERLIFE;
            let reset = this.store.reset_password(&digest, &hash, now, until).await?;
            let Some(reset) = reset else {
                return this.invalid_link(Action::PasswordReset, &call);
            };
            this.revocations.insert(Revocation::Account { id: reset.account_id, epoch: reset.epoch }, until);
            this.cache.invalidate(reset.account_id);
            this.audit(Action::PasswordReset, &call, None, reset.account_id, "ok");
            notify_owner(&*this.store, &*this.clock, &seen.account, MailKind::PasswordChanged).await;
            Ok(())
        })
        .await
    }
}
