//! The two documented JSON APIs, as projections of the RPCs: each route makes one call through the generated client, in
//! process, over the same stack that the network is served, and translates what comes back. Nothing here decides
//! anything about accounts or tokens.
//!
//! `username` and `email` are the dialects: `/api/auth/…` and `/auth/…`. `call` and `body` are what they share.
//! Source: the two contracts, quoted where they decide something.

mod body;
mod call;
mod email;
mod not_grpc;
mod probes;
mod username;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use tower::ServiceExt as _;

pub use call::Rpc;

use crate::pb::auth_service_client::AuthServiceClient;

/// Both APIs and the probes. Cheap to clone.
#[derive(Clone)]
pub struct Rest(Router);

impl Rest {
    /// Every path that answers.
    pub const PATHS: [&str; 10] = [
        "/api/auth/login",
        "/api/auth/register",
        "/api/auth/me",
        "/auth/login",
        "/auth/register",
        "/auth/refresh",
        "/auth/logout",
        "/auth/me",
        "/healthz",
        "/readyz",
    ];

    /// On the one stack.
    pub fn new(rpc: Rpc) -> Self {
        let client = AuthServiceClient::new(rpc.clone());
        let router = Router::new()
            .merge(username::routes(client.clone()))
            .merge(email::routes(client))
            .merge(probes::routes(rpc))
            .fallback(unknown_path)
            .method_not_allowed_fallback(wrong_method);
        Self(router)
    }

    /// Answers every path and method, the wrong ones too.
    pub async fn answer(&self, request: Request) -> Response {
        let Ok(mut response) = self.0.clone().oneshot(request).await;
        // Nothing here is for a cache, and nothing is what its content type does not say.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }

    /// The answer to an HTTP/1.1 request without exactly one `Host` (RFC 9112 section 3.2).
    pub fn no_host(path: &str) -> Response {
        refuse(path, StatusCode::BAD_REQUEST, "bad_request", "an HTTP/1.1 request needs exactly one Host header")
    }
}

async fn unknown_path(request: Request) -> Response {
    if let Some(answer) = not_grpc::answer(&request) {
        return answer;
    }
    refuse(request.uri().path(), StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
}

async fn wrong_method(request: Request) -> Response {
    let text = "this path does not take this method: see the Allow header";
    refuse(request.uri().path(), StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
}

/// In the dialect that the path belongs to.
fn refuse(path: &str, status: StatusCode, code: &'static str, text: &'static str) -> Response {
    if path == "/auth" || path.starts_with("/auth/") {
        email::error(status, code, text)
    } else {
        username::error(status, text)
    }
}
