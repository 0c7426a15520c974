//! REST: every RPC by the path of its annotation (`http_rule`), and the two documented JSON APIs (`username` and
//! `email`, under `/api/auth` and `/auth`) as projections of the RPCs. All of them call the stack that the network is
//! served, in process, and translate its answers. Nothing here decides anything about accounts or tokens.
//!
//! `call` and `body` are shared by the two dialects, `routes` keeps their paths. `pages` are the pages that links in
//! mail lead to; `openapi` describes all of REST as a document, and `docs` serves it. Sources: the two contracts,
//! quoted where they decide something, and `google/api/http.proto`.

mod body;
mod call;
mod docs;
mod early_refusal;
mod email;
mod not_grpc;
pub mod openapi;
mod pages;
mod probes;
mod routes;
mod username;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, StatusCode};
use http_rule::{Options, RuleError, Rules, Template, Transcoder, without_body};
use tonic::Status;
use tower::ServiceExt as _;

pub use call::Rpc;

use crate::pb::auth_service_client::AuthServiceClient;
use crate::pb::{DESCRIPTORS, ERROR_DOMAIN, ErrorReason, codec};
use body::Fields;
use early_refusal::EarlyRefusal;

/// All of REST, and the probes.
#[derive(Debug)]
pub struct Rest {
    transcoder: Transcoder<Rpc>,
    early: EarlyRefusal,
    router: Router,
    /// The paths of the router, sorted.
    paths: Vec<&'static str>,
    /// The paths of the router that have a variable.
    templates: Vec<Template>,
}

