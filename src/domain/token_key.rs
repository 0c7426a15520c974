//! The keys that sign and verify tokens, as they are stored and as administrators see them. They are named by the id of
//! their public key, in the audit trail as well.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_guard::token::Asymmetric;
use time::OffsetDateTime;

/// The thumbprint of a public key (RFC 7638), which tokens have as `kid`: 43 characters of base64url. It is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 32]);

impl KeyId {
    /// Reads what `Display` writes. Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// A key as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields that have no text say it by their names")]
pub struct StoredKey {
    pub id: KeyId,
    pub algorithm: Asymmetric,
    /// The public key as a JWK.
    pub public_key: String,
    /// The private key, encrypted by `keys`; `None` if it is in a file of the operator, or signs no longer.
    pub sealed_key: Option<String>,
    pub state: KeyState,
    pub published_at: OffsetDateTime,
    /// When it began to sign.
    pub signs_from: Option<OffsetDateTime>,
    /// Whether somebody asked that the next key takes its place.
    pub rotation_asked: bool,
    /// Of a former key the time when it is removed; of a revoked one the time when it was revoked.
    pub accepted_until: Option<OffsetDateTime>,
}

/// The state of a key. A key goes through the first three in this order, and can be revoked in each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// The key is published, so that everybody knows it before it signs.
    Next,
    /// The key signs tokens.
    Current,
    /// The key signs no longer. It is accepted until its last token has expired.
    Former,
    /// The key is never accepted again.
    Revoked,
}

impl KeyState {
    const ALL: [Self; 4] = [Self::Next, Self::Current, Self::Former, Self::Revoked];

    /// The name in the database and for operators.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Former => "former",
            Self::Revoked => "revoked",
        }
    }

    /// Reads what [`Self::as_str`] returns.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::KeyId;

    #[test]
    fn an_id_has_one_spelling() {
        let text = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        assert_eq!(KeyId::parse(text).unwrap().to_string(), text);
        for bad in ["", "NzbL", &text[1..], &format!("{text}="), &text.replace('_', "/"), &text.replace("Xs", "Xt")] {
            assert_eq!(KeyId::parse(bad), None, "{bad}");
        }
    }
}
