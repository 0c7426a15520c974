//! The strict reading of a JWS in compact form (RFC 7515 section 7.1), before any claim is believed. Apart from
//! verification because most of what arrives here is hostile, and each rule wants its reason beside it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::claims::Claims;
use super::keyring::Signature;

/// `{"alg":"HS256","typ":"JWT"}` in base64url: every token of ours begins with it.
pub(super) const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// More than ten times what this service ever mints; longer is refused before anything is parsed.
const MAX_BYTES: usize = 8 * 1_024;

/// A well-formed JWS whose signature has not been looked at yet.
pub(super) struct Unverified<'a> {
    /// `header.payload`, what the signature is over.
    pub message: &'a str,
    /// What stands in the last segment.
    pub signature: Signature,
    payload: &'a str,
}

/// The only header accepted. Unknown names are refused, which covers `crit` and `zip` (they change what the token
/// means) and `jku`, `x5u`, `jwk`, `x5c` (they offer keys). Duplicates of known names are refused by serde.
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
    /// Splits and checks everything that needs no key. `None` is all that a stranger learns.
    pub fn parse(token: &'a str) -> Option<Self> {
        if token.len() > MAX_BYTES {
            return None;
        }
        let (message, signature) = token.rsplit_once('.')?;
        // A second dot on the left would be a JWE's five segments or worse; decoding refuses it, as it does padding,
        // white space, the other base64 alphabet and a last character with bits left over.
        let (header, payload) = message.split_once('.')?;
        let signature = Signature::decode(signature)?;
        (header == HEADER || is_acceptable(header)).then_some(Self { message, signature, payload })
    }

    /// The claims; `None` when they are none, or one is named twice. Call it on a verified message only.
    pub fn claims(&self) -> Option<Claims> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(self.payload).ok()?).ok()
    }
}

/// The key decides the algorithm (RFC 8725 section 3.1); the header may only agree with it.
fn is_acceptable(header: &str) -> bool {
    let Ok(header) = URL_SAFE_NO_PAD.decode(header) else { return false };
    // Serde would fill a struct from an array, too.
    header.starts_with(b"{")
        && serde_json::from_slice(&header).is_ok_and(|Header { alg, typ, kid }| {
            alg == "HS256"
                && typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"))
                && kid.is_none_or(|kid| kid.len() <= 256)
        })
}
