//! Token introspection (RFC 7662) and revocation (RFC 7009), under `/oauth2`, for services that have a client library
//! of OAuth. Requests are forms, and an error is `{"error", "error_description"}` with the codes of RFC 6749 section
//! 5.2.

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Method, StatusCode};
use http_rule::body::BodyError;
use serde_json::json;

use super::body;
use super::call::{self, RouteResult, Rpc, RpcFailure};
use super::email;
use super::routes::{Route, Routes};
use crate::pb::account::Identity;
use crate::pb::{ActiveToken, ErrorReason, IntrospectTokenRequest, RevokeTokenRequest};

const INTROSPECT: &str = "/oauth2/introspect";
const REVOKE: &str = "/oauth2/revoke";

/// The paths of this dialect.
pub(super) const PATHS: [&str; 2] = [INTROSPECT, REVOKE];

pub(super) fn routes(rpc: Rpc) -> Vec<Route> {
    Routes::new(rpc).on(Method::POST, INTROSPECT, introspect).on(Method::POST, REVOKE, revoke).into_vec()
}

async fn introspect(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, token) = read(request).await?;
    let headers = parts.headers.clone();
    let answered = rpc.unary(call::as_service(parts, IntrospectTokenRequest { token })).await;
    let answer = answered.map_err(|status| refuse(status.into(), &headers))?.into_inner();
    let answer = match answer.active {
        // "SHOULD NOT include any additional information about an inactive token" (RFC 7662 section 2.2)
        None => json!({ "active": false }),
        Some(token) => active(token).ok_or_else(|| refuse(RpcFailure::defect(), &headers))?,
    };
    Ok(Json(answer).into_response())
}

async fn revoke(rpc: Rpc, request: Request) -> RouteResult {
    let (parts, token) = read(request).await?;
    let headers = parts.headers.clone();
    match rpc.unary(call::as_service(parts, RevokeTokenRequest { token })).await.map_err(RpcFailure::from) {
        Ok(_) => Ok(StatusCode::OK.into_response()),
        // The token is not empty, so it is of another kind than those that can be revoked.
        Err(RpcFailure { reason: ErrorReason::Validation, .. }) => {
            let text = "this is a device value: it ends with the password of its account, and cannot be revoked";
            Err(error(StatusCode::BAD_REQUEST, "unsupported_token_type", text))
        }
        Err(failure) => Err(refuse(failure, &headers)),
    }
}

/// Reads the token of a form. Unknown parameters are ignored (RFC 6749 section 3.2), and so is `token_type_hint`: there
/// is one kind of token.
///
/// `client_secret` becomes the credential of the head, as the RPC takes it.
async fn read(request: Request) -> Result<(Parts, String), Response> {
    let (mut parts, mut form) = body::read_form(request).await.map_err(refuse_body)?;
    let mut given = |name| form.optional(name).filter(|text| !text.is_empty());
    let (token, secret) = (given("token"), given("client_secret"));
    for other in ["token_type_hint", "client_id"] {
        given(other);
    }
    let bad = ["token", "client_secret", "token_type_hint", "client_id"].into_iter();
    if let Some(bad) = bad.clone().find_map(|name| Some(format!("{name} {}", form.problem(name)?.description()))) {
        return Err(invalid(&bad));
    }
    if let Some(secret) = secret {
        if parts.headers.contains_key(AUTHORIZATION) {
            return Err(invalid("a credential must be sent in the head or in the body, and not in both"));
        }
        // Base64 is always a header value.
        let basic = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!(":{secret}"))));
        parts.headers.extend(basic.ok().map(|basic| (AUTHORIZATION, basic)));
    }
    Ok((parts, token.ok_or_else(|| invalid("token is required"))?))
}

/// The claims of an active token (RFC 7662 section 2.2), under the names that they have in the token.
fn active(token: ActiveToken) -> Option<serde_json::Value> {
    let account = token.account?;
    let mut claims = json!({
        "active": true,
        "token_type": "Bearer",
        "sub": account.id,
        "sid": token.session_id,
        "iat": token.issue_time?.seconds,
        "exp": token.expire_time?.seconds,
    });
    match account.identity? {
        Identity::UsernameIdentity(identity) => claims["username"] = json!(identity.username),
        Identity::EmailIdentity(identity) => {
            claims["email"] = json!(identity.email);
            claims["email_verified"] = json!(identity.email_verified);
            claims["firm_id"] = json!(identity.firm_id);
            claims["role"] = json!(email::role(identity.role));
        }
    }
    if !token.issuer.is_empty() {
        claims["iss"] = json!(token.issuer);
    }
    if !token.audiences.is_empty() {
        claims["aud"] = json!(token.audiences);
    }
    Some(claims)
}

/// The table from a reason to its HTTP status and code. `headers` are those of the request.
pub(super) fn refuse(failure: RpcFailure, headers: &HeaderMap) -> Response {
    let (status, code, text) = match failure.reason {
        ErrorReason::Validation => (StatusCode::BAD_REQUEST, "invalid_request", "token is required"),
        ErrorReason::TokenMissing => (
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "a service credential is missing: send it as `authorization: Basic` or `authorization: Bearer`",
        ),
        ErrorReason::TokenInvalid => (
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "the service credential is not valid: it must be one of the server's INTROSPECTION_CREDENTIALS",
        ),
        ErrorReason::TooManyAttempts => (
            StatusCode::TOO_MANY_REQUESTS,
            "temporarily_unavailable",
            "too many wrong credentials or tokens: try again after the time in Retry-After",
        ),
        ErrorReason::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            "too many requests are waiting: try again after the time in Retry-After",
        ),
        ErrorReason::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            "tokens cannot be checked at the moment: try again",
        ),
        // Reasons of other RPCs stand for a defect here.
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "server_error", "internal error: it has been logged"),
    };
    let is_missing = failure.reason == ErrorReason::TokenMissing;
    let mut response = failure.headers(error(status, code, text));
    if status == StatusCode::UNAUTHORIZED {
        challenge(response.headers_mut(), headers, is_missing);
    }
    response
}

/// Replaces the challenge of a token by that of the scheme that the request has tried (RFC 6749 section 5.2, RFC 6750
/// section 3); by both, if it has tried none.
fn challenge(answer: &mut HeaderMap, request: &HeaderMap, is_missing: bool) {
    const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"countersign\"");
    let tried = request.get(AUTHORIZATION).and_then(|value| value.as_bytes().get(..6));
    let tried_bearer = tried.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"));
    if is_missing {
        answer.append(WWW_AUTHENTICATE, BASIC);
    } else if !tried_bearer {
        answer.insert(WWW_AUTHENTICATE, BASIC);
    }
}

fn refuse_body(problem: BodyError) -> Response {
    match problem {
        BodyError::Refused(status) => refuse((*status).into(), &HeaderMap::new()),
        BodyError::ContentType => error(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "invalid_request",
            "the content type must be application/x-www-form-urlencoded",
        ),
        BodyError::Malformed => invalid("the body must be a form in UTF-8"),
        other => error(other.http_status(), "invalid_request", &other.to_string()),
    }
}

fn invalid(text: &str) -> Response {
    error(StatusCode::BAD_REQUEST, "invalid_request", text)
}

/// The error body of RFC 6749 section 5.2.
pub(super) fn error(status: StatusCode, code: &str, text: &str) -> Response {
    (status, Json(json!({ "error": code, "error_description": text }))).into_response()
}
