//! The signature of HS256 (HMAC with SHA-256, RFC 7518 section 3.2), which tokens and sealed texts have.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The 32 bytes of an HMAC-SHA256.
#[derive(Clone, Copy)]
pub(super) struct Mac([u8; 32]);

impl Mac {
    /// Decodes canonical base64url of 32 bytes. Unused bits in the last character are refused: they would be a second
    /// spelling of the same signature.
    pub(super) fn decode(text: &str) -> Option<Self> {
        // The decoder asks for room for 33 bytes, the estimate for 43 characters.
        let mut bytes = [0; 33];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        bytes[..length].try_into().ok().map(Self)
    }

    /// Tells whether `key` signed `message` with this. The cryptographic library compares in constant time.
    pub(super) fn is_of(&self, message: &str, key: &hmac::Key) -> bool {
        hmac::verify(key, message.as_bytes(), &self.0).is_ok()
    }
}

/// Appends a dot and the signature of `message`, in base64url.
pub(super) fn append(message: &mut String, key: &hmac::Key) {
    let tag = hmac::sign(key, message.as_bytes());
    message.push('.');
    URL_SAFE_NO_PAD.encode_string(tag, message);
}
