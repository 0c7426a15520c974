//! The keys: the current one signs tokens, and the previous one is still accepted. Separate because no other file
//! touches the bytes of a secret.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::{hmac, pbkdf2};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::memory::Memory;

/// Secrets of at least 32 bytes that are printed in documentation, this project's included. Everybody could sign with
/// them.
const PUBLISHED: [&str; 5] = [
    "replace-this-with-32-random-bytes-or-more",
    "your-256-bit-secret-your-256-bit-secret",
    "a-string-secret-at-least-256-bits-long",
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "your-super-secret-jwt-token-with-at-least-32-characters-long",
];

/// The rounds of [`Secret::digest`], which take about 20 ms.
const DIGEST_ROUNDS: NonZeroU32 = NonZeroU32::new(100_000).unwrap();

/// The salt of [`Secret::digest`]. It keeps the digest apart from everything else that is derived from a secret.
const DIGEST_LABEL: &[u8] = b"countersign signing key 1";

/// A secret that is strong enough to sign with: it has at least 32 bytes (RFC 7518 section 3.2), and it is not one of
/// the well-known examples. It is wiped from memory when it is dropped, and `Debug` does not show it.
#[derive(Clone)]
pub struct Secret(SecretString);

/// The reason why [`Secret::parse`] refused a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The text has fewer than 32 bytes. HS256 is only as strong as its key.
    #[error("must have at least 32 bytes: make one with `openssl rand -base64 48`")]
    TooShort,
    /// The text is an example from documentation, so everybody knows it.
    #[error("is an example from documentation: make one with `openssl rand -base64 48`")]
    Published,
}

impl Secret {
    /// Checks a text and takes it unchanged: its UTF-8 bytes are the key. Trim a text that was read from a file.
    pub fn parse(text: String) -> Result<Self, SecretError> {
        if text.len() < 32 {
            return Err(SecretError::TooShort);
        }
        if PUBLISHED.contains(&text.as_str()) {
            return Err(SecretError::Published);
        }
        Ok(Self(SecretString::from(text)))
    }

    /// Compares a text with the secret, in constant time.
    pub fn is(&self, text: &str) -> bool {
        self.0.expose_secret().as_bytes().ct_eq(text.as_bytes()).into()
    }

    /// Derives 32 bytes from the secret, in hexadecimal, by which two processes can tell whether they have the same
    /// secret without sending it. It is PBKDF2 under a fixed label: the digest signs nothing, and trying out secrets
    /// against it costs a hundred thousand times what it costs against a token.
    pub fn digest(&self) -> String {
        let mut digest = [0; 32];
        let secret = self.0.expose_secret().as_bytes();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, DIGEST_ROUNDS, DIGEST_LABEL, secret, &mut digest);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns `Bearer <secret>`, the value of an `authorization` header (RFC 6750 section 2.1).
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0.expose_secret())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The keys of HS256 (HMAC with SHA-256, RFC 7518 section 3.2). The current key signs; signatures of the current and
/// the previous key are accepted, so a secret can be replaced without ending sessions. The algorithm is the keyring's:
/// the header of a token cannot choose another.
pub struct Keyring {
    // Prepared once: that is most of the cost of a short HMAC.
    signing: hmac::Key,
    previous: Option<hmac::Key>,
    /// The tokens that these keys have signed or accepted. It belongs to the keys, so that no token outlasts its key.
    pub(super) memory: Memory,
}

/// The 32 bytes of an HMAC-SHA256.
#[derive(Clone, Copy)]
pub(super) struct Signature([u8; 32]);

impl Keyring {
    /// Makes a keyring that signs with `current` and also accepts signatures of `previous`. A refresh of a token that
    /// `previous` signed is signed with `current`.
    pub fn new(current: &Secret, previous: Option<&Secret>) -> Self {
        let key = |secret: &Secret| hmac::Key::new(hmac::HMAC_SHA256, secret.0.expose_secret().as_bytes());
        Self { signing: key(current), previous: previous.map(key), memory: Memory::default() }
    }

    /// Appends a dot and the signature of `message`, in base64url.
    pub(super) fn sign(&self, message: &mut String) {
        let tag = hmac::sign(&self.signing, message.as_bytes());
        message.push('.');
        URL_SAFE_NO_PAD.encode_string(tag, message);
    }

    /// Tells whether an accepted key made this signature. The cryptographic library compares in constant time.
    pub(super) fn accepts(&self, message: &str, signature: &Signature) -> bool {
        let made_by = |key| hmac::verify(key, message.as_bytes(), &signature.0).is_ok();
        made_by(&self.signing) || self.previous.as_ref().is_some_and(made_by)
    }
}

impl Signature {
    /// Decodes canonical base64url of 32 bytes. Unused bits in the last character are refused: they would be a second
    /// spelling of the same signature.
    pub(super) fn decode(text: &str) -> Option<Self> {
        // The decoder asks for room for 33 bytes, the estimate for 43 characters.
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

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_digest_is_that_of_one_secret_and_the_same_in_every_version() {
        let digest = |text: &str| Secret::parse(text.to_owned()).unwrap().digest();
        let one = digest("a secret of thirty-two bytes: one");
        assert_eq!(one, digest("a secret of thirty-two bytes: one"));
        assert_ne!(one, digest("a secret of thirty-two bytes: two"));
        assert_eq!(one, "03ead90f90ad8df77739c72b129f98ddfb5fec709033d148d1d032dbb99b9e8e", "databases hold it");
    }
}
