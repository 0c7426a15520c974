//! `GET /openapi.json` for tools, and `GET /docs` for people: a page that shows the document and loads nothing from
//! other servers. Separate from `openapi`, which makes the document and knows no HTTP.

use std::future::ready;
use std::sync::{Arc, OnceLock};

use axum::response::Response;
use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http_rule::Rules;

use super::routes::{Route, Routes};
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
pub(super) fn routes(rules: Arc<Rules>) -> Vec<Route> {
    let document = Routes::new((rules, Arc::<OnceLock<Bytes>>::default())).on(
        Method::GET,
        "/openapi.json",
        async |(rules, made), _| {
            let bytes = made.get_or_init(|| openapi::document(&rules).to_string().into());
            ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes.clone())
        },
    );
    let files = FILES.into_iter().fold(Routes::new(()), |routes, (path, kind, bytes, is_compressed)| {
        routes.on(Method::GET, path, move |(), _| ready(file(kind, bytes, is_compressed)))
    });
    document.into_vec().into_iter().chain(files.into_vec()).collect()
}

fn file(kind: &'static str, bytes: &'static [u8], is_compressed: bool) -> Response {
    let mut response = pages::file(kind, POLICY, bytes);
    if is_compressed {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
