//! Tokens made by hand with the tests' secret: good ones, and every kind of bad one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::Value;

use crate::support::SECRET;

pub const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Encodes bytes in base64url without padding.
pub fn segment(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `header.payload`, each part in base64url.
pub fn message(header: &str, payload: &str) -> String {
    format!("{}.{}", segment(header), segment(payload))
}

/// Signs `header.payload` with HS256 and the tests' secret.
pub fn signed(message: &str) -> String {
    signed_with(SECRET, Algorithm::HS256, message)
}

pub fn signed_with(secret: &str, algorithm: Algorithm, message: &str) -> String {
    // HMAC fills a key up with zeros, and the library does not take the empty one.
    let secret = if secret.is_empty() { "\0" } else { secret };
    let key = EncodingKey::from_secret(secret.as_bytes()).unwrap();
    format!("{message}.{}", crypto::sign(message.as_bytes(), &key, algorithm).unwrap())
}

/// A token with these `claims`, made as the service makes its own.
pub fn token(claims: &Value) -> String {
    signed(&message(HEADER, &claims.to_string()))
}

/// The claims of a token.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}
