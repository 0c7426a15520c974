//! The rows of the tables `token_keys` and `token_kinds`.

use std::time::Duration;

use countersign_guard::token::Asymmetric;

use super::{from_millis, from_row, impossible};
use crate::domain::{KeyId, KeyState, StoredKey};
use crate::store::StoreError;
use crate::store::token_keys::{FormerKind, TokenKind};

pub(in crate::store) struct KeyRow {
    kid: String,
    algorithm: String,
    public_key: String,
    sealed_key: Option<String>,
    state: String,
    published_at: i64,
    signs_from: Option<i64>,
    rotation_asked: i64,
    accepted_until: Option<i64>,
}

from_row!(KeyRow:
    kid, algorithm, public_key, sealed_key, state, published_at, signs_from, rotation_asked, accepted_until
);

impl KeyRow {
    /// Returns the keys that can be read, and logs the others.
    pub(in crate::store) fn readable(rows: Vec<Self>) -> Vec<StoredKey> {
        rows.into_iter().filter_map(|row| logged(row.into_key())).collect()
    }

    fn into_key(self) -> Result<StoredKey, StoreError> {
        let impossible = |column| impossible("token_keys", column, &self.kid);
        let time = |millis: Option<i64>, column| {
            millis.map(|millis| from_millis(millis).ok_or_else(|| impossible(column))).transpose()
        };
        Ok(StoredKey {
            id: KeyId::parse(&self.kid).ok_or_else(|| impossible("kid"))?,
            algorithm: algorithm(&self.algorithm).ok_or_else(|| impossible("algorithm"))?,
            state: KeyState::parse(&self.state).ok_or_else(|| impossible("state"))?,
            published_at: from_millis(self.published_at).ok_or_else(|| impossible("published_at"))?,
            signs_from: time(self.signs_from, "signs_from")?,
            accepted_until: time(self.accepted_until, "accepted_until")?,
            rotation_asked: self.rotation_asked == 1,
            public_key: self.public_key,
            sealed_key: self.sealed_key,
        })
    }
}

pub(in crate::store) struct KindRow {
    kind: String,
    signed_until: Option<i64>,
    accepted_for: Option<i64>,
}

from_row!(KindRow: kind, signed_until, accepted_for);

impl KindRow {
    /// Returns the kinds that can be read, and logs the others.
    pub(in crate::store) fn readable(rows: Vec<Self>) -> Vec<(TokenKind, Option<FormerKind>)> {
        rows.into_iter().filter_map(|row| logged(row.into_kind())).collect()
    }

    fn into_kind(self) -> Result<(TokenKind, Option<FormerKind>), StoreError> {
        let impossible = |column| impossible("token_kinds", column, &self.kind);
        let kind = TokenKind::parse(&self.kind).ok_or_else(|| impossible("kind"))?;
        let former = self.signed_until.zip(self.accepted_for).map(|(until, accepted_for)| {
            let signed_until = from_millis(until).ok_or_else(|| impossible("signed_until"))?;
            Ok(FormerKind { signed_until, accepted_for: lifetime(accepted_for) })
        });
        Ok((kind, former.transpose()?))
    }
}

/// A lifetime that is stored in milliseconds.
pub(in crate::store) fn lifetime(millis: i64) -> Duration {
    Duration::from_millis(millis.try_into().unwrap_or(0))
}

fn algorithm(name: &str) -> Option<Asymmetric> {
    [Asymmetric::Es256, Asymmetric::Rs256, Asymmetric::EdDsa].into_iter().find(|algorithm| algorithm.name() == name)
}

fn logged<T>(read: Result<T, StoreError>) -> Option<T> {
    read.inspect_err(|error| tracing::error!(event = "unreadable", cause = error.cause())).ok()
}
