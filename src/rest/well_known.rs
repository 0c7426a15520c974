//! The documents below `/.well-known/` by which other services find the keys that verify tokens: the key set (RFC 7517)
//! and the metadata of the issuer (OpenID Connect Discovery, RFC 8414). They are public, so pages of every origin may
//! read them, and caches may keep them. Separate because nothing else here is answered without the stack: the bytes are
//! ready.
//!
//! An issuer with a path, as in `https://example.com/auth`, has its documents below that path; RFC 8414 and some
//! libraries put the path behind `/.well-known/…` instead. Both spellings are answered, with the path and without it,
//! because a proxy may remove it.

use std::fmt;
use std::future::ready;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::Method;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};

use super::oauth;
use super::routes::{Route, Routes};
use super::unknown_path;

const JWKS: &str = "/.well-known/jwks.json";
const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// How long the documents may be kept; `keys::MAX_AGE` in the form of the header.
const FRESH: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// A document below `/.well-known/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// The keys that verify tokens.
    Jwks,
    /// The metadata of the issuer.
    Configuration,
}

/// The documents as bytes, and the path of the issuer.
#[derive(Clone)]
pub struct WellKnown {
    document: Arc<dyn Fn(Document) -> Option<Bytes> + Send + Sync>,
    /// The path of the issuer without a slash at its end; empty if it has none.
    path: Arc<str>,
}

impl WellKnown {
    /// The documents of `issuer`, each as `document` returns it at that moment; `None` of one that does not exist.
    pub fn new(issuer: Option<&str>, document: impl Fn(Document) -> Option<Bytes> + Send + Sync + 'static) -> Self {
        let after_scheme = issuer.and_then(|issuer| issuer.split_once("://")).map_or("", |(_, rest)| rest);
        let path = after_scheme.find('/').map_or("", |at| &after_scheme[at..]).trim_end_matches('/');
        Self { document: Arc::new(document), path: path.into() }
    }

    /// The path without that of the issuer, if it is one of a document or an endpoint of the metadata with it.
    pub(super) fn plain_path(&self, path: &str) -> Option<&'static str> {
        if self.path.is_empty() {
            return None;
        }
        let before = path.strip_prefix(&*self.path).unwrap_or_default();
        let behind = path.strip_suffix(&*self.path).unwrap_or_default();
        let document = [JWKS, OPENID, OAUTH].into_iter().find(|document| *document == before || *document == behind);
        document.or_else(|| oauth::PATHS.into_iter().find(|endpoint| *endpoint == before))
    }
}

impl Default for WellKnown {
    /// An empty key set, and no issuer.
    fn default() -> Self {
        let empty = Bytes::from_static(b"{\"keys\":[]}");
        Self::new(None, move |document| (document == Document::Jwks).then(|| empty.clone()))
    }
}

impl fmt::Debug for WellKnown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WellKnown").field("path", &self.path).finish_non_exhaustive()
    }
}

pub(super) fn routes(documents: WellKnown) -> Vec<Route> {
    let paths = [(JWKS, Document::Jwks), (OPENID, Document::Configuration), (OAUTH, Document::Configuration)];
    let routes = paths.into_iter().fold(Routes::new(documents), |routes, (path, document)| {
        routes.on(Method::GET, path, move |documents: WellKnown, request| ready(answer(&documents, document, &request)))
    });
    routes.into_vec()
}

fn answer(documents: &WellKnown, document: Document, request: &Request) -> Response {
    let Some(bytes) = (documents.document)(document) else { return unknown_path(request) };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, FRESH),
        (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (headers, bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::WellKnown;

    #[test]
    fn a_document_is_found_by_every_spelling_of_its_path_below_the_issuer() {
        let plain = |issuer, path: &str| WellKnown::new(Some(issuer), |_| None).plain_path(path);
        for issuer in ["https://a.example.com/auth", "https://a.example.com/auth/"] {
            assert_eq!(plain(issuer, "/auth/.well-known/jwks.json"), Some("/.well-known/jwks.json"));
            for document in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
                assert_eq!(plain(issuer, &format!("/auth{document}")), Some(document));
                assert_eq!(plain(issuer, &format!("{document}/auth")), Some(document));
                assert_eq!(plain(issuer, &format!("{document}/other")), None);
            }
            assert_eq!(plain(issuer, "/auth/oauth2/revoke"), Some("/oauth2/revoke"));
            assert_eq!(plain(issuer, "/oauth2/revoke/auth"), None);
            assert_eq!(plain(issuer, "/auth"), None);
        }
        assert_eq!(plain("https://a.example.com", "/.well-known/jwks.json"), None, "it has no path to remove");
    }
}
