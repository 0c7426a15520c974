//! The pages that the links in mail open. Each has a button or a small form, and sends the one-time token of the link
//! to the route of the same path. Separate from `email`, which programs call: the pages are for applications without
//! pages of their own.
//!
//! The token is in the fragment of the address, which browsers send to no server: no log, no proxy and no `Referer` has
//! it. Opening a page changes nothing, so the scanners that open every link in a mail use no token up.

use std::future::ready;

use axum::response::{IntoResponse as _, Response};
use http::Method;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY};

use super::routes::{Route, Routes};

/// A page may load files of this server only, and has no script or style in itself; `data:` is its empty icon. It may
/// call this server only, no other page may frame it, and its script may not write HTML.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
);

const HTML: &str = "text/html; charset=utf-8";

/// The files of the pages: path, content type and bytes.
const FILES: [(&str, &str, &[u8]); 5] = [
    ("/auth/verify", HTML, include_bytes!("verify.html")),
    ("/auth/password/reset", HTML, include_bytes!("reset.html")),
    ("/auth/invitations/accept", HTML, include_bytes!("accept.html")),
    ("/auth/page.js", "text/javascript; charset=utf-8", include_bytes!("page.js")),
    ("/auth/page.css", "text/css; charset=utf-8", include_bytes!("page.css")),
];

/// `GET` and `HEAD` of each file. `email` has the `POST` of the first three paths.
pub(super) fn routes() -> Vec<Route> {
    let routes = FILES.into_iter().fold(Routes::new(()), |routes, (path, kind, bytes)| {
        routes.on(Method::GET, path, move |(), _| ready(file(kind, POLICY, bytes)))
    });
    routes.into_vec()
}

/// The response for a file, with the policy of its page.
pub(super) fn file(kind: &'static str, policy: HeaderValue, bytes: &'static [u8]) -> Response {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CONTENT_SECURITY_POLICY, policy),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, bytes).into_response()
}
