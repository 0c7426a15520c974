//! What browsers are told of other origins: which pages may call, with which headers, and what they may read. Apart from
//! the edge because it is a protocol of its own, of which the library knows the form and this file the rules:
//!
//! 1. **Strangers are told nothing**: no header for an origin that is not allowed, not even what others may do.
//! 2. **A page may send what it asks to send**, unless a setting says otherwise, and never what only a proxy may set. A list
//!    that is fixed here breaks every page whose tracing adds a header.
//! 3. **A page may read** what says how a call ended, and `Token` on those answers that carry one: a name that is there
//!    without a header would promise one.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::{Method, Request};
use http_body_util::Either;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::edge::Answer;
use crate::config::{AllowedOrigin, CorsSettings, RequestHeader};
use countersign_guard::layer::TOKEN;

/// What every page may send: the APIs read it.
const OURS: [HeaderName; 7] = [
    CONTENT_TYPE,
    AUTHORIZATION,
    TOKEN,
    HeaderName::from_static("device"),
    HeaderName::from_static("x-grpc-web"),
    HeaderName::from_static("x-user-agent"),
    HeaderName::from_static("grpc-timeout"),
];

/// How many further names a page is answered. None has as many.
const MOST: usize = 64;

/// What a page may read of every answer. The last three are how a call of gRPC-Web ended.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Retry-After, request-id, device, WWW-Authenticate, grpc-status, grpc-message, grpc-status-details-bin",
);

/// The same, of an answer with a fresh token.
const EXPOSED_WITH_TOKEN: HeaderValue = HeaderValue::from_static(
    "Token, Retry-After, request-id, device, WWW-Authenticate, grpc-status, grpc-message, grpc-status-details-bin",
);

pub(super) struct Cors {
    layer: CorsLayer,
    /// Whether a page may send what it asks to send.
    mirrors: bool,
}

impl Cors {
    pub fn new(settings: &CorsSettings) -> Self {
        let allowed: Arc<[AllowedOrigin]> = settings.cors_allowed_origins.as_slice().into();
        let any = allowed.contains(&AllowedOrigin::Any);
        let mirrors = settings.cors_allow_headers.contains(&RequestHeader::Any);
        let listed = settings.cors_allow_headers.iter().filter_map(|header| match header {
            RequestHeader::Any => None,
            RequestHeader::Exact(name) => Some(name.clone()),
        });
        let headers =
            if mirrors { AllowHeaders::mirror_request() } else { AllowHeaders::list(OURS.into_iter().chain(listed)) };
        let layer = CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(move |origin, _| is_allowed(origin, &allowed)))
            // No cookie is ever read, so this gives nothing away; a client that asks for credentials works all the same.
            // To any origin at all it is not promised, as the Fetch standard has it for `*`.
            .allow_credentials(!any)
            .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers(headers)
            .max_age(Duration::from_secs(3_600));
        Self { layer, mirrors }
    }

    /// Answers a preflight, and has `dispatch` answer everything else.
    pub async fn around<B, F>(
        &self,
        mut request: Request<B>,
        mut dispatch: impl FnMut(Request<B>) -> F + Send,
    ) -> Answer
    where
        B: Send,
        F: Future<Output = Answer> + Send,
    {
        let is_preflight = is_preflight(&request);
        // The library would answer any OPTIONS; one that is no preflight is a wrong method like others.
        if request.method() == Method::OPTIONS && !is_preflight {
            return dispatch(request).await;
        }
        // Without an origin, there is nothing to judge.
        if !request.headers().contains_key(ORIGIN) {
            let mut answer = dispatch(request).await;
            answer.headers_mut().append(VARY, HeaderValue::from_static("origin"));
            return answer;
        }
        if is_preflight && self.mirrors {
            let names = asked_for(request.headers());
            request.headers_mut().insert(ACCESS_CONTROL_REQUEST_HEADERS, names);
        }
        let dispatch = service_fn(move |request| {
            dispatch(request).map(|answer| Ok::<_, Infallible>(answer.map(axum::body::Body::new)))
        });
        // In a box, as all that few requests need: the future of every request has room for the largest part of it.
        let Ok(mut answer) = self.layer.layer(dispatch).oneshot(request).boxed().await;
        let headers = answer.headers_mut();
        if !headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            hide(headers);
        } else if !is_preflight {
            let exposed = if headers.contains_key(TOKEN) { EXPOSED_WITH_TOKEN } else { EXPOSED };
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        answer.map(Either::Right)
    }
}

fn is_preflight<B>(request: &Request<B>) -> bool {
    let has = |name| request.headers().contains_key(name);
    request.method() == Method::OPTIONS && has(ORIGIN) && has(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Ours, and what a page asks to send and may. What is no name is no header, either.
fn asked_for(headers: &HeaderMap) -> HeaderValue {
    let lists = headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter().filter_map(|list| list.to_str().ok());
    let asked = lists.flat_map(|list| list.split(',')).filter_map(|name| name.trim().parse::<HeaderName>().ok());
    let further = asked.filter(|name| RequestHeader::is_for_pages(name) && !OURS.contains(name)).take(MOST);
    let names: Vec<_> = OURS.into_iter().chain(further).collect();
    let names: Vec<_> = names.iter().map(HeaderName::as_str).collect();
    // Of names and commas, so it always is one.
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

/// An origin that is not allowed is told nothing, not even what would be allowed to others.
fn hide(headers: &mut HeaderMap) {
    let hidden: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
    for name in hidden {
        headers.remove(name);
    }
}
