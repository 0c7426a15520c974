//! The first documented API: usernames and a `token` header, under `/api/auth`. Its error body is
//! `{"statusCode", "error", "message"}`, of which "the official client reads `statusCode`".

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;

use super::body::{self, Fields, Unreadable};
use super::call::{self, Client, Failure};
use crate::pb::account::Identity;
use crate::pb::{
    ChangePasswordRequest, ErrorReason, LoginRequest, MeRequest, RegisterRequest, login_request, register_request,
};

/// The fields in the order in which the contract names the first problem: "on register `password` is checked before
/// `username`, on login `username` first".
const LOGIN_ORDER: [&str; 2] = ["username", "password"];
const REGISTER_ORDER: [&str; 2] = ["password", "username"];
const PASSWORD_ORDER: [&str; 2] = ["currentPassword", "newPassword"];

/// `POST /api/auth/login`, `POST /api/auth/register`, `GET` and `HEAD /api/auth/me`, `PUT` and `POST /api/auth/password`.
pub(super) fn routes(client: Client) -> Router {
    Router::new()
        .route("/api/auth/login", post(login))
        .route("/api/auth/register", post(register))
        .route("/api/auth/me", get(me))
        .route("/api/auth/password", put(password).post(password))
        .with_state(client)
}

async fn login(State(mut client): State<Client>, request: Request) -> Response {
    let (parts, mut fields) = match body::read(request).await {
        Ok(read) => read,
        Err(unreadable) => return unreadable.into(),
    };
    let (username, password) = credentials(&mut fields);
    let handle = Some(login_request::Handle::Username(username));
    let message = LoginRequest { handle, password, ..LoginRequest::default() };
    match client.login(call::with_device(parts, message)).await {
        Ok(response) => {
            let login = response.into_inner();
            match login.account.and_then(|account| account.identity) {
                Some(Identity::UsernameIdentity(identity)) => {
                    let answer = Json(json!({ "token": login.token, "user": identity.username })).into_response();
                    call::attach_device(answer, &login.device)
                }
                _ => refuse(Failure::defect(), &fields, &LOGIN_ORDER),
            }
        }
        Err(status) => refuse(status.into(), &fields, &LOGIN_ORDER),
    }
}

async fn register(State(mut client): State<Client>, request: Request) -> Response {
    let (parts, mut fields) = match body::read(request).await {
        Ok(read) => read,
        Err(unreadable) => return unreadable.into(),
    };
    let (username, password) = credentials(&mut fields);
    let handle = Some(register_request::Handle::Username(username));
    let message = RegisterRequest { handle, password, ..RegisterRequest::default() };
    match client.register(call::on_behalf(parts, message)).await {
        Ok(response) => Json(json!({ "token": response.into_inner().token })).into_response(),
        Err(status) => refuse(status.into(), &fields, &REGISTER_ORDER),
    }
}

async fn me(State(mut client): State<Client>, request: Request) -> Response {
    match client.me(call::with_credentials(request.into_parts().0, MeRequest {})).await {
        Ok(response) => nothing_but_the_token(&response),
        Err(status) => refuse(status.into(), &Fields::default(), &[]),
    }
}

/// Not in the contract, which has no way to change a password; in its manner.
async fn password(State(mut client): State<Client>, request: Request) -> Response {
    let (parts, mut fields) = match body::read(request).await {
        Ok(read) => read,
        Err(unreadable) => return unreadable.into(),
    };
    let pair = (fields.text_of("current_password", "currentPassword"), fields.text_of("new_password", "newPassword"));
    let (current_password, new_password) = if fields.untaken().is_some() { Default::default() } else { pair };
    let message = ChangePasswordRequest { current_password, new_password };
    match client.change_password(call::with_credentials(parts, message)).await {
        Ok(response) => nothing_but_the_token(&response),
        Err(status) => refuse(status.into(), &fields, &PASSWORD_ORDER),
    }
}

fn nothing_but_the_token<T>(response: &tonic::Response<T>) -> Response {
    let mut answer = StatusCode::NO_CONTENT.into_response();
    call::attach(&mut answer, call::fresh_token(response.metadata()));
    answer
}

/// Username and password. A key that the contract does not know must be refused, but a closed registration comes first:
/// so both are left empty, which the RPC refuses with the one or the other.
fn credentials(fields: &mut Fields) -> (String, String) {
    let pair = (fields.text("username"), fields.text("password"));
    if fields.untaken().is_some() { Default::default() } else { pair }
}

/// The dialect's table: from reason to status and text.
pub(super) fn refuse(failure: Failure, fields: &Fields, order: &[&str]) -> Response {
    let response = match failure.reason {
        ErrorReason::Validation => {
            error(StatusCode::UNPROCESSABLE_ENTITY, &first_problem(&failure.violations, fields, order))
        }
        ErrorReason::TokenMissing | ErrorReason::TokenInvalid | ErrorReason::TokenExpired => {
            // "one identical body for all"
            error(StatusCode::UNAUTHORIZED, "the token is missing, invalid or expired: log in again")
        }
        ErrorReason::InvalidCredentials => error(StatusCode::UNAUTHORIZED, "username or password incorrect"),
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
        // Of email accounts only, which are not answered here.
        ErrorReason::EmailNotVerified | ErrorReason::OneTimeTokenInvalid => {
            error(StatusCode::BAD_REQUEST, "this is not for an account with a username")
        }
        ErrorReason::InsufficientPermissions => error(StatusCode::FORBIDDEN, "only an administrator may do this"),
        ErrorReason::NotFound => error(StatusCode::NOT_FOUND, "there is no such thing"),
        ErrorReason::Unspecified => error(StatusCode::INTERNAL_SERVER_ERROR, "internal error: it has been logged"),
    };
    failure.headers(response)
}

/// "First problem only, field named in the message."
fn first_problem(violations: &[(String, String)], fields: &Fields, order: &[&str]) -> String {
    if let Some(key) = fields.untaken() {
        let harmless = key.len() <= 40 && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        return if harmless { format!("\"{key}\" is not allowed") } else { "an unknown key is not allowed".to_owned() };
    }
    let described = |field: &&str| {
        let violation =
            violations.iter().find(|(bad, _)| fields.name(bad) == *field).map(|(_, description)| description.as_str());
        let description = fields.problem(field).map(body::Problem::description).or(violation)?;
        Some(format!("\"{field}\" {description}"))
    };
    order.iter().find_map(described).unwrap_or_else(|| "the request is not valid".to_owned())
}

/// The dialect's error body.
pub(super) fn error(status: StatusCode, message: &str) -> Response {
    let body = json!({
        "statusCode": status.as_u16(),
        "error": status.canonical_reason().unwrap_or("Error"),
        "message": message,
    });
    (status, Json(body)).into_response()
}

impl From<Unreadable> for Response {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Wrong(wrong) => error(wrong.status, wrong.text),
            Unreadable::Refused(status) => refuse((*status).into(), &Fields::default(), &[]),
        }
    }
}
