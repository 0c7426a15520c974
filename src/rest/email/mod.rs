//! The second documented API: emails, firms and `Authorization: Bearer`, under `/auth`. Its error body is
//! `{"detail", "error_code", "error"}`.
//!
//! This file has the table of failures and the parts that all routes share. `sign_in` has the routes that the contract
//! documents, `credentials` those for verifying and changing addresses and passwords, `invitations` the way into an
//! existing firm.

mod credentials;
mod invitations;
mod sign_in;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http_rule::body::BodyError;
use serde_json::{Value, json};
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::body::{FieldProblem, Fields};
use super::call::{self, Rpc, RpcFailure};
use super::routes::Route;
use crate::pb::account::Identity;
use crate::pb::{Account, EmailIdentity, ErrorReason, Role};

pub(super) fn routes(rpc: &Rpc) -> impl Iterator<Item = Route> + use<> {
    let routes = [sign_in::routes(rpc.clone()), credentials::routes(rpc.clone()), invitations::routes(rpc.clone())];
    routes.into_iter().flatten()
}

/// "Authenticated answers carry the `Token` header here too: a client may ignore it."
fn with_token(mut response: Response, metadata: &MetadataMap) -> Response {
    call::attach(response.headers_mut(), call::fresh_token(metadata));
    response
}

/// The answer to a call that has nothing to tell but that it was done; with the fresh token if there is one.
fn done<T>(answered: Result<tonic::Response<T>, Status>, message: &str, fields: &Fields) -> Response {
    match answered {
        Ok(response) => with_token(Json(json!({ "message": message })).into_response(), response.metadata()),
        Err(status) => refuse(status.into(), fields),
    }
}

/// Id, registration time ("ISO 8601 with `Z`") and identity of an email account; `None` for a username account.
fn email_account(account: Option<Account>) -> Option<(String, String, EmailIdentity)> {
    let account = account?;
    match account.identity? {
        Identity::EmailIdentity(identity) => Some((account.id, account.create_time?.to_string(), identity)),
        Identity::UsernameIdentity(_) => None,
    }
}

/// `{"id", "email", "name"}` of a new email account.
fn user(account: Option<Account>) -> Option<Value> {
    let (id, _, identity) = email_account(account)?;
    Some(json!({ "id": id, "email": identity.email, "name": identity.name }))
}

/// The name of a role, as tokens have it.
pub(super) fn role(role: i32) -> &'static str {
    match Role::try_from(role) {
        Ok(Role::Admin) => "admin",
        Ok(Role::User) => "user",
        // An unknown role is shown as the one that may do least.
        Ok(Role::Viewer | Role::Unspecified) | Err(_) => "viewer",
    }
}

/// The dialect's table from a reason to its HTTP status, code and text.
pub(super) fn refuse(failure: RpcFailure, fields: &Fields) -> Response {
    let (status, code, text) = match failure.reason {
        ErrorReason::Validation => {
            let response = validation_error(&failure.violations, fields);
            return failure.headers(response);
        }
        ErrorReason::TokenMissing | ErrorReason::TokenInvalid => {
            (StatusCode::UNAUTHORIZED, "invalid_token", "the token is missing or invalid: log in again")
        }
        ErrorReason::TokenExpired => (StatusCode::UNAUTHORIZED, "token_expired", "the token has expired: log in again"),
        ErrorReason::InvalidCredentials => {
            (StatusCode::BAD_REQUEST, "invalid_credentials", "email or password incorrect")
        }
        ErrorReason::SecondFactorInvalid => {
            (StatusCode::UNAUTHORIZED, "second_factor_invalid", "this code is wrong or was used before: try another")
        }
        ErrorReason::TicketInvalid => {
            (StatusCode::UNAUTHORIZED, "ticket_invalid", "this login has expired or was finished: log in again")
        }
        // Reasons of RPCs that this dialect does not call.
        ErrorReason::SecondFactorNotOffered | ErrorReason::NoSecondFactor => {
            (StatusCode::BAD_REQUEST, "no_second_factor", "there is no second factor")
        }
        ErrorReason::HandleTaken => {
            (StatusCode::BAD_REQUEST, "email_already_exists", "this email is already registered: log in")
        }
        ErrorReason::RegistrationClosed => (StatusCode::FORBIDDEN, "registration_closed", "registration is closed"),
        ErrorReason::TooManyAttempts => (
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            "too many attempts: try again after the time in Retry-After",
        ),
        ErrorReason::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            "too many requests are waiting: try again after the time in Retry-After",
        ),
        ErrorReason::Unavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the service is out of reach for the moment: try again")
        }
        ErrorReason::EmailNotVerified => (
            StatusCode::BAD_REQUEST,
            "email_not_verified",
            "verify your email first: use the link that was sent to you",
        ),
        ErrorReason::OneTimeTokenInvalid => (
            StatusCode::BAD_REQUEST,
            "invalid_one_time_token",
            "this link was used already, or has expired: ask for another",
        ),
        ErrorReason::InsufficientPermissions => {
            (StatusCode::FORBIDDEN, "insufficient_permissions", "only an administrator may do this")
        }
        ErrorReason::NotFound => (StatusCode::NOT_FOUND, "not_found", "there is no such invitation"),
        ErrorReason::Unspecified => {
            (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "internal error: it has been logged")
        }
    };
    failure.headers(error(status, code, text))
}

/// "For 422 `detail` is a list of `{"loc": ["body","<field>"], "msg", "type"}`." The field has the contract's name, and
/// not the RPC's.
fn validation_error(violations: &[(String, String)], fields: &Fields) -> Response {
    let detail: Vec<_> = violations
        .iter()
        .map(|(field, description)| {
            let name = fields.name(field);
            let problem = fields.problem(name);
            let msg = problem.map_or(description.as_str(), |problem| problem.description());
            let kind = match problem {
                Some(FieldProblem::Missing) => "missing",
                Some(FieldProblem::NotAString) => "string_type",
                Some(FieldProblem::Not(_)) | None => "value_error",
            };
            json!({ "loc": [fields.location(), name], "msg": msg, "type": kind })
        })
        .collect();
    with_detail(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", &json!(detail))
}

fn refuse_body(error: BodyError) -> Response {
    let code = match error {
        BodyError::Refused(status) => return refuse((*status).into(), &Fields::default()),
        BodyError::ContentType | BodyError::Compressed => "unsupported_media_type",
        BodyError::TooLarge(_) => "payload_too_large",
        BodyError::TooSlow => "request_timeout",
        BodyError::Malformed | BodyError::RepeatedName => "malformed_json",
    };
    self::error(error.http_status(), code, &error.to_string())
}

/// The dialect's error body.
pub(super) fn error(status: StatusCode, code: &str, text: &str) -> Response {
    with_detail(status, code, &json!(text))
}

fn with_detail(status: StatusCode, code: &str, detail: &Value) -> Response {
    (status, Json(error_body(code, detail))).into_response()
}

fn error_body(code: &str, detail: &Value) -> Value {
    json!({ "detail": detail, "error_code": code, "error": code })
}
