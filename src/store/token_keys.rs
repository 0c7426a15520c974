//! The keys that sign tokens with an asymmetric algorithm, and which kinds of keys sign. What changes when is decided
//! in `keys`; the store makes each change whole, and of several processes that make it at the same time, one succeeds.

use std::time::Duration;

use async_trait::async_trait;
use countersign_guard::revocations::Revocation;
use countersign_guard::token::Asymmetric;
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;
use crate::domain::{KeyId, KeyState, StoredKey};

/// The revocation that tells every process that the keys have changed. It ends nothing: no account has this id.
pub(crate) const KEYS_CHANGED: Revocation = Revocation::Account { id: Uuid::nil(), epoch: 0 };

/// The keys of tokens.
#[async_trait]
pub trait TokenKeyStore: Send + Sync + 'static {
    /// Reads all keys, the oldest first, and all kinds. A row that cannot be read is logged and left out.
    async fn token_keys(&self) -> Result<TokenKeyRows, StoreError>;

    /// Reads the longest token lifetime of all stored sessions.
    async fn longest_token_lifetime(&self) -> Result<Duration, StoreError>;

    /// Makes a change, and tells all processes that follow the revocations ([`KEYS_CHANGED`]); one that does not until
    /// `told_until` must read the keys anew. Returns false if nothing was changed, because the keys are not as the
    /// change expects them.
    async fn change_token_keys(&self, change: &KeyChange, told_until: OffsetDateTime) -> Result<bool, StoreError>;
}

/// All that is stored about keys. Nothing is as long as every server signs with the secret only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields that have no text say it by their names")]
pub struct TokenKeyRows {
    pub keys: Vec<StoredKey>,
    /// Each kind that has signed tokens; `None` if it still does.
    pub kinds: Vec<(TokenKind, Option<FormerKind>)>,
}

impl TokenKeyRows {
    /// Whether every server signs with the secret only, and always has.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.kinds.is_empty()
    }

    /// The key in this state, of which there is at most one: the next or the current one.
    pub fn the(&self, state: KeyState) -> Option<&StoredKey> {
        self.keys.iter().find(|key| key.state == state)
    }
}

/// The two kinds of keys that tokens are signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// The secret, with HS256.
    Secret,
    /// The stored keys, with an asymmetric algorithm.
    Keys,
}

impl TokenKind {
    /// The name in the database.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Keys => "keys",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Secret, Self::Keys].into_iter().find(|kind| kind.as_str() == text)
    }

    /// Returns the other one of the two kinds.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Secret => Self::Keys,
            Self::Keys => Self::Secret,
        }
    }
}

/// A kind that servers have switched from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormerKind {
    /// The time until which it signed tokens.
    pub signed_until: OffsetDateTime,
    /// The time after that for which its tokens are accepted.
    pub accepted_for: Duration,
}

impl FormerKind {
    /// The time from which none of its tokens is accepted.
    pub(crate) fn accepted_until(self) -> OffsetDateTime {
        self.signed_until + self.accepted_for
    }
}

/// A key that is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields that have no text say it by their names")]
pub struct NewKey {
    pub id: KeyId,
    pub algorithm: Asymmetric,
    /// The public key as a JWK.
    pub public_key: String,
}

/// A change of the stored keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields that have no text say it by their names")]
pub enum KeyChange {
    /// Stores the next key with its encrypted private key, unless there is a next key.
    Publish { key: NewKey, sealed_key: String, at: OffsetDateTime },
    /// Deletes the next key, which has never signed.
    Withdraw { id: KeyId },
    /// Makes the next key the current one. The key before it is accepted until `former_until`.
    Promote { id: KeyId, at: OffsetDateTime, former_until: OffsetDateTime },
    /// Makes a key of the operator's file the current one, unless it was revoked. There is no next key then.
    Give { key: NewKey, at: OffsetDateTime, former_until: OffsetDateTime },
    /// Asks that the next key takes the place of this current one as soon as it may.
    AskRotation { id: KeyId },
    /// Revokes a key. If it was the current one, the next key takes its place at once.
    Revoke { id: KeyId, at: OffsetDateTime },
    /// Deletes a former key that is accepted no longer at this time.
    Remove { id: KeyId, now: OffsetDateTime },
    /// Notes that tokens are signed with `to`. If there are tokens of the other kind, they were signed until now, and
    /// the last of them has expired after this time.
    Switch { to: TokenKind, at: OffsetDateTime, other_accepted_for: Option<Duration> },
    /// Notes that a server still signs with a kind that others have switched from.
    StillSigns { kind: TokenKind, until: OffsetDateTime },
    /// Deletes a kind of which the last token has expired at this time, and its keys.
    RemoveKind { kind: TokenKind, now: OffsetDateTime },
}
