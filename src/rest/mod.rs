//! REST: every RPC by the path of its annotation (`transcoder`), and the two documented JSON APIs (`username`, `email`:
//! `/api/auth/…` and `/auth/…`) as projections of the RPCs. All of it calls the same stack that the network is served, in
//! process, and translates what comes back. Nothing here decides anything about accounts or tokens.
//!
//! `call` and `body` are what they share; `docs` describes all of it (`openapi`). Source: the two contracts, quoted where they decide something, and
//! `google/api/http.proto`.

mod body;
mod call;
mod docs;
mod email;
mod not_grpc;
mod openapi;
mod probes;
mod transcoder;
mod username;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, StatusCode};
use tonic::Code;
use tower::ServiceExt as _;

pub use call::Rpc;
pub use transcoder::{RuleError, Transcoder};

use crate::pb::DESCRIPTORS;
use crate::pb::auth_service_client::AuthServiceClient;
use transcoder::Failures;

/// All of REST, and the probes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rest {
    transcoder: Arc<Transcoder>,
    router: Router,
}

impl Rest {
    /// Every path that answers and has no rule.
    pub const PATHS: [&str; 15] = [
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
        let transcoder = Arc::new(transcoder);
        let described = docs.then(|| docs::routes(Arc::clone(&transcoder)));
        let client = AuthServiceClient::new(rpc.clone());
        let (unknown, wrong) = (transcoder.failures().clone(), transcoder.failures().clone());
        let router = Router::new()
            .merge(username::routes(client.clone()))
            .merge(email::routes(client))
            .merge(probes::routes(rpc))
            .merge(described.unwrap_or_default())
            .fallback(async move |request: Request| unknown_path(&unknown, &request))
            .method_not_allowed_fallback(async move |request: Request| wrong_method(&wrong, &request));
        Ok(Self { transcoder, router })
    }

    /// Answers every path and method, the wrong ones too.
    pub async fn answer(&self, request: Request) -> Response {
        let mut response = match self.transcoder.try_answer(request).await {
            Ok(response) => response,
            Err(request) => {
                let Ok(response) = self.router.clone().oneshot(*request).await;
                response
            }
        };
        // Nothing here is for a cache, and nothing is what its content type does not say.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }

    /// The answer to an HTTP/1.1 request without exactly one `Host` (RFC 9112 section 3.2).
    pub fn no_host(&self, path: &str, headers: &HeaderMap) -> Response {
        let text = "an HTTP/1.1 request needs exactly one Host header";
        let refusal =
            Refusal { status: StatusCode::BAD_REQUEST, error: "bad_request", code: Code::InvalidArgument, text };
        refusal.answer(self.transcoder.failures(), path, headers)
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
        self.transcoder.name(method, path).unwrap_or_else(|| path.to_owned())
    }
}

/// What is wrong with a request that no route takes.
struct Refusal {
    status: StatusCode,
    /// As the email API has it.
    error: &'static str,
    /// As gRPC has it.
    code: Code,
    text: &'static str,
}

impl Refusal {
    /// In the dialect that the path belongs to.
    fn answer(&self, failures: &Failures, path: &str, headers: &HeaderMap) -> Response {
        match path.split('/').nth(1) {
            Some("auth") => email::error(self.status, self.error, self.text),
            Some("api") => username::error(self.status, self.text),
            _ => failures.refusal(self.status, self.code, self.text, headers),
        }
    }
}

fn unknown_path(failures: &Failures, request: &Request) -> Response {
    if let Some(answer) = not_grpc::answer(failures, request) {
        return answer;
    }
    let text = "there is nothing at this path";
    let refusal = Refusal { status: StatusCode::NOT_FOUND, error: "not_found", code: Code::NotFound, text };
    refusal.answer(failures, request.uri().path(), request.headers())
}

fn wrong_method(failures: &Failures, request: &Request) -> Response {
    let (status, error) = (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed");
    let text = "this path does not take this method: see the Allow header";
    Refusal { status, error, code: Code::Unimplemented, text }.answer(failures, request.uri().path(), request.headers())
}
