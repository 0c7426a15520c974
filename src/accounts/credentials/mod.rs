//! What an account's owner does with the account's own password and email address: change them, prove the address, come
//! back without the password, and accept an invitation. Apart from signing in, which needs none of it.
//!
//! `email` is about addresses, `password` about passwords, `invitation` about becoming an account by one; here is what they
//! share: proving once more, within a session, that it is the owner who asks.

mod email;
mod invitation;
mod password;

use super::{Accounts, Actor, refuse_field, turn};
use crate::domain::{AccountStatus, AuthError, Call, Password};
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
        let found = self.store.credentials_of(actor.account_id).await?;
        let is_the_actors =
            |found: &Credentials| found.account.status == AccountStatus::Active && found.account.epoch == actor.epoch;
        let credentials = found.filter(is_the_actors).ok_or(AuthError::AccountGone)?;
        let verdict = self.hasher.verify(password, credentials.password_hash.as_ref(), turn(call)).await?;
        if verdict.matches { Ok(credentials) } else { Err(refuse_field(field, "is not the password of this account")) }
    }
}
