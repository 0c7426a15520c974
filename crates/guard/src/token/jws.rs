//! The strict reading of a JWS in compact form (RFC 7515 section 7.1). Separate from verification because this code
//! reads hostile input, and each of its rules has its reason beside it.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use uuid::Uuid;

use super::claims::Claims;
use super::keyring::Signature;

/// `{"alg":"HS256","typ":"JWT"}` in base64url. Every token that is minted here begins with it.
pub(super) const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// More than ten times the length of the longest minted token. A longer text is refused before it is parsed.
const MAX_TOKEN_BYTES: usize = 8 * 1_024;

/// A well-formed JWS. Its signature has not been verified yet.
pub(super) struct Unverified<'a> {
    /// The signed text, `header.payload`.
    pub message: &'a str,
    /// The signature in the last segment.
    pub signature: Signature,
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
struct Header<'a> {
    alg: &'a str,
    #[serde(default)]
    typ: Option<&'a str>,
    #[serde(default)]
    kid: Option<&'a str>,
}

impl<'a> Unverified<'a> {
    /// Splits the token, and checks everything that needs no key. All failures are `None`, so that a client cannot tell
    /// them apart.
    pub(super) fn parse(token: &'a str) -> Option<Self> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let (message, signature) = token.rsplit_once('.')?;
        // A further dot, as in the five segments of a JWE, stays in the payload, and decoding refuses it there.
        // Decoding also refuses padding, white space, the other base64 alphabet, and unused bits in the last character.
        let (header, payload) = message.split_once('.')?;
        let signature = Signature::decode(signature)?;
        (header == HEADER || is_acceptable(header)).then_some(Self { message, signature, payload })
    }

    /// Reads the claims. Returns `None` if the payload is not the JSON of claims. Call it only on a verified message.
    pub(super) fn claims(&self) -> Option<Claims> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(self.payload).ok()?).ok()
    }
}

/// The key decides the algorithm (RFC 8725 section 3.1); the header may only agree with it.
fn is_acceptable(header: &str) -> bool {
    let Ok(header) = URL_SAFE_NO_PAD.decode(header) else { return false };
    // Serde would also fill the struct from a JSON array.
    header.starts_with(b"{")
        && serde_json::from_slice(&header).is_ok_and(|Header { alg, typ, kid }| {
            alg == "HS256"
                && typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"))
                && kid.is_none_or(|kid| kid.len() <= 256)
        })
}
