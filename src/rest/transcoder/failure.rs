//! What fails, as `google.rpc.Status` in JSON, with the details readable; or as `application/problem+json` (RFC 9457) where that
//! is asked for. The HTTP status of a gRPC code is chosen here, as `google/rpc/code.proto` has it.

use std::fmt;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Map, Value, json};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::names::Violation;
use crate::pb::{ERROR_DOMAIN, ErrorReason};
use crate::rest::body::Unreadable;
use crate::rest::call::Failure;

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Turns statuses into answers.
#[derive(Debug, Clone)]
pub(in crate::rest) struct Failures {
    /// Has the types of the details.
    pool: DescriptorPool,
}

impl Failures {
    pub fn new(pool: DescriptorPool) -> Self {
        Self { pool }
    }

    pub(super) fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// Of an RPC.
    pub fn answer(&self, status: Status, headers: &HeaderMap) -> Response {
        let http = http_status(status.code());
        self.respond(http, status, headers)
    }

    /// A path that nothing is at.
    pub fn unknown_path(&self, headers: &HeaderMap) -> Response {
        self.respond(StatusCode::NOT_FOUND, Status::not_found("there is nothing at this path"), headers)
    }

    /// A path that takes other methods.
    pub fn wrong_method(&self, allowed: &[Method], headers: &HeaderMap) -> Response {
        let status = Status::unimplemented("this path does not take this method: see the Allow header");
        let mut response = self.respond(StatusCode::METHOD_NOT_ALLOWED, status, headers);
        response.headers_mut().insert(ALLOW, allow(allowed));
        response
    }

    /// A body that is none.
    pub fn unreadable(&self, unreadable: Unreadable, headers: &HeaderMap) -> Response {
        match unreadable {
            Unreadable::Wrong(wrong) => self.respond(wrong.status, Status::invalid_argument(wrong.text), headers),
            Unreadable::Refused(status) => self.answer(*status, headers),
        }
    }

    /// Anything else that is wrong before there is a call.
    pub fn refusal(&self, http: StatusCode, code: Code, text: &'static str, headers: &HeaderMap) -> Response {
        self.respond(http, Status::new(code, text), headers)
    }

    /// A field that is wrong before there is a message: refused as the RPC refuses one.
    pub fn violation(&self, (field, problem): Violation, headers: &HeaderMap) -> Response {
        let message = format!("{field} {problem}");
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation(field, problem);
        details.set_error_info(ErrorReason::Validation.as_reason(), ERROR_DOMAIN, std::collections::HashMap::new());
        let status = Status::with_error_details(Code::InvalidArgument, message, details);
        self.respond(StatusCode::BAD_REQUEST, status, headers)
    }

    /// What is nobody's mistake but ours.
    pub fn defect(&self, cause: &dyn fmt::Display) -> Response {
        self.respond(StatusCode::INTERNAL_SERVER_ERROR, defect(cause), &HeaderMap::new())
    }

    fn respond(&self, http: StatusCode, status: Status, headers: &HeaderMap) -> Response {
        let mut body = self.json(&status);
        let wants_problem = accepts_problem(headers);
        if wants_problem {
            // `type` is left out, which is "about:blank": the reason among the details tells more.
            body["title"] = http.canonical_reason().unwrap_or("Error").into();
            body["status"] = http.as_u16().into();
            body["detail"] = status.message().into();
        }
        let mut response = Failure::from(status).headers((http, Json(body)).into_response());
        if wants_problem {
            response.headers_mut().insert(CONTENT_TYPE, PROBLEM);
        }
        response
    }

    /// `{"code", "message", "details"}`.
    pub fn json(&self, status: &Status) -> Value {
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
        // Fails where a detail is of a type that nobody described.
        serde_json::to_value(message).ok()?.as_object_mut().and_then(|status: &mut Map<_, _>| status.remove("details"))
    }
}

/// A defect: fixed text for the client, the cause for the log.
pub(super) fn defect(cause: &dyn fmt::Display) -> Status {
    tracing::error!(event = "error", cause = %cause, "internal error");
    Status::internal("internal error: it has been logged")
}

/// The value of an `Allow` header.
pub(super) fn allow(methods: &[Method]) -> HeaderValue {
    let names: Vec<_> = methods.iter().map(Method::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static(""))
}

/// Named as such, and not refused by a quality of zero: what takes anything is given the usual. Qualities are not weighed
/// against each other: who names it can read it.
fn accepts_problem(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    ranges.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/problem+json"));
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        named && quality.is_none_or(|quality| quality.parse::<f32>().is_ok_and(|quality| quality > 0.0))
    })
}

/// "HTTP Mapping" of `google/rpc/code.proto`.
pub(in crate::rest) fn http_status(code: Code) -> StatusCode {
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