/// Why REST cannot be served: the annotations of the protos have a defect.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// The annotations make no sense by themselves.
    #[error(transparent)]
    Rules(#[from] RuleError),
    /// The rule of this RPC matches this path, which belongs to a dialect, a page or a probe.
    #[error("the google.api.http rule of {0} matches the path {1}, which is reserved for other routes")]
    PathTaken(String, &'static str),
}

/// The options of the transcoder before our RPCs. The tests that compare it with another transcoder take them, too.
pub fn options() -> Options {
    Options::default()
        .request_headers(call::PASSED_ON)
        .body_limits(body::LIMITS.bytes, body::LIMITS.time)
        .buffers(codec::small())
        .invalid_field(ErrorReason::Validation.as_reason(), ERROR_DOMAIN)
        .answer_headers(|metadata, headers| call::attach(headers, call::fresh_token(metadata)))
        .failure_headers(call::add_failure_headers)
}

impl Rest {
    /// Builds REST on top of the stack that `rpc` calls. `docs` decides whether the OpenAPI document and its page are
    /// served.
    pub fn new(rpc: Rpc, docs: bool) -> Result<Self, RestError> {
        let transcoder = Transcoder::new(Rules::read(DESCRIPTORS)?, rpc.clone(), options());
        let early = EarlyRefusal::new(rpc.clone(), transcoder.rules());
        let routes = username::routes(AuthServiceClient::new(rpc.clone()))
            .merge(pages::routes())
            .merge(email::routes(&rpc))
            .merge(probes::routes(rpc));
        let (mut router, mut paths) = routes.into_parts();
        let (docs_router, docs_paths) = docs::routes(Arc::clone(transcoder.rules())).into_parts();
        if docs {
            router = router.merge(docs_router);
        }
        // Reserved even if they are not served, so that names in metrics do not depend on the setting.
        paths.extend(docs_paths);
        paths.sort_unstable();
        paths.dedup();
        for path in &paths {
            let taken = transcoder.rules().bindings().iter().find(|binding| binding.template.matches(path).is_some());
            if let Some(binding) = taken {
                return Err(RestError::PathTaken(binding.rpc.full_name().to_owned(), path));
            }
        }
        let templates = paths.iter().filter(|path| path.contains('{')).filter_map(|path| Template::parse(path).ok());
        let templates = templates.collect();
        let router = router.fallback(unknown_path).method_not_allowed_fallback(wrong_method);
        Ok(Self { transcoder, early, router, paths, templates })
    }

    /// The response to any request, also of an unknown path or a wrong method.
    pub async fn answer(&self, request: Request) -> Response {
        // A handler that has panicked leaves nothing behind that another request sees.
        let answered = AssertUnwindSafe(self.route(request)).catch_unwind().await;
        let mut response =
            answered.unwrap_or_else(|_| self.transcoder.refuse(http_rule::defect(&"a panic"), &HeaderMap::new()));
        // No answer may be cached, or be taken for another type than its own.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }

    async fn route(&self, mut request: Request) -> Response {
        let refuse = |status| self.refuse(request.uri().path(), status, &HeaderMap::new());
        if let Some(refused) = self.early.of(&request, refuse) {
            early_refusal::skip(request.into_body());
            return refused;
        }
        if self.has_rules_near(request.uri().path()) {
            return self.transcoder.answer(request).await;
        }
        if let Some(path) = username::plain_path(request.uri().path()) {
            let plain = request.uri().query().map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
            // A path in lower case is as valid as the path that was sent.
            *request.uri_mut() = plain.parse().unwrap_or_default();
        }
        let is_head = request.method() == Method::HEAD;
        let Ok(response) = self.router.clone().oneshot(request).await;
        if is_head { without_body(response) } else { response }
    }

    /// The answer to an HTTP/1.1 request without exactly one `Host` (RFC 9112 section 3.2).
    pub fn no_host(&self, path: &str, headers: &HeaderMap) -> Response {
        let text = "an HTTP/1.1 request needs exactly one Host header";
        if self.has_rules_near(path) {
            return self.transcoder.refuse(Status::invalid_argument(text), headers);
        }
        refuse(path, StatusCode::BAD_REQUEST, "bad_request", text)
    }

    /// The answer to a request that is refused before it is read.
    pub fn refuse(&self, path: &str, status: Status, headers: &HeaderMap) -> Response {
        if self.has_rules_near(path) {
            self.transcoder.refuse(status, headers)
        } else if is_email(path) {
            email::refuse(status.into(), &Fields::default())
        } else {
            username::refuse(status.into(), &Fields::default(), &[])
        }
    }

    /// The answer to a request at a path that begins so, and with a head that is too large.
    pub fn refuse_large_head(&self, path: &str, status: Status) -> Response {
        let code = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        if self.has_rules_near(path) {
            let mut response = self.transcoder.refuse(status, &HeaderMap::new());
            *response.status_mut() = code;
            return response;
        }
        refuse(path, code, "head_too_large", status.message())
    }

    /// Whether the answer at this path is a stream, which may last for ever.
    pub fn is_stream(&self, path: &str) -> bool {
        self.transcoder.rules().is_stream(path)
    }

    /// Whether this path begins as those of the annotated RPCs do (`/v1`), so that the transcoder answers it.
    pub fn has_rules_near(&self, path: &str) -> bool {
        self.transcoder.rules().is_near(path)
    }

    /// Every path of the dialects, the pages, the probes and the documentation; sorted.
    pub fn paths(&self) -> &[&'static str] {
        &self.paths
    }

    /// The names that requests are counted under: all paths, with the names of their variables in place of values.
    pub fn names(&self) -> Vec<String> {
        let of_rules = self.transcoder.rules().bindings().iter().map(|binding| binding.template.shown());
        let mut names: Vec<_> = self.paths.iter().map(|&path| path.to_owned()).chain(of_rules).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The name among [`Self::names`] that a request is counted under; of an unknown path, the path itself.
    pub fn name(&self, method: &Method, path: &str) -> String {
        if let Some(name) = self.transcoder.rules().route(method, path) {
            return name;
        }
        let plain = username::plain_path(path);
        let path = plain.as_deref().unwrap_or(path);
        let template = self.templates.iter().find(|template| template.matches(path).is_some());
        let template = template.filter(|_| self.paths.binary_search(&path).is_err());
        template.map_or_else(|| path.to_owned(), Template::shown)
    }
}

async fn wrong_method(request: Request) -> Response {
    let text = "this path does not take this method: see the Allow header";
    refuse(request.uri().path(), StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
}

async fn unknown_path(request: Request) -> Response {
    let answer = not_grpc::answer(&request);
    let text = "there is nothing at this path";
    answer.unwrap_or_else(|| refuse(request.uri().path(), StatusCode::NOT_FOUND, "not_found", text))
}

/// Refuses in the dialect that the path belongs to.
fn refuse(path: &str, status: StatusCode, code: &'static str, text: &str) -> Response {
    if is_email(path) { email::error(status, code, text) } else { username::error(status, text) }
}

fn is_email(path: &str) -> bool {
    path == "/auth" || path.starts_with("/auth/")
}
