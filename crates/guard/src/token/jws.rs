//! The strict reading of a JWS in compact form (RFC 7515 section 7.1). Separate from verification because this code
//! reads hostile input, and each of its rules has its reason beside it.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use uuid::Uuid;

use super::claims::Claims;
use super::key::Asymmetric;

/// The name of HMAC with SHA-256 in a header.
pub(super) const HS256: &str = "HS256";

/// `{"alg":"HS256","typ":"JWT"}` in base64url. Every token that a secret signs here begins with it.
pub(super) const HS256_HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// More than ten times the length of the longest minted token. A longer text is refused before it is parsed.
const MAX_TOKEN_BYTES: usize = 8 * 1_024;

/// The longest name of a key in a header.
const MAX_NAME_BYTES: usize = 256;

/// The segments of a JWS, all in base64url. Nothing in them has been verified.
pub(super) struct Jws<'a> {
    /// The text of the header.
    pub header: &'a str,
    /// The signed text, `header.payload`.
    pub message: &'a str,
    /// The signature in the last segment.
    pub signature: &'a str,
    payload: &'a str,
}

/// Reads the session's id at the place where minted tokens have it, without a look at anything else. It says where the
/// memory may have this token, and nothing about it. Returns `None` if there is no id at that place.
pub(super) fn session_at_its_place(token: &str) -> Option<Uuid> {
    // The payload begins with `{"sub":"…","sid":"…"`. Its bytes 51 to 90 are `:"`, the id and `"`.
    const PLACE: Range<usize> = 51 * 4 / 3..90 * 4 / 3;
    let (_, payload) = token.split_once('.')?;
    let mut bytes = [0; 39];
    URL_SAFE_NO_PAD.decode_slice(payload.get(PLACE)?, &mut bytes).ok()?;
    Uuid::try_parse_ascii(&bytes[2..38]).ok()
}

/// The only accepted form of a header. Unknown names are refused, among them `crit` and `zip`, which change the meaning
/// of the token, and `jku`, `x5u`, `jwk` and `x5c`, which offer keys. Serde refuses duplicates of known names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header<'a> {
    /// The algorithm that it claims.
    pub alg: &'a str,
    #[serde(default)]
    typ: Option<&'a str>,
    /// The name of the key.
    #[serde(default)]
    pub kid: Option<&'a str>,
}

impl<'a> Jws<'a> {
    /// Splits the token. All failures are `None`, so that a client cannot tell them apart.
    pub(super) fn split(token: &'a str) -> Option<Self> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let (message, signature) = token.rsplit_once('.')?;
        // A further dot, as in the five segments of a JWE, stays in the payload, and decoding refuses it there.
        // Decoding also refuses padding, white space, the other base64 alphabet, and unused bits in the last character.
        let (header, payload) = message.split_once('.')?;
        Some(Self { header, message, signature, payload })
    }

    /// Reads the claims. Returns `None` if the payload is not the JSON of claims. They prove nothing before the
    /// signature was verified.
    pub(super) fn claims(&self) -> Option<Claims> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(self.payload).ok()?).ok()
    }
}

impl<'a> Header<'a> {
    /// Reads the JSON of a header.
    pub(super) fn parse(json: &'a [u8]) -> Option<Self> {
        // Serde would also fill the struct from a JSON array.
        let header: Self = json.starts_with(b"{").then(|| serde_json::from_slice(json).ok())??;
        let is_acceptable = header.typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"))
            && header.kid.is_none_or(|kid| kid.len() <= MAX_NAME_BYTES);
        is_acceptable.then_some(header)
    }
}

/// Makes the header of tokens that are signed with the key of this name, in base64url.
pub(super) fn header(algorithm: Asymmetric, name: &str) -> String {
    let name = serde_json::Value::from(name);
    URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{algorithm}","typ":"JWT","kid":{name}}}"#))
}
