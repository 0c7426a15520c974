//! Reads a JSON Web Key Set (RFC 7517 section 5). Separate because it reads what a stranger may have written, and skips
//! what it does not know: a new kind of key must not shut out the others.

use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde_json::Value;

use crate::token::PublicKey;

/// The most bytes of a set.
pub(super) const MAX_SET_BYTES: usize = 1 << 20;

/// The most keys of a set that are used.
const MAX_KEYS: usize = 64;

/// Why a text is no key set.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetError {
    #[error("the key set has more than 1 MiB")]
    TooLong,
    #[error("the answer is no JSON Web Key Set")]
    Malformed(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct JsonKeySet {
    keys: Vec<Value>,
}

/// Reads the keys that can verify a token, each with its name, which is its thumbprint if the set does not say one. Two
/// keys of one name are both left out: a token could not say which of them it means.
pub(super) fn read(body: &[u8]) -> Result<Vec<(String, PublicKey)>, SetError> {
    if body.len() > MAX_SET_BYTES {
        return Err(SetError::TooLong);
    }
    let JsonKeySet { keys } = serde_json::from_slice(body)?;
    let mut found: Vec<(String, PublicKey)> = Vec::new();
    let mut ambiguous = Vec::new();
    for (name, key) in keys.into_iter().filter_map(usable).take(MAX_KEYS) {
        match found.iter().find(|(known, _)| *known == name) {
            None => found.push((name, key)),
            Some((_, same)) if same.id() == key.id() => {}
            Some(_) => ambiguous.push(name),
        }
    }
    if !ambiguous.is_empty() {
        tracing::warn!(event = "jwks", names = ?ambiguous, "two keys have one name, so neither is used");
        found.retain(|(name, _)| !ambiguous.contains(name));
    }
    if found.is_empty() {
        tracing::warn!(event = "jwks", "the issuer has no key that can verify a token");
    }
    Ok(found)
}

fn usable(json: Value) -> Option<(String, PublicKey)> {
    let jwk: Jwk = serde_json::from_value(json).ok()?;
    let key = PublicKey::from_jwk(&jwk)?;
    Some((jwk.common.key_id.unwrap_or_else(|| key.id().to_owned()), key))
}
