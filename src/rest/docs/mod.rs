//! `GET /openapi.json` for tools, and `GET /docs` for people: a page that shows the document and loads nothing from
//! other servers. Separate from `openapi`, which makes the document and knows no HTTP.

use std::sync::{Arc, OnceLock};

use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http_rule::Rules;

use super::routes::Routes;
use super::{openapi, pages};

/// The page may load files of this server only, and has no script or style in itself. `data:` is for the viewer's
/// icons. It may call this server, so that people can try requests.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// The files of the page: path, content type, bytes, and whether the bytes are compressed. The files of the viewer are
/// kept as they are sent, at a quarter of their size; every browser accepts gzip.
const FILES: [(&str, &str, &[u8], bool); 4] = [
    ("/docs", "text/html; charset=utf-8", include_bytes!("page.html"), false),
    ("/docs/start.js", "text/javascript; charset=utf-8", include_bytes!("start.js"), false),
    ("/docs/swagger-ui.css", "text/css; charset=utf-8", include_bytes!("swagger-ui.css.gz"), true),
    ("/docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8", include_bytes!("swagger-ui-bundle.js.gz"), true),
];

/// The document is made when it is first requested, and then kept: most servers are never asked for it.
pub(super) fn routes(rules: Arc<Rules>) -> Routes {
    let made: Arc<OnceLock<Bytes>> = Arc::default();
    let document = async move || {
        let bytes = made.get_or_init(|| openapi::document(&rules).to_string().into());
        ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes.clone()).into_response()
    };
    let routes = Routes::new().at("/openapi.json", get(document));
    FILES.into_iter().fold(routes, |routes, (path, kind, bytes, is_compressed)| {
        routes.at(path, get(async move || file(kind, bytes, is_compressed)))
    })
}

fn file(kind: &'static str, bytes: &'static [u8], is_compressed: bool) -> Response {
    let mut response = pages::file(kind, POLICY, bytes);
    if is_compressed {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
