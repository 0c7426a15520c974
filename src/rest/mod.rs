//! REST: every RPC by the path of its annotation (`http_rule`), and three dialects as projections of the RPCs: the two
//! documented JSON APIs (`username` and `email`, under `/api/auth` and `/auth`), and introspection (`oauth`, under
//! `/oauth2`). All of them call the stack that the network is served, in process, and translate its
//! answers. Nothing here decides anything about accounts or tokens.
//!
//! `call` and `body` are shared by the dialects. `rpcs` has the RPCs that they call, and `routes` every path that
//! no proto describes. `pages` are the pages that links in mail lead to; `openapi` describes all of REST as a document,
//! and `docs` serves it. Sources: the two contracts, quoted where they decide something, and `google/api/http.proto`.

mod body;
mod call;
mod docs;
mod early_refusal;
mod email;
mod forward_auth;
mod not_grpc;
mod oauth;
pub mod openapi;
mod pages;
mod probes;
mod routes;
mod rpcs;
mod second_factor;
mod username;
mod well_known;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::header::{ALLOW, CACHE_CONTROL, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, StatusCode};
use http_rule::{Found, Options, Paths, RuleError, Rules, Template, Transcoder, without_body};
use tonic::Status;

pub use call::Rpc;
pub(crate) use forward_auth::{distrust, is_forward_auth};
pub use well_known::{Document, WellKnown};

use crate::pb::{DESCRIPTORS, ERROR_DOMAIN, ErrorReason, codec};
use body::Fields;
use early_refusal::PreparedRefusals;
use routes::Route;

/// All of REST, and the probes.
pub struct Rest {
    transcoder: Transcoder<Rpc>,
    early: PreparedRefusals,
    /// The dialects, the pages, the probes and the documentation; sorted by their paths.
    routes: Vec<Route>,
    /// The index of each route.
    paths: Paths<usize>,
    names: Names,
    well_known: WellKnown,
}

/// What answers a request. It is found once for each request, and handed on.
#[derive(Debug, Clone, Copy)]
pub struct RestTarget(Surface);

#[derive(Debug, Clone, Copy)]
enum Surface {
    /// The transcoder, with what its rules have for the request.
    Rules(Found),
    /// The route at this index.
    Route(usize),
    Nothing,
}

/// The names that requests are counted under, and the index of the name of each binding and each route.
struct Names {
    all: Vec<String>,
    of_bindings: Vec<usize>,
    of_routes: Vec<usize>,
}

