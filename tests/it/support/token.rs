//! Reading and forging tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

/// A segment of a token: 0 is the header, 1 the claims.
fn segment(token: &str, index: usize) -> Value {
    let segment = URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap();
    serde_json::from_slice(&segment).unwrap()
}

pub fn header(token: &str) -> Value {
    segment(token, 0)
}

pub fn claims(token: &str) -> Value {
    segment(token, 1)
}

/// The token with another name of its key.
pub fn naming_key(token: &str, kid: &str) -> String {
    let mut header = header(token);
    header["kid"] = kid.into();
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

/// A token with these claims, signed with `secret`.
pub fn sign(claims: &Value, secret: &str) -> String {
    forge("HS256", claims, Some((secret, Algorithm::HS256)))
}

/// A token with `alg` in its header, signed as given or unsigned.
pub fn forge(alg: &str, claims: &Value, signed: Option<(&str, Algorithm)>) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(&json!({ "alg": alg, "typ": "JWT" })), encode(claims));
    let signature = signed.map(|(secret, algorithm)| {
        crypto::sign(message.as_bytes(), &EncodingKey::from_secret(secret.as_bytes()).unwrap(), algorithm).unwrap()
    });
    format!("{message}.{}", signature.unwrap_or_default())
}

/// `claims` with one claim changed, or removed if `value` is null.
pub fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut changed = claims.clone();
    match value {
        Value::Null => drop(changed.as_object_mut().unwrap().remove(name)),
        value => changed[name] = value,
    }
    changed
}
