//! What happens to every request before it is either gRPC or REST: it gets an id, browsers' origins are judged, and it
//! is sent to the one or the other. From the outside in, each with its because:
//!
//! 1. the request's span, outside everything, because every log line below carries its id; and the client's address,
//!    in the extensions, where no header reaches and both gRPC and REST find it;
//! 2. CORS, before the paths, because a browser asks it of every path alike, and before authentication, because a
//!    preflight carries no token;
//! 3. dispatch by content type: a gRPC call goes to the stack itself, everything else to the projections of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION,
    CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
};
use http::{Method, Version};
use tonic::service::Routes;
use tonic_web::GrpcWebLayer;
use tower::{Layer as _, ServiceExt as _};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::timeout::TimeoutBody;
use tracing::Instrument as _;
use uuid::Uuid;

use super::listener::Peer;
use crate::config::Origin;
use crate::grpc::ClientAddress;
use crate::rest;

/// How long the sender of a gRPC message, or of a stream of them, may pause. A unary call has its deadline besides.
const SILENCE: Duration = Duration::from_secs(30);

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Everything that answers requests, on the one stack.
pub(super) fn router(routes: Routes, origins: &[Origin]) -> Router {
    let rest = rest::router(routes.clone());
    let grpc = GrpcWebLayer::new().layer(routes.prepare());
    let dispatch = tower::service_fn(move |request: Request| {
        let (grpc, rest) = (grpc.clone(), rest.clone());
        async move {
            if is_grpc(&request) {
                let web = is_grpc_web(request.headers());
                let request = request.map(|body| Body::new(TimeoutBody::new(SILENCE, body)));
                let mut response = grpc.oneshot(request).await?.map(Body::new);
                // The answers to Register and Login carry a token in their body.
                response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                if web {
                    response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, GRPC_WEB_EXPOSED);
                }
                Ok(response)
            } else {
                rest.oneshot(request).await
            }
        }
    });
    let plain = Router::new().fallback_service(dispatch);
    let with_cors = plain.clone().layer(cors(origins)).layer(from_fn(hide_cors_from_strangers));
    // The CORS layer would answer any OPTIONS; one that is no preflight is a wrong method like others.
    let by_purpose = tower::service_fn(move |request: Request| {
        let is_cors = request.method() != Method::OPTIONS || is_preflight(request.headers());
        if is_cors { with_cors.clone() } else { plain.clone() }.oneshot(request)
    });
    Router::new().fallback_service(by_purpose).layer(from_fn(trace))
}

/// What a gRPC-Web client must be able to read beside the body: the token, and the status of a failed call.
const GRPC_WEB_EXPOSED: HeaderValue =
    HeaderValue::from_static("Token, grpc-status, grpc-message, grpc-status-details-bin");

/// A gRPC call, whatever its path: POST, one of gRPC's content types, and HTTP/2 where the type needs it. Anything else
/// about a gRPC path is answered as the mistake it is, by `rest`.
fn is_grpc(request: &Request) -> bool {
    request.method() == Method::POST
        && match content_type(request.headers()).as_str() {
            "application/grpc" | "application/grpc+proto" => request.version() == Version::HTTP_2,
            _ => is_grpc_web(request.headers()),
        }
}

fn is_grpc_web(headers: &HeaderMap) -> bool {
    matches!(
        content_type(headers).as_str(),
        "application/grpc-web"
            | "application/grpc-web+proto"
            | "application/grpc-web-text"
            | "application/grpc-web-text+proto"
    )
}

/// Without parameters, in lower case.
fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

async fn trace(mut request: Request, next: Next) -> Response {
    let id = Uuid::now_v7().to_string();
    let peer = request.extensions().get().map(|&Peer(address)| address.ip());
    let span = tracing::info_span!("request", request_id = id, peer = peer.map(tracing::field::display));
    if let Some(address) = peer {
        // Of an IPv4 client of a socket that takes both, its IPv4 address.
        request.extensions_mut().insert(ClientAddress(address.to_canonical()));
    }
    let mut response = if lacks_host(&request) {
        rest::no_host(request.uri().path())
    } else {
        next.run(request).instrument(span).await
    };
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Whether it came over HTTP/1.1 without exactly one `Host`. A request made in process needs none.
fn lacks_host(request: &Request) -> bool {
    request.version() == Version::HTTP_11
        && request.extensions().get::<Peer>().is_some()
        && request.headers().get_all(HOST).iter().count() != 1
}

fn cors(origins: &[Origin]) -> CorsLayer {
    let allowed: Arc<[Origin]> = origins.into();
    let any = allowed.contains(&Origin::Any);
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| is_allowed(origin, &allowed)))
        // No cookie is ever read, so this gives nothing away; a client that asks for credentials works all the same.
        // To any origin at all it is not promised, as the Fetch standard has it for `*`.
        .allow_credentials(!any)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers([
            CONTENT_TYPE,
            AUTHORIZATION,
            HeaderName::from_static("token"),
            HeaderName::from_static("x-grpc-web"),
            HeaderName::from_static("x-user-agent"),
            HeaderName::from_static("grpc-timeout"),
        ])
        .max_age(Duration::from_secs(3_600))
}

fn is_allowed(origin: &HeaderValue, allowed: &[Origin]) -> bool {
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    allowed.iter().any(|allowed| match allowed {
        Origin::Any => true,
        Origin::Exact(exact) => origin.eq_ignore_ascii_case(exact),
        Origin::Localhost => {
            origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")).is_some_and(|authority| {
                let port = ["localhost", "127.0.0.1", "[::1]"].iter().find_map(|host| authority.strip_prefix(host));
                port.is_some_and(|port| {
                    port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
                })
            })
        }
    })
}

/// An origin that is not allowed is told nothing, not even what would be allowed to others; and who is no browser is
/// spared what only browsers read, but for the documented `Access-Control-Expose-Headers`.
async fn hide_cors_from_strangers(request: Request, next: Next) -> Response {
    let from_browser = request.headers().contains_key(ORIGIN);
    let mut response = next.run(request).await;
    if !response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
        let is_hidden = |name: &&HeaderName| {
            name.as_str().starts_with("access-control-") && (from_browser || **name != ACCESS_CONTROL_EXPOSE_HEADERS)
        };
        let hidden: Vec<_> = response.headers().keys().filter(is_hidden).cloned().collect();
        for name in hidden {
            response.headers_mut().remove(name);
        }
    }
    response
}
