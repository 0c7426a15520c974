//! Registration, sign-in and who the caller is: what the contract documents. Apart from `credentials` because its answers are
//! the documented ones, field by field.

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde_json::{Value, json};

use super::{email_account, error, refuse, refuse_unreadable, role, user, with_token};
use crate::pb::{
    ErrorReason, LoginRequest, LogoutRequest, MeRequest, RegisterRequest, login_request, register_request,
};
use crate::rest::body::{self, Fields};
use crate::rest::call::{self, Client, Failure};

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
        Err(unreadable) => return refuse_unreadable(unreadable),
    };
    let handle = Some(login_request::Handle::Email(fields.text("email")));
    let message = LoginRequest { handle, password: fields.text("password"), ..LoginRequest::default() };
    match client.login(call::with_device(parts, message)).await {
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
            call::attach_device(Json(answer).into_response(), &login.device)
        }
        Err(status) => refuse(status.into(), &fields),
    }
}

async fn register(State(mut client): State<Client>, request: Request) -> Response {
    let (parts, mut fields) = match body::read(request).await {
        Ok(read) => read,
        Err(unreadable) => return refuse_unreadable(unreadable),
    };
    let message = RegisterRequest {
        handle: Some(register_request::Handle::Email(fields.text("email"))),
        password: fields.text("password"),
        name: fields.text("name"),
        firm_name: fields.text("firm_name"),
    };
    match client.register(call::on_behalf(parts, message)).await {
        Ok(response) => {
            let Some(user) = user(response.into_inner().account) else {
                return refuse(Failure::defect(), &fields);
            };
            let message = "Account created successfully. Please check your email to verify.";
            (StatusCode::CREATED, Json(json!({ "user": user, "message": message }))).into_response()
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
            // None was attached: while the call was under way the session ended, or it became unknown whether it has. To try
            // again tells which.
            let Some((token, lifetime)) = text.and_then(|token| Some((token, lifetime(token)?))) else {
                let unknown = Failure { reason: ErrorReason::Unavailable, ..Failure::defect() };
                return refuse(unknown, &Fields::default());
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

/// Seconds that a token just minted lives: it says so itself, in the claims that the contract documents.
fn lifetime(token: &str) -> Option<i64> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    claims["exp"].as_i64()?.checked_sub(claims["iat"].as_i64()?)
}
