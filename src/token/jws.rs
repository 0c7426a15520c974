//! The strict reading of a JWS in compact form (RFC 7515 section 7.1), before any claim is believed. Apart from
//! verification because most of what arrives here is hostile, and each rule wants its reason beside it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

/// More than ten times what this service ever mints; longer is refused before anything is parsed.
const MAX_BYTES: usize = 8 * 1_024;

/// A well-formed JWS whose signature has not been looked at yet.
pub(super) struct Unverified<'a> {
    /// `header.payload`, what the signature is over.
    pub message: &'a str,
    /// The signature segment: canonical base64url of 32 bytes.
    pub signature: &'a str,
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
        if URL_SAFE_NO_PAD.decode(signature).ok()?.len() != 32 {
            return None;
        }
        let header = URL_SAFE_NO_PAD.decode(header).ok()?;
        // Serde would fill a struct from an array, too.
        let header: Header<'_> = serde_json::from_slice(&header).ok().filter(|_| header.starts_with(b"{"))?;
        // The key decides the algorithm (RFC 8725 section 3.1); the header may only agree with it.
        let agreed = header.alg == "HS256"
            && header.typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT"))
            && header.kid.is_none_or(|kid| kid.len() <= 256);
        agreed.then_some(Self { message, signature, payload })
    }

    /// The claims object; `None` when it is no JSON object or names a claim twice. Call it on a verified message only.
    pub fn claims(&self) -> Option<Value> {
        let payload = URL_SAFE_NO_PAD.decode(self.payload).ok()?;
        let Unique(claims) = serde_json::from_slice(&payload).ok()?;
        Some(Value::Object(claims))
    }
}

/// A JSON object in which no name stands twice (RFC 7515 section 4: either reject or take the last; two readers that
/// choose differently can be played against each other).
struct Unique(Map<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = Unique;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object with unique names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
                let mut names = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if names.insert(name, value).is_some() {
                        return Err(A::Error::custom("a name stands twice"));
                    }
                }
                Ok(Unique(names))
            }
        }

        deserializer.deserialize_map(Names)
    }
}
