//! Client data (WebAuthn Level 3 section 5.8.1): what the browser says about the page and the challenge. Separate
//! because both ceremonies judge them alike.

use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;

use crate::refusal::{Part, Reason};
use crate::relying_party::RelyingParty;
use crate::values::{Challenge, encode};

/// The `type` of client data, by which an answer to one ceremony is none to the other.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ceremony {
    Registration,
    Authentication,
}

/// The members that are judged. Later versions of browsers may add others.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: Option<bool>,
    #[serde(default)]
    top_origin: Option<String>,
}

/// Judges client data, and returns their SHA-256 hash, which signatures cover.
pub(crate) fn check(
    json: &[u8],
    ceremony: Ceremony,
    challenge: &Challenge,
    relying_party: &RelyingParty,
) -> Result<Vec<u8>, Reason> {
    // "any leading byte order mark (BOM) must be stripped"
    let text = json.strip_prefix("\u{feff}".as_bytes()).unwrap_or(json);
    let data: ClientData = serde_json::from_slice(text).map_err(|_| Reason::Malformed(Part::ClientData))?;
    let expected = match ceremony {
        Ceremony::Registration => "webauthn.create",
        Ceremony::Authentication => "webauthn.get",
    };
    match () {
        () if data.r#type != expected => Err(Reason::OtherCeremony),
        () if data.challenge != encode(challenge.as_bytes()) => Err(Reason::OtherChallenge),
        () if !relying_party.accepts(&data.origin) => Err(Reason::OtherOrigin),
        // The server's pages refuse to be framed, so that no frame of another origin is expected.
        () if data.cross_origin == Some(true) || data.top_origin.is_some() => Err(Reason::Framed),
        () => Ok(digest(&SHA256, json).as_ref().to_vec()),
    }
}
