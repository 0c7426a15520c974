//! The relying party: the name that credentials are bound to, and the origins of the pages that may use them.

use aws_lc_rs::digest::{SHA256, digest};
use url::{Host, Url};

/// The service that passkeys are registered with, parsed from the settings `RP_ID` and `RP_ORIGINS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelyingParty {
    id: String,
    id_hash: [u8; 32],
    origins: Origins,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Origins {
    /// Compared byte by byte. There is at least one.
    Listed(Vec<String>),
    /// Each port of this machine, for developers.
    Localhost,
}

/// Why the settings name no relying party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelyingPartyError {
    /// The id is not a host name in its ASCII form.
    #[error("RP_ID must be a host name in lower case, such as example.org, without scheme, port or path")]
    Id,
    /// An origin is not of the form that browsers send.
    #[error("an origin in RP_ORIGINS must be as browsers write it, such as https://example.org:8443, without a path")]
    Origin,
    /// An origin without TLS, where browsers have no passkeys.
    #[error(
        "an origin in RP_ORIGINS must begin with https://, because browsers have passkeys over http on localhost only"
    )]
    Insecure,
}

impl RelyingParty {
    /// Reads the id and the origins. Without an origin, it is `https://` and the id, and for the id `localhost` each
    /// port of `http://localhost`. An origin may also be that of an Android app (`android:apk-key-hash:…`).
    pub fn parse<'a>(id: &str, origins: impl IntoIterator<Item = &'a str>) -> Result<Self, RelyingPartyError> {
        match Host::parse(id) {
            Ok(Host::Domain(domain)) if domain == id && !id.ends_with('.') => {}
            _ => return Err(RelyingPartyError::Id),
        }
        let mut listed = Vec::new();
        for origin in origins {
            check_origin(origin)?;
            listed.push(origin.to_owned());
        }
        let origins = match (listed.is_empty(), id) {
            (true, "localhost") => Origins::Localhost,
            (true, _) => Origins::Listed(vec![format!("https://{id}")]),
            (false, _) => Origins::Listed(listed),
        };
        let mut id_hash = [0; 32];
        id_hash.copy_from_slice(digest(&SHA256, id.as_bytes()).as_ref());
        Ok(Self { id: id.to_owned(), id_hash, origins })
    }

    /// The RP ID, to which browsers bind credentials.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn id_hash(&self) -> &[u8; 32] {
        &self.id_hash
    }

    pub(crate) fn accepts(&self, origin: &str) -> bool {
        match &self.origins {
            Origins::Listed(listed) => listed.iter().any(|listed| listed == origin),
            Origins::Localhost => is_localhost(origin),
        }
    }

    /// The document to serve at `https://{RP_ID}/.well-known/webauthn` as `application/json` (WebAuthn Level 3 section
    /// 5.11): the origins that are not below the RP ID. `None` if there are none, so that no document is needed.
    /// Browsers read at least five different registrable names, and may ignore further ones.
    pub fn related_origins(&self) -> Option<serde_json::Value> {
        let Origins::Listed(listed) = &self.origins else { return None };
        let related: Vec<_> = listed.iter().filter(|origin| self.is_related(origin)).collect();
        (!related.is_empty()).then(|| serde_json::json!({ "origins": related }))
    }

    fn is_related(&self, origin: &str) -> bool {
        Url::parse(origin).ok().and_then(|url| url.domain().map(str::to_owned)).is_some_and(|host| {
            host.strip_suffix(&self.id).is_none_or(|subdomain| !subdomain.is_empty() && !subdomain.ends_with('.'))
        })
    }
}

fn check_origin(origin: &str) -> Result<(), RelyingPartyError> {
    // "android:apk-key-hash:" and the SHA-256 hash of the app's certificate in base64url.
    let android = |hash| crate::values::decode(hash).is_some_and(|hash| hash.len() == 32);
    if origin.strip_prefix("android:apk-key-hash:").is_some_and(android) || is_localhost(origin) {
        return Ok(());
    }
    let url = Url::parse(origin).map_err(|_| RelyingPartyError::Origin)?;
    match url.scheme() {
        "http" => Err(RelyingPartyError::Insecure),
        "https" if url.origin().ascii_serialization() == origin => Ok(()),
        _ => Err(RelyingPartyError::Origin),
    }
}

/// Browsers treat localhost as secure without TLS.
fn is_localhost(origin: &str) -> bool {
    let Some(port) = origin.strip_prefix("http://localhost") else { return false };
    port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| {
            !port.starts_with('0') && port.bytes().all(|digit| digit.is_ascii_digit()) && port.parse::<u16>().is_ok()
        })
}

#[cfg(test)]
mod tests;
