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
use crate::domain::{AccountStatus, AttemptKey, AuthError, Call, Password};
use crate::store::Credentials;

impl Accounts {
    /// The actor's credentials, if `password` is the account's. A wrong one is a mistake in the request (`field`), and says
    /// nothing against the session: whoever has that is signed in, right or wrong.
    async fn prove(
        &self,
        actor: &Actor,
        field: &'static str,
        password: &Password,
        call: &Call,
    ) -> Result<Credentials, AuthError> {
        self.hasher.require_room(&turn(call))?;
        // A budget of its own: whoever guesses at the sign-in hinders nobody who is signed in.
        let guess = self.admit(AttemptKey::change(actor.account_id), None, call.deadline).await?;
        let found = self.store.credentials_of(actor.account_id).await?;
        let is_the_actors =
            |found: &Credentials| found.account.status == AccountStatus::Active && found.account.epoch == actor.epoch;
        let credentials = found.filter(is_the_actors).ok_or(AuthError::AccountGone)?;
        let (hasher, password, turn) = (self.hasher.clone(), password.clone(), turn(call));
        to_its_end(async move |mut gone: Gone| {
            let hash = credentials.password_hash.as_ref();
            if hasher.verify_unless(&password, hash, turn, gone.wait()).await?.matches {
                guess.was_right().await?;
                return Ok(credentials);
            }
            Err(match guess.was_wrong(Some(credentials.account.id)).await {
                AuthError::InvalidCredentials => refuse_field(field, "is not the password of this account"),
                other => other,
            })
        })
        .await
    }
}
