//! What an account's owner does with the account's own password and email address: change them, prove the address, come
//! back without the password, and accept an invitation. Apart from signing in, which needs none of it.
//!
//! `email` is about addresses, `password` about passwords, `invitation` about becoming an account by one; here is what they
//! share: proving once more, within a session, that it is the owner who asks.

mod email;
mod invitation;
mod password;

use super::guessing::{Gone, to_its_end};
use super::{Accounts, Actor, refuse_field, turn};
use crate::domain::{AccountStatus, Action, AttemptKey, AuthError, Call, Password};
use crate::store::Credentials;

impl Accounts {
    /// The actor's credentials, if `password` is the account's. A wrong one is a mistake in the request (`field`), and says
    /// nothing against the session: whoever has that is signed in, right or wrong. It counts as a guess all the same, with a
    /// budget of its own: strangers who guess at the sign-in do not hinder this.
    async fn prove(
        &self,
        actor: &Actor,
        action: Action,
        field: &'static str,
        password: &Password,
        call: &Call,
    ) -> Result<Credentials, AuthError> {
        self.hasher.require_room(&turn(call))?;
        // A budget of its own: whoever guesses at the sign-in hinders nobody who is signed in.
        let id = actor.account_id;
        let admitted = self.admit(AttemptKey::change(id), call.deadline).await;
        let mut guess = admitted.inspect_err(self.audit_too_many(action, Some(id), call))?;
        let found = self.store.credentials_of(id).await?;
        let is_the_actors =
            |found: &Credentials| found.account.status == AccountStatus::Active && found.account.epoch == actor.epoch;
        let credentials = found.filter(is_the_actors).ok_or(AuthError::AccountGone)?;
        let (this, password, call) = (self.clone(), password.clone(), call.clone());
        to_its_end(async move |mut gone: Gone| {
            let hash = credentials.password_hash.as_ref();
            if guess.verify(&this.hasher, &password, hash, &call, &mut gone).await?.matches {
                guess.was_right().await?;
                return Ok(credentials);
            }
            match guess.was_wrong(Some(id)).await {
                AuthError::InvalidCredentials => {
                    this.audit(action, &call, id, id, "wrong password");
                    Err(refuse_field(field, "is not the password of this account"))
                }
                other => Err(other),
            }
        })
        .await
    }

    /// The one answer to a link that is none, was used or has expired.
    fn invalid_link<T>(&self, action: Action, call: &Call) -> Result<T, AuthError> {
        self.audit(action, call, None, None, "invalid link");
        Err(AuthError::OneTimeTokenInvalid)
    }
}
