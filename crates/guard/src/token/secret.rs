//! A shared secret: a text that is strong enough to sign with. Separate because no other file touches its bytes.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use aws_lc_rs::{hmac, pbkdf2};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

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

    /// The key of HS256. Preparing it is most of the cost of a short HMAC, so it is done once.
    pub(super) fn key(&self) -> Arc<hmac::Key> {
        Arc::new(hmac::Key::new(hmac::HMAC_SHA256, self.0.expose_secret().as_bytes()))
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
