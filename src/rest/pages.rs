//! What a link in a mail opens: a page with a button or a small form, which sends the link's one-time token to the route of the
//! same path. Apart from `email`, whose routes programs call: these are for people whose application has no such pages.
//!
//! The token is in the address's fragment, which no browser sends to anybody: no log, no proxy and no `Referer` ever has it.
//! And to open a page changes nothing, so neither do the scanners that open the links of every mail.

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY};

/// From here only, and nothing in the page itself; `data:` is its empty icon. It calls this server alone, it is in nobody's
/// frame, and no script of it writes HTML.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
);

const HTML: &str = "text/html; charset=utf-8";

/// A path, its type, and what is there.
const FILES: [(&str, &str, &[u8]); 5] = [
    ("/auth/verify", HTML, include_bytes!("pages/verify.html")),
    ("/auth/password/reset", HTML, include_bytes!("pages/reset.html")),
    ("/auth/invitations/accept", HTML, include_bytes!("pages/accept.html")),
    ("/auth/page.js", "text/javascript; charset=utf-8", include_bytes!("pages/page.js")),
    ("/auth/page.css", "text/css; charset=utf-8", include_bytes!("pages/page.css")),
];

/// `GET` and `HEAD` of each; what is POSTed to the first three is for `email`.
pub(super) fn routes() -> Router {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, bytes)| {
        router.route(path, get(async move || file(kind, POLICY, bytes)))
    })
}

/// A file of a page, with what the page may do.
pub(super) fn file(kind: &'static str, policy: HeaderValue, bytes: &'static [u8]) -> Response {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CONTENT_SECURITY_POLICY, policy),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, bytes).into_response()
}
