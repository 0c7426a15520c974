//! Calling an RPC in process on behalf of an HTTP request: headers become metadata, and a status becomes an
//! [`RpcFailure`].

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::response::Response;
use futures_util::future::BoxFuture;
use http::Extensions;
use http::header::{
    ACCESS_CONTROL_EXPOSE_HEADERS, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
    WWW_AUTHENTICATE,
};
use http::request::Parts;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use tower::Service;

use crate::pb::ErrorReason;
pub(super) use countersign_guard::layer::TOKEN;

/// The gRPC stack as one type, whatever it is made of: a gRPC server without a network. It is cheap to clone, because
/// every request clones it.
#[derive(Clone)]
pub struct Rpc {
    call: Arc<dyn Fn(http::Request<Body>) -> RpcFuture + Send + Sync>,
    refusal: Arc<Refusal>,
}

/// The answer to a call of an RPC, by its path and the head of the HTTP request, if it is refused before its message is
/// read.
type Refusal = dyn Fn(&str, &HeaderMap, &Extensions) -> Option<http::Response<Body>> + Send + Sync;

/// The future of the stack.
pub(super) type RpcFuture = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

impl Rpc {
    /// Every call is made by `call`.
    pub fn new(call: impl Fn(http::Request<Body>) -> RpcFuture + Send + Sync + 'static) -> Self {
        Self { call: Arc::new(call), refusal: Arc::new(|_, _, _| None) }
    }

    /// Calls for which `refusal` has an answer are refused with it, before their bodies are read.
    pub fn refused_by(
        self,
        refusal: impl Fn(&str, &HeaderMap, &Extensions) -> Option<http::Response<Body>> + Send + Sync + 'static,
    ) -> Self {
        Self { refusal: Arc::new(refusal), ..self }
    }

    /// The answer of the stack to a call of this RPC for this request, if it is refused before its message is read.
    pub(super) fn refusal<B>(&self, rpc: &str, request: &http::Request<B>) -> Option<http::Response<Body>> {
        (self.refusal)(rpc, request.headers(), request.extensions())
    }
}

impl fmt::Debug for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rpc").finish_non_exhaustive()
    }
}

impl Service<http::Request<Body>> for Rpc {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = RpcFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> RpcFuture {
        (self.call)(request)
    }
}

/// The response of a route in a dialect; as an error, if the route refuses.
pub(super) type RouteResult = Result<Response, Response>;

/// The header `device`: the answer to a sign-in has it, and the client sends it along with the next sign-in.
const DEVICE: HeaderName = HeaderName::from_static("device");

/// The request headers that the transcoder passes on as metadata: credentials, the client's name for itself, its
/// device, and its deadline in gRPC's own header and form (`Grpc-Timeout: 500m`). The stack judges them.
pub(super) const PASSED_ON: [HeaderName; 5] =
    [TOKEN, AUTHORIZATION, USER_AGENT, DEVICE, HeaderName::from_static("grpc-timeout")];

/// A message on behalf of the client that sent the request of `parts`, with its `User-Agent`. The extensions of the
/// request are passed on; the connection put them there, and no header can.
pub(super) fn on_behalf<T>(mut parts: Parts, message: T) -> Request<T> {
    http_rule::on_behalf(&mut parts, &[USER_AGENT], message)
}

/// As [`on_behalf`], with the headers that may carry a token.
pub(super) fn with_credentials<T>(mut parts: Parts, message: T) -> Request<T> {
    http_rule::on_behalf(&mut parts, &[USER_AGENT, TOKEN, AUTHORIZATION], message)
}

/// A message on behalf of a service, with its credential.
pub(super) fn as_service<T>(mut parts: Parts, message: T) -> Request<T> {
    http_rule::on_behalf(&mut parts, &[USER_AGENT, AUTHORIZATION], message)
}

/// As [`with_credentials`], with the device of an earlier sign-in.
pub(super) fn with_device<T>(mut parts: Parts, message: T) -> Request<T> {
    http_rule::on_behalf(&mut parts, &[USER_AGENT, TOKEN, AUTHORIZATION, DEVICE], message)
}

/// The fresh token that an answer carries.
pub(super) fn fresh_token(metadata: &MetadataMap) -> Option<HeaderValue> {
    metadata.as_ref().get(TOKEN).cloned()
}

/// Adds a fresh token in the header where the contracts' clients look for it, and lets pages of other origins read it:
/// "only … when `Access-Control-Expose-Headers` names `Token` literally".
pub(super) fn attach(headers: &mut HeaderMap, token: Option<HeaderValue>) {
    if let Some(mut token) = token {
        token.set_sensitive(true);
        headers.insert(TOKEN, token);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Token"));
    }
}

/// Adds the header `device` to the answer to a sign-in: the contracts' bodies have no field for it.
pub(super) fn attach_device(mut response: Response, device: &str) -> Response {
    // A device is base64url and a dot, so it is always a header value.
    if let Ok(mut value) = HeaderValue::from_str(device) {
        value.set_sensitive(true);
        response.headers_mut().insert(DEVICE, value);
    }
    response
}

/// Adds the headers of a failure that `/v1` has in common with the dialects: the challenge and the fresh token.
pub(super) fn add_failure_headers(status: &Status, headers: &mut HeaderMap) {
    if status.code() == Code::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(reason(status).challenge()));
    }
    attach(headers, fresh_token(status.metadata()));
}

fn reason(status: &Status) -> ErrorReason {
    match (status.get_details_error_info(), status.code()) {
        (Some(info), _) => ErrorReason::from_reason(&info.reason),
        // A call that ran out of time has no reason; the dialects answer it as a service that is out of reach.
        (None, Code::DeadlineExceeded) => ErrorReason::Unavailable,
        (None, _) => ErrorReason::Unspecified,
    }
}

/// A failed call, in the form that the dialects translate.
#[derive(Debug)]
pub(super) struct RpcFailure {
    /// `ERROR_REASON_UNSPECIFIED` if the status has none.
    pub reason: ErrorReason,
    /// The name of each bad field, and what to change.
    pub violations: Vec<(String, String)>,
    /// The value of the header `Retry-After`.
    retry_after: Option<HeaderValue>,
    /// The fresh token, if the call was authenticated.
    token: Option<HeaderValue>,
}

impl From<Status> for RpcFailure {
    fn from(status: Status) -> Self {
        let violations = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
        Self {
            reason: reason(&status),
            violations: violations.into_iter().map(|bad| (bad.field, bad.description)).collect(),
            retry_after: http_rule::retry_after(&status),
            token: fresh_token(status.metadata()),
        }
    }
}

impl From<ErrorReason> for RpcFailure {
    fn from(reason: ErrorReason) -> Self {
        Self { reason, violations: Vec::new(), retry_after: None, token: None }
    }
}

impl RpcFailure {
    /// The failure for an answer that lacks a part which every such answer has: a defect of the service.
    pub(super) fn defect() -> Self {
        ErrorReason::Unspecified.into()
    }

    /// Adds the headers that both dialects send with a failure: the fresh token, `Retry-After` and the challenge of a
    /// 401.
    pub(super) fn headers(self, mut response: Response) -> Response {
        let is_unauthorized = response.status() == http::StatusCode::UNAUTHORIZED;
        let headers = response.headers_mut();
        if let Some(delay) = self.retry_after {
            headers.insert(RETRY_AFTER, delay);
        }
        if is_unauthorized {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(self.reason.challenge()));
        }
        attach(headers, self.token);
        response
    }
}
