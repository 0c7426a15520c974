//! The keys: one that signs, and those still accepted.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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
/// The algorithm belongs to the key, HS256: a token has no say in it. Each key is made ready once, which is most of what a
/// short HMAC costs.
pub struct Keyring {
    signing: hmac::Key,
    previous: Option<hmac::Key>,
}

/// An HMAC-SHA256.
#[derive(Clone, Copy)]
pub(super) struct Signature([u8; 32]);

impl Keyring {
    /// Signs with `current`; tokens of `previous` are still accepted, and slide to `current`.
    pub fn new(current: &Secret, previous: Option<&Secret>) -> Self {
        let key = |secret: &Secret| hmac::Key::new(hmac::HMAC_SHA256, secret.0.expose_secret().as_bytes());
        Self { signing: key(current), previous: previous.map(key) }
    }

    /// Appends the signature of what `message` holds, in base64url and after a dot.
    pub(super) fn sign(&self, message: &mut String) {
        let tag = hmac::sign(&self.signing, message.as_bytes());
        message.push('.');
        URL_SAFE_NO_PAD.encode_string(tag, message);
    }

    /// Whether an accepted key made this signature. Compared in constant time by the crypto library.
    pub(super) fn accepts(&self, message: &str, signature: &Signature) -> bool {
        let made_by = |key| hmac::verify(key, message.as_bytes(), &signature.0).is_ok();
        made_by(&self.signing) || self.previous.as_ref().is_some_and(made_by)
    }
}

impl Signature {
    /// From canonical base64url of 32 bytes: a last character with bits left over would be another spelling.
    pub fn decode(text: &str) -> Option<Self> {
        // As many as 43 characters could be, which is what the decoder asks for.
        let mut bytes = [0; 33];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        bytes[..length].try_into().ok().map(Self)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("has_previous", &self.previous.is_some()).finish_non_exhaustive()
    }
}
