//! The second documented API: emails, firms and `Authorization: Bearer`, under `/auth`. Its error body is
//! `{"detail", "error_code", "error"}`.

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::body::{self, Fields, Problem, Unreadable};
use super::call::{self, Client, Failure};
use crate::pb::account::Identity;
use crate::pb::{
    Account, EmailIdentity, ErrorReason, LoginRequest, LogoutRequest, MeRequest, RegisterRequest, Role, login_request,
    register_request,
};

/// `POST /auth/login`, `/auth/register`, `/auth/refresh`, `/auth/logout`, and `GET /auth/me`.
pub(super) fn routes(client: Client) -> Router {
    Router::new()
        .route("/auth/login", post(login))
        .route("/auth/register", post(register))
        .route("/auth/refresh", post(refresh))
        .route("/auth/logout", post(logout))
        .route("/auth/me", get(me))
        .with_state(client)
}

async fn login(State(mut client): State<Client>, request: Request) -> Response {
    let (parts, mut fields) = match body::read(request).await {
        Ok(read) => read,
        Err(unreadable) => return refuse_unreadable(&unreadable),
    };
    let handle = Some(login_request::Handle::Email(fields.text("email")));
    let message = LoginRequest { handle, password: fields.text("password") };
    match client.login(call::on_behalf(parts, message)).await {
        Ok(response) => {
            let login = response.into_inner();
            let Some((id, _, identity)) = email_account(login.account) else {
                return refuse(Failure::defect(), &fields);
            };
            let mut answer = bearer(&login.token, login.expires_in.into());
            answer["user"] = json!({
                "id": id,
                "email": identity.email,
                "name": identity.name,
                "firm_id": identity.firm_id,
                "role": role(identity.role),
            });
            Json(answer).into_response()
        }
        Err(status) => refuse(status.into(), &fields),
    }
}

async fn register(State(mut client): State<Client>, request: Request) -> Response {
    let (parts, mut fields) = match body::read(request).await {
        Ok(read) => read,
        Err(unreadable) => return refuse_unreadable(&unreadable),
    };
    let message = RegisterRequest {
        handle: Some(register_request::Handle::Email(fields.text("email"))),
        password: fields.text("password"),
        name: fields.text("name"),
        firm_name: fields.text("firm_name"),
    };
    match client.register(call::on_behalf(parts, message)).await {
        Ok(response) => {
            let Some((id, _, identity)) = email_account(response.into_inner().account) else {
                return refuse(Failure::defect(), &fields);
            };
            let answer = json!({
                "user": { "id": id, "email": identity.email, "name": identity.name },
                "message": "Account created successfully. Please check your email to verify.",
            });
            (StatusCode::CREATED, Json(answer)).into_response()
        }
        Err(status) => refuse(status.into(), &fields),
    }
}

/// `Me` with the token moved into the body.
async fn refresh(State(mut client): State<Client>, request: Request) -> Response {
    match client.me(call::with_credentials(request.into_parts().0, MeRequest {})).await {
        Ok(response) => {
            let fresh = call::fresh_token(response.metadata());
            let text = fresh.as_ref().and_then(|token| token.to_str().ok());
            // None was attached: the session ended while the call was under way.
            let Some((token, lifetime)) = text.and_then(|token| Some((token, lifetime(token)?))) else {
                let ended = Failure { reason: ErrorReason::TokenInvalid, ..Failure::defect() };
                return refuse(ended, &Fields::default());
            };
            with_token(Json(bearer(token, lifetime)).into_response(), fresh)
        }
        Err(status) => refuse(status.into(), &Fields::default()),
    }
}

async fn logout(State(mut client): State<Client>, request: Request) -> Response {
    match client.logout(call::with_credentials(request.into_parts().0, LogoutRequest {})).await {
        Ok(_) => Json(json!({ "message": "Logged out successfully" })).into_response(),
        Err(status) => refuse(status.into(), &Fields::default()),
    }
}

