//! Listing, rotating and revoking the keys of tokens, for platform administrators. Each change takes effect in this
//! process before it is acknowledged, and in all other processes through the revocation feed.

use super::changes::By;
use super::reach::Reach;
use crate::accounts::actor::Actor;
use crate::accounts::core::Accounts;
use crate::accounts::errors::refuse_field;
use crate::accounts::tasks::run_to_end;
use crate::domain::{Action, AuthError, Call, Detail, KeyId};
use crate::keys::{self, Rotation, RotationError};
use crate::store::StoredKey;

impl Accounts {
    /// All keys, the oldest first.
    pub(crate) async fn list_signing_keys(&self, actor: &Actor, call: &Call) -> Result<Vec<StoredKey>, AuthError> {
        self.require_platform_administrator(actor, call).await?;
        Ok(self.store.token_keys().await?.keys)
    }

    /// Lets the next key sign, now or when it has been published for an hour.
    pub(crate) async fn rotate_signing_keys(
        &self,
        actor: &Actor,
        immediately: bool,
        call: Call,
    ) -> Result<Rotation, AuthError> {
        self.require_platform_administrator(actor, &call).await?;
        let (this, by) = (self.clone(), By::Account(actor.account_id, call));
        run_to_end(async move {
            let (store, clock) = (&*this.store, &this.clock);
            let lifetime = this.rules.username_token_lifetime.max(this.rules.email_token_lifetime);
            let rotation = keys::rotate(store, || clock.now(), lifetime, immediately).await?;
            this.audit.note(by.note(rotation_action(&rotation), "ok").with(Detail::Key(rotation.id)));
            this.keys.refresh().await?;
            Ok(rotation)
        })
        .await
    }

    /// Revokes a key and all tokens that it signed. `id` is `None` if it cannot be that of a key.
    pub(crate) async fn revoke_signing_key(
        &self,
        actor: &Actor,
        id: Option<KeyId>,
        call: Call,
    ) -> Result<(), AuthError> {
        self.require_platform_administrator(actor, &call).await?;
        let id = id.ok_or(RotationError::Unknown)?;
        let (this, by) = (self.clone(), By::Account(actor.account_id, call));
        run_to_end(async move {
            keys::revoke(&*this.store, id, this.clock.now()).await?;
            this.audit.note(by.note(Action::KeyRevoked, "ok").with(Detail::Key(id)));
            this.keys.refresh().await?;
            Ok(())
        })
        .await
    }

    async fn require_platform_administrator(&self, actor: &Actor, call: &Call) -> Result<(), AuthError> {
        match self.administrator(actor, call).await? {
            (_, Reach::Everything) => Ok(()),
            _ => self.not_allowed(actor, None, call),
        }
    }
}

/// The event of a rotation: it was made, or asked for.
pub(in crate::accounts) fn rotation_action(rotation: &Rotation) -> Action {
    if rotation.planned_at.is_some() { Action::KeyRotationRequested } else { Action::KeyRotated }
}

impl From<RotationError> for AuthError {
    fn from(error: RotationError) -> Self {
        match error {
            RotationError::NoNextKey => Self::NotFound("next signing key"),
            RotationError::Unknown => Self::NotFound("signing key"),
            RotationError::InFile => {
                refuse_field("key_id", "is in SIGNING_KEY_FILE: replace the file and restart the servers first")
            }
            RotationError::Store(error) => error.into(),
        }
    }
}
