//! The keys: one that signs, and those still accepted.

use std::fmt;

use jsonwebtoken::crypto;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

/// Secrets of at least 32 bytes that stand in some documentation, ours included: whoever can read can sign.
const PUBLISHED: [&str; 5] = [
    "replace-this-with-32-random-bytes-or-more",
    "your-256-bit-secret-your-256-bit-secret",
    "a-string-secret-at-least-256-bits-long",
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "your-super-secret-jwt-token-with-at-least-32-characters-long",
];

/// A secret fit to sign with: at least 32 bytes (RFC 7518 section 3.2), not published anywhere we know.
#[derive(Clone)]
pub struct Secret(SecretString);

/// Why a text is no [`Secret`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// HS256 is only as strong as its key.
    #[error("must have at least 32 bytes: make one with `openssl rand -base64 48`")]
    TooShort,
    /// Known to everybody.
    #[error("is an example from documentation: make one with `openssl rand -base64 48`")]
    Published,
}

impl Secret {
    /// Takes the text as it is; its bytes are the key.
    pub fn parse(text: String) -> Result<Self, SecretError> {
        if text.len() < 32 {
            return Err(SecretError::TooShort);
        }
        if PUBLISHED.contains(&text.as_str()) {
            return Err(SecretError::Published);
        }
        Ok(Self(SecretString::from(text)))
    }

    /// Whether `text` is this secret; in a time that does not tell where they differ.
    pub fn is(&self, text: &str) -> bool {
        self.0.expose_secret().as_bytes().ct_eq(text.as_bytes()).into()
    }

    /// As a header carries it (RFC 6750 section 2.1).
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0.expose_secret())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Signs with one key, accepts that and the previous one, so that a secret can be changed without signing anyone out.
/// The algorithm belongs to the key, HS256: a token has no say in it.
pub struct Keyring {
    signing: EncodingKey,
    accepted: Vec<DecodingKey>,
}

impl Keyring {
    /// Signs with `current`; tokens of `previous` are still accepted, and slide to `current`.
    pub fn new(current: &Secret, previous: Option<&Secret>) -> Self {
        let bytes = |secret: &Secret| secret.0.expose_secret().as_bytes().to_vec();
        Self {
            signing: EncodingKey::from_secret(&bytes(current)),
            accepted: [Some(current), previous]
                .into_iter()
                .flatten()
                .map(|secret| DecodingKey::from_secret(&bytes(secret)))
                .collect(),
        }
    }

    /// The signature of `message` in base64url.
    pub(super) fn sign(&self, message: &str) -> Result<String, jsonwebtoken::errors::Error> {
        crypto::sign(message.as_bytes(), &self.signing, Algorithm::HS256)
    }

    /// Whether an accepted key made this signature (base64url). Compared in constant time by the crypto library.
    pub(super) fn accepts(&self, message: &str, signature: &str) -> bool {
        self.accepted
            .iter()
            .any(|key| crypto::verify(signature, message.as_bytes(), key, Algorithm::HS256).unwrap_or(false))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("accepted", &self.accepted.len()).finish_non_exhaustive()
    }
}