async fn me(State(mut client): State<Client>, request: Request) -> Response {
    match client.me(call::with_credentials(request.into_parts().0, MeRequest {})).await {
        Ok(response) => {
            let fresh = call::fresh_token(response.metadata());
            let answer = match email_account(response.into_inner().account) {
                Some((id, created_at, identity)) => Json(json!({
                    "id": id,
                    "email": identity.email,
                    "name": identity.name,
                    "firm_id": identity.firm_id,
                    "firm_name": identity.firm_name,
                    "role": role(identity.role),
                    "created_at": created_at,
                }))
                .into_response(),
                // A username account has none of these fields; its token is good all the same.
                None => error(
                    StatusCode::FORBIDDEN,
                    "insufficient_permissions",
                    "this account has no email: ask /api/auth/me",
                ),
            };
            with_token(answer, fresh)
        }
        Err(status) => refuse(status.into(), &Fields::default()),
    }
}

/// `{"access_token", "token_type", "expires_in"}`.
fn bearer(token: &str, expires_in: i64) -> Value {
    json!({ "access_token": token, "token_type": "bearer", "expires_in": expires_in })
}

/// "Authenticated answers carry the `Token` header here too: a client may ignore it."
fn with_token(mut response: Response, token: Option<HeaderValue>) -> Response {
    call::attach(&mut response, token);
    response
}

/// Seconds that a token just minted lives: it says so itself, in the claims that the contract documents.
fn lifetime(token: &str) -> Option<i64> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    claims["exp"].as_i64()?.checked_sub(claims["iat"].as_i64()?)
}

/// Id, registration time ("ISO 8601 with `Z`") and identity of an email account; `None` of a username account.
fn email_account(account: Option<Account>) -> Option<(String, String, EmailIdentity)> {
    let account = account?;
    match account.identity? {
        Identity::EmailIdentity(identity) => Some((account.id, account.create_time?.to_string(), identity)),
        Identity::UsernameIdentity(_) => None,
    }
}

fn role(role: i32) -> &'static str {
    match Role::try_from(role) {
        Ok(Role::Admin) => "admin",
        Ok(Role::User) => "user",
        // What may do least, should an unknown one ever come.
        Ok(Role::Viewer | Role::Unspecified) | Err(_) => "viewer",
    }
}

/// The dialect's table: from reason to status, code and text.
fn refuse(failure: Failure, fields: &Fields) -> Response {
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
            "too many sign-ins are waiting: try again after the time in Retry-After",
        ),
        ErrorReason::Unavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the service is out of reach for the moment: try again")
        }
        // No call of these routes answers it.
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
        ErrorReason::NotFound => (StatusCode::NOT_FOUND, "not_found", "there is no such thing"),
        ErrorReason::Unspecified => {
            (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "internal error: it has been logged")
        }
    };
    failure.headers(error(status, code, text))
}

/// "For 422 `detail` is a list of `{"loc": ["body","<field>"], "msg", "type"}`."
fn validation_error(violations: &[(String, String)], fields: &Fields) -> Response {
    let detail: Vec<_> = violations
        .iter()
        .map(|(field, description)| {
            let (msg, kind) = match fields.problem(field) {
                Some(problem @ Problem::Missing) => (problem.description(), "missing"),
                Some(problem @ Problem::NotAString) => (problem.description(), "string_type"),
                None => (description.as_str(), "value_error"),
            };
            json!({ "loc": ["body", field], "msg": msg, "type": kind })
        })
        .collect();
    with_detail(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", &json!(detail))
}

fn refuse_unreadable(unreadable: &Unreadable) -> Response {
    error(unreadable.status, unreadable.code, unreadable.text)
}

/// The dialect's error body.
pub(super) fn error(status: StatusCode, code: &str, text: &str) -> Response {
    with_detail(status, code, &json!(text))
}

fn with_detail(status: StatusCode, code: &str, detail: &Value) -> Response {
    (status, Json(json!({ "detail": detail, "error_code": code, "error": code }))).into_response()
}
