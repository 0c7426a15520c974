//! One RPC, made in process on behalf of an HTTP request: headers become metadata, a status becomes a [`Failure`].

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::response::Response;
use futures_util::future::BoxFuture;
use http::header::{
    ACCESS_CONTROL_EXPOSE_HEADERS, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, USER_AGENT, WWW_AUTHENTICATE,
};
use http::request::Parts;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use tower::Service;

pub(super) use crate::layer::TOKEN;
use crate::pb::ErrorReason;
use crate::pb::admin_service_client::AdminServiceClient;
use crate::pb::auth_service_client::AuthServiceClient;

/// The one stack, whatever it is made of: a gRPC server without a network. Cheap to clone, for every request does.
#[derive(Clone)]
pub struct Rpc(Arc<dyn Fn(http::Request<Body>) -> Answering + Send + Sync>);

/// The stack's own future.
pub type Answering = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

impl Rpc {
    /// Calls are `call`.
    pub fn new(call: impl Fn(http::Request<Body>) -> Answering + Send + Sync + 'static) -> Self {
        Self(Arc::new(call))
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
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answering {
        (self.0)(request)
    }
}

/// The generated client on it.
pub(super) type Client = AuthServiceClient<Rpc>;

/// The same, of what administrators call.
pub(super) type Admins = AdminServiceClient<Rpc>;

/// What a client sends along with a sign-in of an earlier one, and the header that it is answered in.
pub(super) const DEVICE: HeaderName = HeaderName::from_static("device");

/// A message on behalf of whoever sent the request of `parts`: with what its client calls itself, and with the request's
/// extensions, whatever they are. Whoever accepted the connection put them there; no header reaches them.
pub(super) fn on_behalf<T>(parts: Parts, message: T) -> Request<T> {
    with_headers(&parts, &[USER_AGENT], message)
}

/// As [`on_behalf`], with the credentials: both carriers, as often as they were sent, for the stack to judge.
pub(super) fn with_credentials<T>(parts: Parts, message: T) -> Request<T> {
    with_headers(&parts, &[USER_AGENT, TOKEN, AUTHORIZATION], message)
}

/// As [`with_credentials`], and with what shows that a sign-in comes from a device which has signed in before.
pub(super) fn with_device<T>(parts: Parts, message: T) -> Request<T> {
    with_headers(&parts, &[USER_AGENT, TOKEN, AUTHORIZATION, DEVICE], message)
}

/// As [`on_behalf`], with these headers, each as often as it was sent.
pub(super) fn with_headers<T>(parts: &Parts, names: &[HeaderName], message: T) -> Request<T> {
    let mut headers = HeaderMap::new();
    for name in names {
        for value in parts.headers.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    Request::from_parts(MetadataMap::from_headers(headers), parts.extensions.clone(), message)
}

/// The fresh token that an answer carries.
pub(super) fn fresh_token(metadata: &MetadataMap) -> Option<HeaderValue> {
    metadata.as_ref().get(TOKEN).cloned()
}

/// Puts a fresh token where the contracts' clients look for it, and lets browsers of other origins see it there:
/// "only … when `Access-Control-Expose-Headers` names `Token` literally".
pub(super) fn attach(response: &mut Response, token: Option<HeaderValue>) {
    if let Some(mut token) = token {
        token.set_sensitive(true);
        response.headers_mut().insert(TOKEN, token);
        response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Token"));
    }
}

/// Adds the header `device` to the answer to a sign-in: the contracts' bodies have no field for it.
pub(super) fn attach_device(mut response: Response, device: &str) -> Response {
    // A seal is base64url and a dot, so it is always a header value.
    if let Ok(mut value) = HeaderValue::from_str(device) {
        value.set_sensitive(true);
        response.headers_mut().insert(DEVICE, value);
    }
    response
}

/// A failed call, as a dialect's table needs it.
#[derive(Debug)]
pub(super) struct Failure {
    /// `ERROR_REASON_UNSPECIFIED` when there is none.
    pub reason: ErrorReason,
    /// Every bad field and what to change.
    pub violations: Vec<(String, String)>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// The fresh token, if the call was authenticated.
    pub token: Option<HeaderValue>,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let reason = match (status.get_details_error_info(), status.code()) {
            (Some(info), _) => ErrorReason::from_reason(&info.reason),
            // A call that ran out of time has no reason; it is answered as the service being out of reach.
            (None, Code::DeadlineExceeded) => ErrorReason::Unavailable,
            (None, _) => ErrorReason::Unspecified,
        };
        let violations = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
        Self {
            reason,
            violations: violations.into_iter().map(|bad| (bad.field, bad.description)).collect(),
            retry_after: status.get_details_retry_info().and_then(|info| info.retry_delay),
            token: fresh_token(status.metadata()),
        }
    }
}

impl Failure {
    /// The failure of an answer that lacks what every such answer has; a defect, answered as one.
    pub fn defect() -> Self {
        Self { reason: ErrorReason::Unspecified, violations: Vec::new(), retry_after: None, token: None }
    }

    /// Adds the headers that both dialects send with a failure: the fresh token, `Retry-After` (whole seconds, RFC 9110
    /// section 10.2.3) and the challenge of a 401 (RFC 6750 section 3: with an error only where a token was presented).
    pub fn headers(self, mut response: Response) -> Response {
        if let Some(delay) = self.retry_after {
            response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from(delay.as_secs().max(1)));
        }
        if response.status() == http::StatusCode::UNAUTHORIZED {
            let challenge = match self.reason {
                ErrorReason::TokenInvalid | ErrorReason::TokenExpired => "Bearer error=\"invalid_token\"",
                _ => "Bearer",
            };
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        attach(&mut response, self.token);
        response
    }
}
