//! Registration, sign-in, sign-out and the caller's own account: the routes that the contract documents, with its
//! answers field by field.

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use countersign_guard::layer::FreshTokenLifetime;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{email_account, error, error_body, refuse, refuse_body, role, user, with_token};
use crate::pb::{
    Account, ErrorReason, LoginRequest, LogoutRequest, MeRequest, RegisterRequest, SecondFactor, login_request,
    register_request,
};
use crate::rest::body::{self, Fields};
use crate::rest::call::{self, RouteResult, Rpc, RpcFailure};
use crate::rest::routes::{Route, Routes};
use crate::rest::second_factor;

pub(super) fn routes(rpc: Rpc) -> Vec<Route> {
    Routes::new(rpc)
        .on(Method::POST, "/auth/login", login)
        .on(Method::POST, "/auth/login/second-factor", second_factor)
        .on(Method::POST, "/auth/register", register)
        .on(Method::POST, "/auth/refresh", refresh)
        .on(Method::POST, "/auth/logout", logout)
        .on(Method::GET, "/auth/me", me)
        .into_vec()
}

async fn login(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, mut fields) = body::read(request).await.map_err(refuse_body)?;
    let handle = Some(login_request::Handle::Email(fields.text("email")));
    let message = LoginRequest { handle, password: fields.text("password"), ..LoginRequest::default() };
    let answered = rpc.unary(call::with_device(parts, message)).await;
    let login = answered.map_err(|status| refuse(status.into(), &fields))?.into_inner();
    if let Some(asked) = &login.second_factor {
        return Err(require_second_factor(asked));
    }
    signed_in(login.account, (&login.token, login.expires_in), &login.device)
        .ok_or_else(|| refuse(RpcFailure::defect(), &fields))
}

/// The contract has no route to finish a sign-in; this one is in its manner.
async fn second_factor(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, mut fields) = body::read(request).await.map_err(refuse_body)?;
    let message = second_factor::completion(&mut fields);
    let answered = rpc.unary(call::on_behalf(parts, message)).await;
    let login = answered.map_err(|status| refuse(status.into(), &fields))?.into_inner();
    signed_in(login.account, (&login.token, login.expires_in), &login.device)
        .ok_or_else(|| refuse(RpcFailure::defect(), &fields))
}

/// Refuses a right password, with the ticket for the second factor in the body.
fn require_second_factor(asked: &SecondFactor) -> Response {
    let mut body = error_body(second_factor::REQUIRED, &json!(second_factor::REQUIRED_TEXT));
    second_factor::add(&mut body, asked);
    RpcFailure::from(ErrorReason::InvalidCredentials).headers((StatusCode::UNAUTHORIZED, Json(body)).into_response())
}

/// The answer to a sign-in; `None` if the account has no email.
fn signed_in(account: Option<Account>, (token, expires_in): (&str, i32), device: &str) -> Option<Response> {
    let (id, _, identity) = email_account(account)?;
    let mut answer = bearer(token, expires_in.into());
    answer["user"] = json!({
        "id": id,
        "email": identity.email,
        "name": identity.name,
        "firm_id": identity.firm_id,
        "role": role(identity.role),
    });
    Some(call::attach_device(Json(answer).into_response(), device))
}

async fn register(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, mut fields) = body::read(request).await.map_err(refuse_body)?;
    let message = RegisterRequest {
        handle: Some(register_request::Handle::Email(fields.text("email"))),
        password: fields.text("password"),
        name: fields.text("name"),
        firm_name: fields.text("firm_name"),
    };
    let answered = rpc.unary(call::on_behalf(parts, message)).await;
    let registered = answered.map_err(|status| refuse(status.into(), &fields))?.into_inner();
    let user = user(registered.account).ok_or_else(|| refuse(RpcFailure::defect(), &fields))?;
    let message = "Account created successfully. Please check your email to verify.";
    Ok((StatusCode::CREATED, Json(json!({ "user": user, "message": message }))).into_response())
}

/// `Me` with the fresh token in the body.
async fn refresh(rpc: Rpc, request: Request) -> RouteResult {
    let answered = rpc.unary(call::with_credentials(request.into_parts().0, MeRequest {})).await;
    let answered = answered.map_err(|status| refuse(status.into(), &Fields::default()))?;
    let token = call::fresh_token(answered.metadata());
    let token =
        token.as_ref().and_then(|token| token.to_str().ok()).zip(answered.extensions().get::<FreshTokenLifetime>());
    // An answer without a token: while the call was under way the session ended, or it became unknown whether it has.
    // The next try tells which.
    let Some((token, FreshTokenLifetime(expires_in))) = token else {
        return Err(refuse(ErrorReason::Unavailable.into(), &Fields::default()));
    };
    let expires_in = expires_in.as_secs().try_into().unwrap_or(i64::MAX);
    Ok(with_token(Json(bearer(token, expires_in)).into_response(), answered.metadata()))
}

async fn logout(rpc: Rpc, request: Request) -> RouteResult {
    let answered = rpc.unary(call::with_credentials(request.into_parts().0, LogoutRequest {})).await;
    answered.map_err(|status| refuse(status.into(), &Fields::default()))?;
    Ok(Json(json!({ "message": "Logged out successfully" })).into_response())
}

async fn me(rpc: Rpc, request: Request) -> RouteResult {
    let answered = rpc.unary(call::with_credentials(request.into_parts().0, MeRequest {})).await;
    let (metadata, me, _) = answered.map_err(|status| refuse(status.into(), &Fields::default()))?.into_parts();
    let answer = match email_account(me.account) {
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
        // The token of a username account is valid, but the account has none of these fields.
        None => {
            let text = "this account has no email: ask /api/auth/me";
            error(StatusCode::FORBIDDEN, "insufficient_permissions", text)
        }
    };
    Ok(with_token(answer, &metadata))
}

/// `{"access_token", "token_type", "expires_in"}`, the last in seconds.
fn bearer(token: &str, expires_in: i64) -> Value {
    json!({ "access_token": token, "token_type": "bearer", "expires_in": expires_in })
}
