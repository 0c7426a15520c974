//! Proof within a session that the caller knows the password, and the answer to an invalid link. Separate because
//! changing a password and changing an address both ask for the proof.

use crate::accounts::actor::Actor;
use crate::accounts::core::{Accounts, turn};
use crate::accounts::errors::refuse_field;
use crate::accounts::tasks::{run_to_end, watch_caller};
use crate::domain::{AccountStatus, Action, AttemptKey, AuthError, Call, Password};
use crate::store::Credentials;

impl Accounts {
    /// Returns the credentials of the actor if `password` is right. A wrong password is an invalid `field` of the
    /// request and does not end the session. It counts as a guess, in a counter of its own: strangers who guess at the
    /// sign-in cannot keep the owner from changing the password.
    pub(super) async fn prove(
        &self,
        actor: &Actor,
        action: Action,
        field: &'static str,
        password: &Password,
        call: &Call,
    ) -> Result<Credentials, AuthError> {
        self.hasher.require_room(&turn(call))?;
        let id = actor.account_id;
        let admitted = self.admit(AttemptKey::change(id), call.deadline).await;
        let mut guess = admitted.inspect_err(self.audit_too_many(action, Some(id), call))?;
        let credentials = self.own_credentials(actor).await?;
        let (this, password, call) = (self.clone(), password.clone(), call.clone());
        // Dropped with this future if the caller disconnects.
        let (_connected, mut caller) = watch_caller();
        run_to_end(async move {
            let hash = credentials.password_hash.as_ref();
            if guess.verify(&this.hasher, &password, hash, &call, &mut caller).await?.matches {
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

    /// The account of the actor and its password, if the account is still active and in the epoch of the sign-in.
    pub(super) async fn own_credentials(&self, actor: &Actor) -> Result<Credentials, AuthError> {
        let found = self.store.credentials_of(actor.account_id).await?;
        let is_the_actors =
            |found: &Credentials| found.account.status == AccountStatus::Active && found.account.epoch == actor.epoch;
        found.filter(is_the_actors).ok_or(AuthError::AccountGone)
    }

    /// The answer to a link that is unknown, used or expired.
    pub(super) fn invalid_link<T>(&self, action: Action, call: &Call) -> Result<T, AuthError> {
        self.audit(action, call, None, None, "invalid link");
        Err(AuthError::OneTimeTokenInvalid)
    }
}
