//! CORS: which pages of other origins may call, with which headers, and which headers of answers they may read.
//! Separate from routing because it is a protocol of its own. The library implements its form, and this file its rules:
//!
//! 1. **An origin that is not allowed gets no CORS header**, so that it does not learn what other origins may do.
//! 2. **A page may send the headers that it asks to send**, unless a setting says otherwise, but never headers that
//!    only a proxy may set. A fixed list would break every page with tracing that adds a header.
//! 3. **A page may read** the headers that tell how a call ended, and `Token` on answers that carry it: exposing the
//!    name without the header would promise a token.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body as RestBody;
use futures_util::FutureExt as _;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, VARY,
};
use http::{Method, Request, Response};
use http_body_util::Either;
use tonic::body::Body as GrpcBody;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::config::{AllowedOrigin, CorsSettings, RequestHeader};

/// The headers that every page may send, because the APIs read them.
const API_HEADERS: [HeaderName; 7] = [
    CONTENT_TYPE,
    AUTHORIZATION,
    HeaderName::from_static("token"),
    HeaderName::from_static("device"),
    HeaderName::from_static("x-grpc-web"),
    HeaderName::from_static("x-user-agent"),
    HeaderName::from_static("grpc-timeout"),
];

/// The most further headers that a page may ask for in one preflight.
const MAX_MIRRORED: usize = 64;

/// The headers that a page may read of every answer. The last three are the outcome of a gRPC-Web call.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Retry-After, request-id, device, WWW-Authenticate, grpc-status, grpc-message, grpc-status-details-bin",
);

/// The same for an answer with a fresh token.
const EXPOSED_WITH_TOKEN: HeaderValue = HeaderValue::from_static(
    "Token, Retry-After, request-id, device, WWW-Authenticate, grpc-status, grpc-message, grpc-status-details-bin",
);

/// An answer of the gRPC stack or of the JSON APIs.
pub(super) type RoutedAnswer = Response<Either<GrpcBody, RestBody>>;

/// The CORS rules of the settings.
pub(crate) struct Cors {
    layer: CorsLayer,
    /// Whether a page may send the headers that it asks to send.
    mirrors: bool,
}

impl Cors {
    /// Reads the rules from the settings.
    pub(crate) fn new(settings: &CorsSettings) -> Self {
        let allowed: Arc<[AllowedOrigin]> = settings.cors_allowed_origins.as_slice().into();
        let any = allowed.contains(&AllowedOrigin::Any);
        let mirrors = settings.cors_allow_headers.contains(&RequestHeader::Any);
        let listed = settings.cors_allow_headers.iter().filter_map(|header| match header {
            RequestHeader::Any => None,
            RequestHeader::Exact(name) => Some(name.clone()),
        });
        let headers = if mirrors {
            AllowHeaders::mirror_request()
        } else {
            AllowHeaders::list(API_HEADERS.into_iter().chain(listed))
        };
        let layer = CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(move |origin, _| is_allowed(origin, &allowed)))
            // Safe, because the service reads no cookies; clients that always send credentials need it. Not with `*`,
            // which the Fetch standard forbids.
            .allow_credentials(!any)
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers(headers)
            .max_age(Duration::from_secs(3_600));
        Self { layer, mirrors }
    }

    /// Answers a preflight, and passes every other request to `dispatch`.
    pub(super) async fn around<B, F>(
        &self,
        mut request: Box<Request<B>>,
        mut dispatch: impl FnMut(Box<Request<B>>) -> F + Send,
    ) -> RoutedAnswer
    where
        B: Send,
        F: Future<Output = RoutedAnswer> + Send,
    {
        let is_preflight = is_preflight(&request);
        // The library would answer every OPTIONS request. One that is no preflight is a wrong method like any other.
        if request.method() == Method::OPTIONS && !is_preflight {
            return dispatch(request).await;
        }
        // A request without an origin is not subject to CORS.
        if !request.headers().contains_key(ORIGIN) {
            let mut answer = dispatch(request).await;
            answer.headers_mut().append(VARY, HeaderValue::from_static("origin"));
            return answer;
        }
        if is_preflight && self.mirrors {
            let names = allowed_of_requested(request.headers());
            request.headers_mut().insert(ACCESS_CONTROL_REQUEST_HEADERS, names);
        }
        let dispatch = service_fn(move |request| {
            dispatch(Box::new(request)).map(|answer| Ok::<_, Infallible>(answer.map(RestBody::new)))
        });
        // Boxed, because few requests need it, and the future of every request reserves the space of its largest part.
        let Ok(mut answer) = self.layer.layer(dispatch).oneshot(*request).boxed().await;
        let headers = answer.headers_mut();
        // An answer that allows every origin by itself is public. The Fetch standard forbids credentials with it.
        if headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).is_some_and(|origin| origin == "*") {
            headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
        }
        if !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            hide(headers);
        } else if !is_preflight {
            let exposed = if headers.contains_key("token") { EXPOSED_WITH_TOKEN } else { EXPOSED };
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        answer.map(Either::Right)
    }
}

fn is_preflight<B>(request: &Request<B>) -> bool {
    let has = |name| request.headers().contains_key(name);
    request.method() == Method::OPTIONS && has(ORIGIN) && has(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The headers of the APIs, and those of the headers that a page asks to send that are allowed.
fn allowed_of_requested(headers: &HeaderMap) -> HeaderValue {
    let lists = headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter().filter_map(|list| list.to_str().ok());
    let asked = lists.flat_map(|list| list.split(',')).filter_map(|name| name.trim().parse::<HeaderName>().ok());
    let further =
        asked.filter(|name| RequestHeader::is_for_pages(name) && !API_HEADERS.contains(name)).take(MAX_MIRRORED);
    let names: Vec<_> = API_HEADERS.into_iter().chain(further).collect();
    let names: Vec<_> = names.iter().map(HeaderName::as_str).collect();
    // Header names and commas always form a valid value.
    HeaderValue::try_from(names.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}

fn is_allowed(origin: &HeaderValue, allowed: &[AllowedOrigin]) -> bool {
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    allowed.iter().any(|allowed| match allowed {
        AllowedOrigin::Any => true,
        AllowedOrigin::Exact(exact) => origin.eq_ignore_ascii_case(exact),
        AllowedOrigin::Localhost => {
            origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")).is_some_and(|authority| {
                let port = ["localhost", "127.0.0.1", "[::1]"].iter().find_map(|host| authority.strip_prefix(host));
                port.is_some_and(|port| {
                    port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
                })
            })
        }
    })
}

/// Removes the CORS headers from the answer to an origin that is not allowed.
fn hide(headers: &mut HeaderMap) {
    let hidden: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
    for name in hidden {
        headers.remove(name);
    }
}
