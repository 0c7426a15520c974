//! The keyring and the published keys, made from what is stored. Separate from the keeper because nothing here waits
//! for anything.

use std::time::Duration;

use countersign_guard::token::{FormerKey, Keyring, Limit, PublicKey, Secret, SigningKey};

use super::kinds::{self, KindBounds};
use super::published::PublishedKeys;
use crate::store::{KeyState, StoredKey, TokenKeyRows, TokenKind};

/// The secrets of HS256, which also seal page tokens and cursors, whatever signs tokens.
#[derive(Debug)]
pub(crate) struct Secrets {
    pub current: Secret,
    pub previous: Option<Secret>,
}

impl Secrets {
    /// The keyring of a server that signs with the secret and accepts nothing else.
    pub(super) fn keyring(&self) -> Keyring {
        Keyring::new(&self.current, self.previous.as_ref())
    }
}

/// The public key of a stored key, from `known` if it is there. `None` if the row does not hold the key of its id.
fn public_key(stored: &StoredKey, known: &PublishedKeys) -> Option<PublicKey> {
    let id = stored.id.to_string();
    if let Some(known) = known.keys().iter().find(|known| known.id() == id) {
        return Some(known.clone());
    }
    let read = serde_json::from_str(&stored.public_key).ok().and_then(|jwk| PublicKey::from_jwk(&jwk));
    let read = read.filter(|read| read.id() == id && read.algorithm() == stored.algorithm);
    if read.is_none() {
        tracing::error!(event = "unreadable", table = "token_keys", row = id, column = "public_key");
    }
    read
}

/// The accepted keys of the table with their limits, the one that signs first. `tolerance` is how far the clocks of two
/// servers may differ.
pub(super) fn accepted(
    rows: &TokenKeyRows,
    own: TokenKind,
    tolerance: Duration,
    known: &PublishedKeys,
) -> Vec<(PublicKey, Option<Limit>)> {
    let kind = match (own, kinds::bounds(rows, TokenKind::Keys)) {
        (TokenKind::Keys, _) | (TokenKind::Secret, KindBounds::Unlimited) => None,
        (TokenKind::Secret, KindBounds::Former(former)) => Some(kinds::limit(former, tolerance)),
        (TokenKind::Secret, KindBounds::Refused) => return Vec::new(),
    };
    let limited = |key: &StoredKey| {
        let former = key.accepted_until.map(|until| Limit { last_iat: i64::MAX, until: until.unix_timestamp() });
        match (kind, former) {
            (Some(kind), Some(former)) => Some(Limit { until: kind.until.min(former.until), ..kind }),
            (kind, former) => kind.or(former),
        }
    };
    let in_state = |state| rows.keys.iter().filter(move |key| key.state == state);
    let newest_first = in_state(KeyState::Former).rev();
    let keys = in_state(KeyState::Current).chain(in_state(KeyState::Next)).chain(newest_first);
    keys.filter_map(|key| Some((public_key(key, known)?, limited(key)))).collect()
}

/// The keyring of a server that signs with `signing`, or with the secret.
pub(super) fn keyring(
    secrets: &Secrets,
    signing: Option<SigningKey>,
    accepted: &[(PublicKey, Option<Limit>)],
    rows: &TokenKeyRows,
    tolerance: Duration,
) -> Keyring {
    let ring = secrets.keyring();
    let ring = match signing {
        None => ring,
        Some(key) => former_secrets(ring.signing_with(key), secrets, rows, tolerance),
    };
    accepted.iter().fold(ring, |ring, (key, limit)| match limit {
        None => ring.accepting(key.clone()),
        Some(limit) => ring.accepting_former(FormerKey::Public(key.clone()), *limit),
    })
}

/// Accepts the tokens of the secrets as far as other servers sign with them, or have.
fn former_secrets(ring: Keyring, secrets: &Secrets, rows: &TokenKeyRows, tolerance: Duration) -> Keyring {
    let limit = match kinds::bounds(rows, TokenKind::Secret) {
        KindBounds::Refused => return ring,
        KindBounds::Unlimited => Limit { last_iat: i64::MAX, until: i64::MAX },
        KindBounds::Former(former) => kinds::limit(former, tolerance),
    };
    let all = [Some(&secrets.current), secrets.previous.as_ref()].into_iter().flatten();
    all.fold(ring, |ring, secret| ring.accepting_former(FormerKey::Secret(secret.clone()), limit))
}