/// Why REST cannot be served: the annotations of the protos, or the other paths, have a defect.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// The annotations make no sense by themselves.
    #[error(transparent)]
    Rules(#[from] RuleError),
    /// The rule of this RPC matches this path, which belongs to a dialect, a page or a probe.
    #[error("the google.api.http rule of {0} matches the path {1}, which is reserved for other routes")]
    PathTaken(String, &'static str),
    /// A path of the dialects, pages or probes is no template.
    #[error("the path {0} of a route {1}")]
    Path(&'static str, &'static str),
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
    /// served; `well_known` has the documents of the keys.
    pub fn new(rpc: Rpc, docs: bool, well_known: WellKnown) -> Result<Self, RestError> {
        let transcoder = Transcoder::new(Rules::read(DESCRIPTORS)?, rpc.clone(), options());
        let early = PreparedRefusals::new(rpc.clone(), transcoder.rules());
        let mut routes = Vec::new();
        let documents = docs::routes(Arc::clone(transcoder.rules())).into_iter();
        // Reserved even if they are not served, so that names in metrics do not depend on the setting.
        let documents = documents.map(|route| if docs { route } else { route.reserved() });
        username::routes(rpc.clone())
            .into_iter()
            .chain(pages::routes())
            .chain(email::routes(&rpc))
            .chain(oauth::routes(rpc.clone()))
            .chain(forward_auth::routes(rpc.clone()))
            .chain(probes::routes(rpc))
            .chain(documents)
            .chain(well_known::routes(well_known.clone()))
            .for_each(|route| routes::add(&mut routes, route));
        routes.sort_by_key(|route| route.path);
        let mut paths = Paths::default();
        for (index, &Route { path, .. }) in routes.iter().enumerate() {
            if let Found::Binding(taken) | Found::OtherMethods(taken) = transcoder.rules().find(&Method::GET, path) {
                let rpc = transcoder.rules().bindings().get(taken).map(|binding| binding.rpc.full_name().to_owned());
                return Err(RestError::PathTaken(rpc.unwrap_or_default(), path));
            }
            paths.insert(&Template::parse(path).map_err(|problem| RestError::Path(path, problem))?, index);
        }
        let names = Names::of(transcoder.rules(), &routes);
        Ok(Self { transcoder, early, routes, paths, names, well_known })
    }

    /// Looks a request up.
    pub fn find(&self, method: &Method, path: &str) -> RestTarget {
        let path = self.well_known.plain_path(path).unwrap_or(path);
        let route = |path: &str| self.paths.find(path, |&index| Some(Surface::Route(index)));
        if self.has_rules_near(path) {
            let found = self.transcoder.rules().find(method, path);
            let route = if found == Found::Nothing { route(path) } else { None };
            return RestTarget(route.unwrap_or(Surface::Rules(found)));
        }
        let found = route(path).or_else(|| route(&username::plain_path(path)?));
        RestTarget(found.unwrap_or(Surface::Nothing))
    }

    /// The response to any request, also of an unknown path or a wrong method. `target` is what [`Self::find`] found.
    pub async fn answer(&self, target: RestTarget, request: Request) -> Response {
        // A handler that has panicked leaves nothing behind that another request sees.
        let answered = AssertUnwindSafe(self.route(target, request)).catch_unwind().await;
        let mut response =
            answered.unwrap_or_else(|_| self.transcoder.refuse(http_rule::defect(&"a panic"), &HeaderMap::new()));
        // No answer may be cached unless it says so itself, or be taken for another type than its own.
        response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }

    async fn route(&self, RestTarget(surface): RestTarget, request: Request) -> Response {
        let refuse = |status| self.refuse(request.uri().path(), status, &HeaderMap::new());
        if let Some(refused) = self.early.of(&request, refuse) {
            early_refusal::skip(request.into_body());
            return refused;
        }
        let route = match surface {
            // Boxed, because every request would otherwise reserve the space of this future.
            Surface::Rules(found) => return self.transcoder.answer_found(found, request).boxed().await,
            Surface::Route(index) => self.routes.get(index),
            Surface::Nothing => None,
        };
        let is_head = request.method() == Method::HEAD;
        let response = match route.and_then(|route| route.handler(request.method())) {
            Some(handler) => handler(request).await,
            None => match route.and_then(Route::allow) {
                Some(allow) => wrong_method(request.uri().path(), allow),
                None => unknown_path(&request),
            },
        };
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
        } else if is_below(path, "/auth") {
            email::refuse(status.into(), &Fields::default())
        } else if is_below(path, "/oauth2") {
            oauth::refuse(status.into(), headers)
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

    /// Whether the answer is a stream, which may last for ever.
    pub fn is_stream(&self, RestTarget(surface): RestTarget) -> bool {
        let Surface::Rules(Found::Binding(index)) = surface else { return false };
        self.transcoder.rules().bindings().get(index).is_some_and(|binding| binding.rpc.is_server_streaming())
    }

    /// Whether this path begins as those of the annotated RPCs do (`/v1`), so that the transcoder answers it.
    pub fn has_rules_near(&self, path: &str) -> bool {
        self.transcoder.rules().is_near(path)
    }

    /// Whether a request of this method and path computes a password hash for every caller.
    pub(crate) fn hashes(&self, method: &Method, path: &str) -> bool {
        self.early.find(method, path).is_some()
    }

    /// Every path of the dialects, the pages, the probes and the documentation; sorted.
    pub fn paths(&self) -> Vec<&'static str> {
        self.routes.iter().map(|route| route.path).collect()
    }

    /// The names that requests are counted under: all paths, with the names of their variables in place of values.
    pub fn names(&self) -> &[String] {
        &self.names.all
    }

    /// The index of the name that a request is counted under; `None` of an unknown path.
    pub fn name(&self, RestTarget(surface): RestTarget) -> Option<usize> {
        match surface {
            Surface::Rules(Found::Binding(index) | Found::OtherMethods(index)) => {
                self.names.of_bindings.get(index).copied()
            }
            Surface::Route(index) => self.names.of_routes.get(index).copied(),
            Surface::Rules(Found::Nothing) | Surface::Nothing => None,
        }
    }
}

impl Names {
    fn of(rules: &Rules, routes: &[Route]) -> Self {
        let bindings: Vec<_> = rules.bindings().iter().map(|binding| binding.template.shown()).collect();
        let routes: Vec<_> = routes.iter().map(|route| route.path.to_owned()).collect();
        let mut all: Vec<_> = bindings.iter().chain(&routes).cloned().collect();
        all.sort();
        all.dedup();
        let indexes = |names: Vec<String>| names.iter().filter_map(|name| all.binary_search(name).ok()).collect();
        let (of_bindings, of_routes) = (indexes(bindings), indexes(routes));
        Self { all, of_bindings, of_routes }
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").field("names", &self.names.all).finish_non_exhaustive()
    }
}

fn wrong_method(path: &str, allow: HeaderValue) -> Response {
    let text = "this path does not take this method: see the Allow header";
    let mut response = refuse(path, StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text);
    response.headers_mut().insert(ALLOW, allow);
    response
}

fn unknown_path(request: &Request) -> Response {
    let answer = not_grpc::answer(request);
    let text = "there is nothing at this path";
    answer.unwrap_or_else(|| refuse(request.uri().path(), StatusCode::NOT_FOUND, "not_found", text))
}

/// Refuses in the dialect that the path belongs to.
fn refuse(path: &str, status: StatusCode, code: &'static str, text: &str) -> Response {
    if is_below(path, "/auth") {
        email::error(status, code, text)
    } else if is_below(path, "/oauth2") {
        oauth::error(status, "invalid_request", text)
    } else {
        username::error(status, text)
    }
}

/// Whether a path is this folder, or a path in it.
fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
