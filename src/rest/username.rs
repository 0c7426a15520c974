//! The first documented API: usernames and a `token` header, under `/api/auth`. Its error body is
//! `{"statusCode", "error", "message"}`. The contract says: "the official client reads `statusCode`".

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};
use http_rule::body::BodyError;
use serde_json::{Value, json};
use tonic::Status;

use super::body::{self, FieldProblem, Fields};
use super::call::{self, RouteResult, Rpc, RpcFailure};
use super::routes::{Route, Routes};
use super::second_factor;
use crate::pb::account::Identity;
use crate::pb::{
    Account, ChangePasswordRequest, CompleteLoginRequest, ErrorReason, LoginRequest, MeRequest, RegisterRequest,
    SecondFactor, login_request, register_request,
};

/// The order in which the fields are checked, as the contract has it: "on register `password` is checked before
/// `username`, on login `username` first".
const LOGIN_ORDER: [&str; 2] = ["username", "password"];
const REGISTER_ORDER: [&str; 2] = ["password", "username"];
const SECOND_FACTOR_ORDER: [&str; 4] = ["ticket", "totp_code", "recovery_code", "proof"];
const PASSWORD_ORDER: [&str; 2] = ["currentPassword", "newPassword"];

/// The path as the routes have it, of a path that is spelt in another way: "A trailing slash and upper-case paths are
/// answered as the path without (its router does), for this API only."
pub(super) fn plain_path(path: &str) -> Option<String> {
    const BEGINNING: &str = "/api/auth/";
    let is_ours = path.get(..BEGINNING.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(BEGINNING));
    is_ours.then(|| path.strip_suffix('/').unwrap_or(path).to_ascii_lowercase())
}

pub(super) fn routes(rpc: Rpc) -> Vec<Route> {
    Routes::new(rpc)
        .on(Method::POST, "/api/auth/login", login)
        .on(Method::POST, "/api/auth/login/second-factor", second_factor)
        .on(Method::POST, "/api/auth/register", register)
        .on(Method::GET, "/api/auth/me", me)
        .on(Method::PUT, "/api/auth/password", password)
        .on(Method::POST, "/api/auth/password", password)
        .into_vec()
}

async fn login(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, mut fields) = body::read(request).await.map_err(refuse_body)?;
    let (username, password) = credentials(&mut fields);
    for (name, text) in [("username", &username), ("password", &password)] {
        if text.trim().is_empty() {
            fields.refuse(name, FieldProblem::Missing);
        }
    }
    let handle = Some(login_request::Handle::Username(username));
    let message = LoginRequest { handle, password, ..LoginRequest::default() };
    let answered = rpc.unary(call::with_device(parts, message)).await;
    let login = answered.map_err(|status| refuse_login(status.into(), &fields))?.into_inner();
    if let Some(asked) = &login.second_factor {
        return Err(require_second_factor(asked));
    }
    signed_in(login.account, &login.token, &login.device)
        .ok_or_else(|| refuse(RpcFailure::defect(), &fields, &LOGIN_ORDER))
}

/// The contract has no route to finish a sign-in; this one is in its manner.
async fn second_factor(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, mut fields) = body::read(request).await.map_err(refuse_body)?;
    let message = second_factor::completion(&mut fields);
    let message = if fields.untaken().is_some() { CompleteLoginRequest::default() } else { message };
    let answered = rpc.unary(call::on_behalf(parts, message)).await;
    let login = answered.map_err(|status| refuse(status.into(), &fields, &SECOND_FACTOR_ORDER))?.into_inner();
    signed_in(login.account, &login.token, &login.device)
        .ok_or_else(|| refuse(RpcFailure::defect(), &fields, &SECOND_FACTOR_ORDER))
}

/// The answer to a sign-in; `None` if the account has no username.
fn signed_in(account: Option<Account>, token: &str, device: &str) -> Option<Response> {
    let Some(Identity::UsernameIdentity(identity)) = account?.identity else { return None };
    let answer = Json(json!({ "token": token, "user": identity.username })).into_response();
    Some(call::attach_device(answer, device))
}

/// Refuses a right password, with the ticket for the second factor in the body.
fn require_second_factor(asked: &SecondFactor) -> Response {
    let mut body = error_body(StatusCode::UNAUTHORIZED, second_factor::REQUIRED_TEXT);
    body["error_code"] = second_factor::REQUIRED.into();
    second_factor::add(&mut body, asked);
    RpcFailure::from(ErrorReason::InvalidCredentials).headers((StatusCode::UNAUTHORIZED, Json(body)).into_response())
}

async fn register(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, mut fields) = body::read(request).await.map_err(refuse_body)?;
    let (username, password) = credentials(&mut fields);
    let handle = Some(register_request::Handle::Username(username));
    let message = RegisterRequest { handle, password, ..RegisterRequest::default() };
    let answered = rpc.unary(call::on_behalf(parts, message)).await;
    let registered = answered.map_err(|status| refuse(status.into(), &fields, &REGISTER_ORDER))?.into_inner();
    Ok(Json(json!({ "token": registered.token })).into_response())
}

async fn me(rpc: Rpc, request: Request) -> RouteResult {
    let answered = rpc.unary(call::with_credentials(request.into_parts().0, MeRequest {})).await;
    Ok(only_the_token(answered, &Fields::default(), &[]))
}

