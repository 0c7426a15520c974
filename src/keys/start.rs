//! The steps of a server that starts: its settings become the stored keys, each as one change, before it serves.

use std::time::Duration;

use countersign_guard::token::KeyError;
use tokio::time::sleep;

use super::keeper::{Due, KnownKeys, TokenKeys, TokenKeysParts};
use super::kinds;
use super::private_key::{FileKey, KeySource, OwnKeys};
use super::schedule::{self, KeyStep};
use crate::domain::KeyId;
use crate::store::{KeyChange, KeyState, Listed, StoreError, TokenKeyRows};

/// Why a server cannot have its keys. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The database cannot be read or written.
    #[error("cannot read the database: {0}")]
    Store(#[from] StoreError),
    /// The master secret is not the one that sealed the key.
    #[error(
        "the signing key {0} in the database was sealed with another master secret: give every server the same \
         MASTER_SECRET_FILE, or put the file back that is named as the SQLite database with -master at its end; if the \
         master secret is lost, start once with `countersign serve --accept-new-secret`, which makes new keys"
    )]
    Sealed(KeyId),
    /// The key of the operator's file was revoked.
    #[error("the key of SIGNING_KEY_FILE ({0}) was revoked: make another one, as in `openssl genpkey`")]
    Revoked(KeyId),
    /// No key can be made.
    #[error("no signing key can be made: it {0}")]
    Key(#[from] KeyError),
}

impl TokenKeys {
    /// Reads the keys, brings them in line with the settings, and makes the keyring of them. With
    /// `accept_new`, keys that the master secret does not open are replaced.
    ///
    /// If other servers may be signing with the kind of keys that this one gives up, it waits for `staleness`: then
    /// each of them has heard of its keys, and has said that it still signs, or accepts no token at all.
    pub(crate) async fn open(parts: TokenKeysParts, accept_new: bool, staleness: Duration) -> Result<Self, KeysError> {
        let keys = Self::new(parts);
        match &keys.source {
            KeySource::Secret => {}
            KeySource::Own(own) => keys.make_own(own, accept_new).await?,
            KeySource::File(file) => keys.give(file).await?,
        }
        let rows = keys.read().await?.rows.clone();
        if kinds::must_switch(&rows, keys.source.kind()) {
            keys.switch(&rows, staleness).await?;
        }
        Ok(keys)
    }

    /// Makes the keys that are missing.
    async fn make_own(&self, own: &OwnKeys, accept_new: bool) -> Result<(), KeysError> {
        let unopened = |known: &KnownKeys, state| {
            let key = known.rows.the(state).filter(|key| key.sealed_key.is_some())?;
            own.open(key).is_none().then_some(key.id)
        };
        if !accept_new {
            let known = self.read().await?;
            let unopened = [KeyState::Current, KeyState::Next].into_iter().find_map(|state| unopened(&known, state));
            if let Some(id) = unopened {
                return Err(KeysError::Sealed(id));
            }
        }
        self.make_changes(|known, now| {
            let step = match known.rows.the(KeyState::Next) {
                Some(next) if unopened(known, KeyState::Next).is_some() => Some(KeyStep::Withdraw(next.id)),
                Some(next) if unopened(known, KeyState::Current).is_some() => Some(KeyStep::Promote(next.id)),
                _ => schedule::at_start(&known.rows, own.algorithm, now),
            };
            step.map(Due::Step)
        })
        .await
    }

    /// Makes the key of the operator's file the current one.
    async fn give(&self, file: &FileKey) -> Result<(), KeysError> {
        let key = file.public();
        let is = |known: &KnownKeys, state| known.rows.keys.iter().any(|one| one.id == key.id && one.state == state);
        if is(&*self.read().await?, KeyState::Revoked) {
            return Err(KeysError::Revoked(key.id));
        }
        let accepted_for = self.accepted_for().await?;
        self.make_changes(|known, now| {
            let give = KeyChange::Give { key: key.clone(), at: now, former_until: now + accepted_for };
            (!is(known, KeyState::Current)).then_some(Due::Change(give))
        })
        .await
    }

    /// Notes that tokens are signed with the kind of this server from now on.
    async fn switch(&self, rows: &TokenKeyRows, staleness: Duration) -> Result<(), KeysError> {
        let to = self.source.kind();
        let is_known = rows.kinds.iter().any(|(kind, _)| *kind == to.other());
        // Before keys ever signed, nothing was noted. The secret has signed tokens if there are accounts.
        let had_other =
            is_known || (rows.kinds.is_empty() && self.store.list_accounts(None, 1).await? != Listed::default());
        let other_accepted_for = if had_other { Some(self.accepted_for().await?) } else { None };
        self.make_changes(|known, at| {
            let switch = KeyChange::Switch { to, at, other_accepted_for };
            kinds::must_switch(&known.rows, to).then_some(Due::Change(switch))
        })
        .await?;
        // Only a database server has servers beside this one.
        if had_other && self.store.time().await?.is_some() {
            sleep(staleness).await;
            self.refresh().await?;
        }
        Ok(())
    }
}
