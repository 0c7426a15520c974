//! The response to a request that fails: `google.rpc.Status` as JSON with readable details, or
//! `application/problem+json` (RFC 9457) if the request accepts that. The HTTP status of each gRPC code is chosen here.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use axum_core::body::Body;
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Method, Response, StatusCode};
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Map, Value, json};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::answer::JSON;
use crate::body::BodyError;
use crate::names::Violation;
use crate::options::Options;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Makes the responses to requests that fail.
#[derive(Debug, Clone)]
pub(crate) struct Failures {
    /// The descriptors of the types that error details have.
    pool: DescriptorPool,
    options: Arc<Options>,
}

impl Failures {
    pub(crate) fn new(pool: DescriptorPool, options: Arc<Options>) -> Self {
        Self { pool, options }
    }

    pub(crate) fn of_status(&self, status: Status, headers: &HeaderMap) -> Response<Body> {
        self.respond(http_status(status.code()), &status, headers)
    }

    pub(crate) fn unknown_path(&self, headers: &HeaderMap) -> Response<Body> {
        self.respond(StatusCode::NOT_FOUND, &Status::not_found("there is nothing at this path"), headers)
    }

    pub(crate) fn wrong_method(&self, allowed: &[Method], headers: &HeaderMap) -> Response<Body> {
        let status = Status::unimplemented("this path does not take this method: see the Allow header");
        let mut response = self.respond(StatusCode::METHOD_NOT_ALLOWED, &status, headers);
        response.headers_mut().insert(ALLOW, allow(allowed));
        response
    }

    pub(crate) fn body(&self, error: BodyError, headers: &HeaderMap) -> Response<Body> {
        self.respond(error.http_status(), &error.into(), headers)
    }

    /// Refuses a field before there is a message, in the form in which RPCs refuse one.
    pub(crate) fn violation(&self, (field, problem): Violation, headers: &HeaderMap) -> Response<Body> {
        let message = format!("{field} {problem}");
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation(field, problem);
        if let Some((reason, domain)) = &self.options.invalid_field {
            details.set_error_info(reason, domain, HashMap::new());
        }
        let status = Status::with_error_details(Code::InvalidArgument, message, details);
        self.respond(StatusCode::BAD_REQUEST, &status, headers)
    }

    fn respond(&self, http: StatusCode, status: &Status, headers: &HeaderMap) -> Response<Body> {
        let mut body = self.json(status);
        let wants_problem = accepts_problem(headers);
        if wants_problem {
            // `type` is left out, which means "about:blank": the reason among the details tells more.
            body["title"] = http.canonical_reason().unwrap_or("Error").into();
            body["status"] = http.as_u16().into();
            body["detail"] = status.message().into();
        }
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = http;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, if wants_problem { PROBLEM_JSON } else { JSON });
        if let Some(delay) = retry_after(status) {
            headers.insert(RETRY_AFTER, delay);
        }
        self.options.add_failure_headers(status, headers);
        response
    }

    /// `{"code", "message", "details"}`, without the details if the descriptors lack the type of one.
    pub(crate) fn json(&self, status: &Status) -> Value {
        let mut json = json!({ "code": status.code() as i32, "message": status.message() });
        if let Some(details @ Value::Array(_)) = self.details(status) {
            json["details"] = details;
        }
        json
    }

    fn details(&self, status: &Status) -> Option<Value> {
        if status.details().is_empty() {
            return None;
        }
        let descriptor = self.pool.get_message_by_name("google.rpc.Status")?;
        let message = DynamicMessage::decode(descriptor, status.details()).ok()?;
        serde_json::to_value(message).ok()?.as_object_mut().and_then(|status: &mut Map<_, _>| status.remove("details"))
    }
}

/// A status for a defect of the program: logs the cause, and gives the client a fixed text.
pub fn defect(cause: &dyn fmt::Display) -> Status {
    tracing::error!(event = "error", cause = %cause, "internal error");
    Status::internal("internal error: it has been logged")
}

/// The value of a `Retry-After` header for a status that has a `google.rpc.RetryInfo`: whole seconds (RFC 9110 section
/// 10.2.3), and at least one.
pub fn retry_after(status: &Status) -> Option<HeaderValue> {
    let delay = status.get_details_retry_info()?.retry_delay?;
    Some(HeaderValue::from(delay.as_secs().max(1)))
}

/// The value of an `Allow` header.
pub(crate) fn allow(methods: &[Method]) -> HeaderValue {
    let names: Vec<_> = methods.iter().map(Method::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

/// Whether `Accept` names `application/problem+json` with a quality above zero. `*/*` does not ask for it, and
/// qualities are not compared: a client that names the type can read it.
fn accepts_problem(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    ranges.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/problem+json"));
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        named && quality.is_none_or(|quality| quality.parse::<f32>().is_ok_and(|quality| quality > 0.0))
    })
}

/// Returns the HTTP status of a gRPC code: the "HTTP Mapping" of `google/rpc/code.proto`.
pub fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        // "499 Client Closed Request"
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