/// The contract has no route to change a password; this one is in its manner.
async fn password(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, mut fields) = body::read(request).await.map_err(refuse_body)?;
    let pair = (fields.text_of("current_password", "currentPassword"), fields.text_of("new_password", "newPassword"));
    let (current_password, new_password) = if fields.untaken().is_some() { Default::default() } else { pair };
    let message = ChangePasswordRequest { current_password, new_password };
    let answered = rpc.unary(call::with_credentials(parts, message)).await;
    Ok(only_the_token(answered, &fields, &PASSWORD_ORDER))
}

/// 204 with the fresh token of an RPC that was answered.
fn only_the_token<T>(answered: Result<tonic::Response<T>, Status>, fields: &Fields, order: &[&str]) -> Response {
    match answered {
        Ok(answered) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            call::attach(response.headers_mut(), call::fresh_token(answered.metadata()));
            response
        }
        Err(status) => refuse(status.into(), fields, order),
    }
}

/// Refuses a login. A name or a password that the RPC calls invalid, but that is there, is a wrong one: "Login with a
/// name or password that registration would not allow is 401". "422 stays for what is missing, of the wrong type, or
/// unknown."
fn refuse_login(failure: RpcFailure, fields: &Fields) -> Response {
    let is_only_wrong = failure.reason == ErrorReason::Validation && fields.are_whole();
    let failure = if is_only_wrong { ErrorReason::InvalidCredentials.into() } else { failure };
    refuse(failure, fields, &LOGIN_ORDER)
}

/// Returns the username and the password of a body. Both are empty if the body has a key that the contract does not
/// know: then the RPC refuses the call, because registration is closed or because the fields are invalid.
fn credentials(fields: &mut Fields) -> (String, String) {
    let pair = (fields.text("username"), fields.text("password"));
    if fields.untaken().is_some() { Default::default() } else { pair }
}

/// The dialect's table from a reason to its HTTP status and text.
pub(super) fn refuse(failure: RpcFailure, fields: &Fields, order: &[&str]) -> Response {
    let response = match failure.reason {
        ErrorReason::Validation => {
            error(StatusCode::UNPROCESSABLE_ENTITY, &first_problem(&failure.violations, fields, order))
        }
        ErrorReason::TokenMissing | ErrorReason::TokenInvalid | ErrorReason::TokenExpired => {
            // "one identical body for all"
            error(StatusCode::UNAUTHORIZED, "the token is missing, invalid or expired: log in again")
        }
        ErrorReason::InvalidCredentials => error(StatusCode::UNAUTHORIZED, "username or password incorrect"),
        ErrorReason::SecondFactorInvalid => {
            coded("second_factor_invalid", "this code is wrong or was used before: try another")
        }
        ErrorReason::TicketInvalid => coded("ticket_invalid", "this login has expired or was finished: log in again"),
        ErrorReason::HandleTaken => error(StatusCode::CONFLICT, "this username is taken: choose another"),
        ErrorReason::RegistrationClosed => error(StatusCode::FORBIDDEN, "registration is closed"),
        ErrorReason::TooManyAttempts => {
            error(StatusCode::TOO_MANY_REQUESTS, "too many attempts: try again after the time in Retry-After")
        }
        ErrorReason::Overloaded => error(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests are waiting: try again after the time in Retry-After",
        ),
        ErrorReason::Unavailable => {
            error(StatusCode::SERVICE_UNAVAILABLE, "the service is out of reach for the moment: try again")
        }
        // Reasons of RPCs that this dialect does not call.
        ErrorReason::EmailNotVerified
        | ErrorReason::OneTimeTokenInvalid
        | ErrorReason::SecondFactorNotOffered
        | ErrorReason::NoSecondFactor => error(StatusCode::BAD_REQUEST, "this is not for an account with a username"),
        ErrorReason::InsufficientPermissions => error(StatusCode::FORBIDDEN, "only an administrator may do this"),
        ErrorReason::NotFound => error(StatusCode::NOT_FOUND, "there is no such thing"),
        ErrorReason::Unspecified => error(StatusCode::INTERNAL_SERVER_ERROR, "internal error: it has been logged"),
    };
    failure.headers(response)
}

/// The text of an invalid request: "First problem only, field named in the message."
fn first_problem(violations: &[(String, String)], fields: &Fields, order: &[&str]) -> String {
    if let Some(key) = fields.untaken() {
        let harmless = key.len() <= 40 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        return if harmless { format!("\"{key}\" is not allowed") } else { "an unknown key is not allowed".to_owned() };
    }
    let described = |field: &&str| {
        let violation =
            violations.iter().find(|(bad, _)| fields.name(bad) == *field).map(|(_, description)| description.as_str());
        let description = fields.problem(field).map(FieldProblem::description).or(violation)?;
        Some(format!("\"{field}\" {description}"))
    };
    order.iter().find_map(described).unwrap_or_else(|| "the request is not valid".to_owned())
}

/// The dialect's error body.
pub(super) fn error(status: StatusCode, message: &str) -> Response {
    (status, Json(error_body(status, message))).into_response()
}

fn error_body(status: StatusCode, message: &str) -> Value {
    json!({
        "statusCode": status.as_u16(),
        "error": status.canonical_reason().unwrap_or("Error"),
        "message": message,
    })
}

/// A 401 about the second factor. Its body has a code, because clients tell these failures apart.
fn coded(code: &str, message: &str) -> Response {
    let mut body = error_body(StatusCode::UNAUTHORIZED, message);
    body["error_code"] = code.into();
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

fn refuse_body(error: BodyError) -> Response {
    match error {
        BodyError::Refused(status) => refuse((*status).into(), &Fields::default(), &[]),
        other => self::error(other.http_status(), &other.to_string()),
    }
}
