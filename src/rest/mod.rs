//! REST: every RPC by the path of its annotation (`transcoder`), and the two documented JSON APIs (`username`, `email`:
//! `/api/auth/…` and `/auth/…`) as projections of the RPCs. All of it calls the same stack that the network is served, in
//! process, and translates what comes back. Nothing here decides anything about accounts or tokens.
//!
//! `call` and `body` are what they share; `pages` is for people who follow a link in a mail; `docs` describes all of it
//! (`openapi`). Source: the two contracts, quoted where
//! they decide something, and `google/api/http.proto`.

mod body;
mod call;
mod docs;
mod email;
mod not_grpc;
mod openapi;
mod pages;
mod probes;
mod transcoder;
mod username;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, StatusCode};
use tonic::{Code, Status};
use tower::ServiceExt as _;

pub use call::Rpc;
pub use transcoder::{RuleError, Transcoder};

use crate::pb::DESCRIPTORS;
use crate::pb::auth_service_client::AuthServiceClient;
use body::Fields;
use transcoder::answer::without_body;

/// All of REST, and the probes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rest {
    transcoder: Arc<Transcoder>,
    router: Router,
}

impl Rest {
    /// Every path that answers and has no rule.
    pub const PATHS: [&str; 27] = [
        "/api/auth/login",
        "/api/auth/register",
        "/api/auth/me",
        "/api/auth/password",
        "/auth/login",
        "/auth/register",
        "/auth/refresh",
        "/auth/logout",
        "/auth/me",
        "/auth/verify",
        "/auth/verify/resend",
        "/auth/password/forgot",
        "/auth/password/reset",
        "/auth/password/change",
        "/auth/email/change",
        "/auth/invitations",
        "/auth/invitations/{id}",
        "/auth/invitations/accept",
        "/auth/page.js",
        "/auth/page.css",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/docs",
        "/docs/start.js",
        "/docs/swagger-ui.css",
        "/docs/swagger-ui-bundle.js",
    ];

    /// On the one stack. `docs` is whether it describes itself.
    pub fn new(rpc: Rpc, docs: bool) -> Result<Self, RuleError> {
        let transcoder = Transcoder::new(DESCRIPTORS, rpc.clone())?;
        let taken = |path: &&str| transcoder.bindings().iter().find(|binding| binding.template.matches(path).is_some());
        if let Some((path, binding)) = Self::PATHS.iter().find_map(|path| Some((path, taken(path)?))) {
            return Err(RuleError::Taken(binding.rpc.full_name().to_owned(), (*path).to_owned()));
        }
        let client = AuthServiceClient::new(rpc.clone());
        let transcoder = Arc::new(transcoder);
        let near = Arc::clone(&transcoder);
        let router = Router::new()
            .merge(username::routes(client))
            .merge(pages::routes())
            .merge(email::routes(&rpc))
            .merge(probes::routes(rpc))
            .merge(if docs { docs::routes(Arc::clone(&transcoder)) } else { Router::new() })
            .fallback(async move |request: Request| unknown_path(&near, &request))
            .method_not_allowed_fallback(wrong_method);
        Ok(Self { transcoder, router })
    }

    /// Answers every path and method, the wrong ones too.
    pub async fn answer(&self, request: Request) -> Response {
        let is_head = request.method() == Method::HEAD;
        // What has panicked is not looked at again.
        let answer = AssertUnwindSafe(self.route(request)).catch_unwind().await;
        let answer = answer.unwrap_or_else(|_| self.transcoder.failures().defect(&"a panic"));
        let mut response = if is_head { without_body(answer) } else { answer };
        // Nothing here is for a cache, and nothing is what its content type does not say.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }

    async fn route(&self, request: Request) -> Response {
        match self.transcoder.try_answer(request).await {
            Ok(response) => response,
            Err(request) => {
                let Ok(response) = self.router.clone().oneshot(*request).await;
                response
            }
        }
    }

    /// The answer to an HTTP/1.1 request without exactly one `Host` (RFC 9112 section 3.2).
    pub fn no_host(&self, path: &str, headers: &HeaderMap) -> Response {
        let text = "an HTTP/1.1 request needs exactly one Host header";
        if self.transcoder.is_near(path) {
            return self.transcoder.failures().refusal(StatusCode::BAD_REQUEST, Code::InvalidArgument, text, headers);
        }
        refuse(path, StatusCode::BAD_REQUEST, "bad_request", text)
    }

    /// The answer to a request that is refused before it is read.
    pub fn refuse(&self, path: &str, status: Status, headers: &HeaderMap) -> Response {
        if self.transcoder.is_near(path) {
            self.transcoder.failures().answer(status, headers)
        } else if is_email(path) {
            email::refuse(status.into(), &Fields::default())
        } else {
            username::refuse(status.into(), &Fields::default(), &[])
        }
    }

    /// Whether a path is of a stream, which may last for ever.
    pub fn is_stream(&self, path: &str) -> bool {
        self.transcoder.is_stream(path)
    }

    /// Whether rules are at or beside this path.
    pub fn has_rules_near(&self, path: &str) -> bool {
        self.transcoder.is_near(path)
    }

    /// What counts together: paths, with the names of their variables in place of what those are.
    pub fn names(&self) -> Vec<String> {
        let of_rules = self.transcoder.bindings().iter().map(|binding| binding.template.shown());
        let mut names: Vec<_> = Self::PATHS.map(str::to_owned).into_iter().chain(of_rules).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The one of [`Self::names`] that a request counts with.
    pub fn name(&self, method: &Method, path: &str) -> String {
        let of_rule = self.transcoder.name(method, path);
        of_rule.unwrap_or_else(|| email::path_of_invitation(path).unwrap_or(path).to_owned())
    }
}

async fn wrong_method(request: Request) -> Response {
    let text = "this path does not take this method: see the Allow header";
    refuse(request.uri().path(), StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
}

fn unknown_path(transcoder: &Transcoder, request: &Request) -> Response {
    let path = request.uri().path();
    if transcoder.is_near(path) {
        return transcoder.failures().unknown_path(request.headers());
    }
    let answer = not_grpc::answer(request);
    answer.unwrap_or_else(|| refuse(path, StatusCode::NOT_FOUND, "not_found", "there is nothing at this path"))
}

/// In the dialect that the path belongs to.
fn refuse(path: &str, status: StatusCode, code: &'static str, text: &'static str) -> Response {
    if is_email(path) { email::error(status, code, text) } else { username::error(status, text) }
}

fn is_email(path: &str) -> bool {
    path == "/auth" || path.starts_with("/auth/")
}
