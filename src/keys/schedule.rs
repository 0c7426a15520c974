//! When keys are published, sign and go: pure functions of the stored keys and the time. They name one change at a
//! time, and each change is one transaction, so a server that is killed between two of them, or that makes one at the
//! same moment as another server, leaves keys from which the next server goes on.

use std::time::Duration;

use countersign_guard::token::Asymmetric;
use time::OffsetDateTime;

use crate::domain::KeyId;
use crate::store::{KeyState, StoredKey, TokenKeyRows};

/// How long a key is published before it signs, at least. Token libraries look for new keys again only after as much as
/// 15 minutes, and proxies and caches may be slower.
pub(crate) const PUBLISHED_AHEAD: Duration = Duration::from_secs(3_600);

/// How much longer than a token lives a former key is accepted: for servers that hear of the next key late, and for
/// clocks that differ.
pub(super) const ACCEPTED_BEYOND: Duration = Duration::from_secs(600);

/// How long other processes are told of a change. The feed of a process that was cut off for longer reads all anew.
pub(super) const TOLD_FOR: Duration = Duration::from_secs(600);

/// The next change of the stored keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyStep {
    /// Make a key of this algorithm, and publish it as the next one.
    Publish(Asymmetric),
    /// Delete the next key, which has never signed.
    Withdraw(KeyId),
    /// Let the next key sign.
    Promote(KeyId),
    /// Delete a former key.
    Remove(KeyId),
}

/// The first change that a server makes when it starts with this algorithm, and with keys that it makes itself. A
/// setting counts when a server starts and not later, so that servers with different settings do not undo each other's
/// changes for ever. Call it until it returns `None`.
pub(super) fn at_start(rows: &TokenKeyRows, algorithm: Asymmetric, now: OffsetDateTime) -> Option<KeyStep> {
    let (current, next) = (rows.the(KeyState::Current), rows.the(KeyState::Next));
    match (current, next) {
        (_, Some(next)) if next.algorithm != algorithm => Some(KeyStep::Withdraw(next.id)),
        (_, None) => Some(KeyStep::Publish(algorithm)),
        // The private key of the current one is in a file that this server was not given.
        (Some(current), Some(next)) if current.sealed_key.is_none() => Some(KeyStep::Promote(next.id)),
        (None, Some(next)) => Some(KeyStep::Promote(next.id)),
        (Some(_), Some(_)) => expired(rows, now),
    }
}

/// The next change that a server makes which makes keys itself. `rotation` is the time that a key signs.
pub(super) fn step(rows: &TokenKeyRows, rotation: Option<Duration>, now: OffsetDateTime) -> Option<KeyStep> {
    let (current, next) = (rows.the(KeyState::Current), rows.the(KeyState::Next));
    let step = match (current, next) {
        (Some(current), None) if current.sealed_key.is_some() => Some(KeyStep::Publish(current.algorithm)),
        (Some(current), Some(next)) if is_due(current, next, rotation, now) => Some(KeyStep::Promote(next.id)),
        (None, Some(next)) => Some(KeyStep::Promote(next.id)),
        // Only after the current and the next key were revoked together: the last one says which algorithm was meant.
        (None, None) => rows.keys.last().map(|last| KeyStep::Publish(last.algorithm)),
        _ => None,
    };
    step.or_else(|| expired(rows, now))
}

/// The former key that is deleted next.
pub(super) fn expired(rows: &TokenKeyRows, now: OffsetDateTime) -> Option<KeyStep> {
    let is_over = |key: &&StoredKey| key.state == KeyState::Former && key.accepted_until.is_some_and(|end| end <= now);
    rows.keys.iter().find(is_over).map(|key| KeyStep::Remove(key.id))
}

/// The time from which a key may sign.
pub(super) fn may_sign_from(next: &StoredKey) -> OffsetDateTime {
    next.published_at + PUBLISHED_AHEAD
}

/// Whether the next key takes the place of the current one: it has been published for long enough, and the current one
/// has signed for long enough, or is of another algorithm, or somebody asked for it.
fn is_due(current: &StoredKey, next: &StoredKey, rotation: Option<Duration>, now: OffsetDateTime) -> bool {
    let is_over = |rotation| current.signs_from.is_some_and(|from| from + rotation <= now);
    let is_wanted = current.rotation_asked || current.algorithm != next.algorithm || rotation.is_some_and(is_over);
    is_wanted && may_sign_from(next) <= now
}

#[cfg(test)]
mod tests;
