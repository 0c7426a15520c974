//! Rotating and revoking by hand. Functions of the store, because the command line works without a server and without
//! any private key: the servers hear of the change and make the keys that are missing.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::sleep;

use super::schedule;
use crate::domain::KeyId;
use crate::store::{KeyChange, KeyState, Store, StoreError, TokenKeyRows};

/// How long a key must have been published before it signs, if nobody waits for the hour: by then the servers have
/// heard of it, unless the database is in trouble. One that has not looks for it when it gets a token of it.
const HEARD_AFTER: Duration = Duration::from_millis(500);

/// How often it is tried again if other rotations come in between.
const TRIES: usize = 5;

/// How often a next key that is missing is looked for. After a rotation, a server makes another one within a second.
const LOOKS: usize = 20;

/// The time between two such looks.
const LOOK_PERIOD: Duration = Duration::from_millis(100);

/// What a request for a rotation has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The key that signs from then on.
    pub id: KeyId,
    /// When it begins to sign; `None` if it does already.
    pub planned_at: Option<OffsetDateTime>,
}

/// Why keys are not rotated or revoked.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// Tokens are signed with a secret, or no server has made the next key yet.
    #[error("there is no next key to sign with")]
    NoNextKey,
    /// The current key is in a file of the operator.
    #[error("the key that signs is in SIGNING_KEY_FILE: replace the file and restart the servers")]
    InFile,
    /// No key has this id.
    #[error("there is no such key")]
    Unknown,
    /// The database cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Lets the next key sign: now if it has been published for an hour, or if `immediately`; otherwise a server does it
/// when that hour is over. `lifetime` is the longest lifetime of a token by the settings, and `now` the time by the
/// clock that all replicas share.
pub(crate) async fn rotate(
    store: &dyn Store,
    now: impl Fn() -> OffsetDateTime + Send,
    lifetime: Duration,
    immediately: bool,
) -> Result<Rotation, RotationError> {
    let mut seen = None;
    for _ in 0..TRIES {
        let rows = with_next(store).await?;
        let Some(current) = rows.the(KeyState::Current) else { return Err(RotationError::NoNextKey) };
        // Somebody else has rotated the keys meanwhile.
        if *seen.get_or_insert(current.id) != current.id {
            return Ok(Rotation { id: current.id, planned_at: None });
        }
        if current.sealed_key.is_none() {
            return Err(RotationError::InFile);
        }
        let next = rows.the(KeyState::Next).ok_or(RotationError::NoNextKey)?;
        let from = schedule::may_sign_from(next);
        let change = if immediately || from <= now() {
            let unheard = next.published_at + HEARD_AFTER - now();
            sleep(unheard.try_into().unwrap_or_default()).await;
            let (accepted_for, at) = (accepted_for(store, lifetime).await?, now());
            KeyChange::Promote { id: next.id, at, former_until: at + accepted_for }
        } else {
            KeyChange::AskRotation { id: current.id }
        };
        if store.change_token_keys(&change, now() + schedule::TOLD_FOR).await? {
            let is_planned = matches!(change, KeyChange::AskRotation { .. });
            return Ok(Rotation { id: next.id, planned_at: is_planned.then_some(from) });
        }
    }
    Err(RotationError::NoNextKey)
}

/// Reads the keys, and waits a moment if a rotation has just used the next one.
async fn with_next(store: &dyn Store) -> Result<TokenKeyRows, StoreError> {
    for _ in 0..LOOKS {
        let rows = store.token_keys().await?;
        let will_have_one = rows.the(KeyState::Current).is_some_and(|current| current.sealed_key.is_some());
        if rows.the(KeyState::Next).is_some() || !will_have_one {
            return Ok(rows);
        }
        sleep(LOOK_PERIOD).await;
    }
    store.token_keys().await
}

/// Revokes a key: no server accepts a token of it from now on. If it is the current one, the next one signs at once.
pub(crate) async fn revoke(store: &dyn Store, id: KeyId, now: OffsetDateTime) -> Result<(), RotationError> {
    let rows = store.token_keys().await?;
    let key = rows.keys.iter().find(|key| key.id == id).ok_or(RotationError::Unknown)?;
    if key.state == KeyState::Current && key.sealed_key.is_none() {
        return Err(RotationError::InFile);
    }
    // False if it was revoked already, which is what was asked for.
    store.change_token_keys(&KeyChange::Revoke { id, at: now }, now + schedule::TOLD_FOR).await?;
    Ok(())
}

/// How long a key is accepted that signs no longer: for as long as its last token lives, and ten minutes. Stored
/// sessions may have tokens with a longer lifetime than the settings give to new ones.
pub(super) async fn accepted_for(store: &dyn Store, lifetime: Duration) -> Result<Duration, StoreError> {
    Ok(lifetime.max(store.longest_token_lifetime().await?) + schedule::ACCEPTED_BEYOND)
}
