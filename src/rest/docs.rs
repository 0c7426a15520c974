//! `GET /openapi.json`, for tools, and `GET /docs`, the same for people: a page that loads nothing from anywhere else. Apart
//! from `openapi`, which makes the document and knows no HTTP.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};

use super::pages;
use super::transcoder::Transcoder;

/// From here only, and nothing in the page itself. `data:` is for the viewer's icons. It may call this server, to try things.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// A file of the page: its path, its type, its bytes, and whether they are compressed. Those of the viewer are kept as they
/// are sent, a quarter of their size; every browser takes it.
const FILES: [(&str, &str, &[u8], bool); 4] = [
    ("/docs", "text/html; charset=utf-8", include_bytes!("docs/page.html"), false),
    ("/docs/start.js", "text/javascript; charset=utf-8", include_bytes!("docs/start.js"), false),
    ("/docs/swagger-ui.css", "text/css; charset=utf-8", include_bytes!("docs/swagger-ui.css.gz"), true),
    (
        "/docs/swagger-ui-bundle.js",
        "text/javascript; charset=utf-8",
        include_bytes!("docs/swagger-ui-bundle.js.gz"),
        true,
    ),
];

/// All of it. The document is made when it is first asked for, and then kept: most servers are never asked.
pub(super) fn routes(transcoder: Arc<Transcoder>) -> Router {
    let made: Arc<OnceLock<Bytes>> = Arc::default();
    let document = async move || {
        let bytes = made.get_or_init(|| transcoder.openapi().to_string().into());
        ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes.clone()).into_response()
    };
    let router = Router::new().route("/openapi.json", get(document));
    FILES.into_iter().fold(router, |router, (path, kind, bytes, is_compressed)| {
        router.route(path, get(async move || file(kind, bytes, is_compressed)))
    })
}

fn file(kind: &'static str, bytes: &'static [u8], is_compressed: bool) -> Response {
    let mut response = pages::file(kind, POLICY, bytes);
    if is_compressed {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
