//! `/v1/forward-auth/{policy}`, and every path below it, for proxies that speak no gRPC (nginx `auth_request`, Caddy
//! `forward_auth`, Traefik `forwardAuth`, HAProxy). A translation of `envoy.service.auth.v3.Authorization/Check`,
//! so that a proxy of any kind gets the same decision.
//!
//! 1. **The policy is one segment of the path**, which the proxy's own configuration names. It is no header, because
//!    proxies pass the headers of clients on. What follows it is ignored: some proxies append the client's own path.
//! 2. **Any method**, and the body is ignored. The method of the client is `X-Forwarded-Method`, which the transport
//!    removes unless a trusted proxy has sent it, or else that of the request.
//! 3. **204 lets the request pass**, with all identity headers and the fresh token. Everything else does not.

use std::collections::HashMap;

use axum::Json;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, ORIGIN,
};
use http::request::Parts;
use http_rule::{http_status, on_behalf};
use percent_encoding::percent_decode_str;
use serde_json::json;
use tonic::Status;

use super::call::{Rpc, TOKEN};
use super::early_refusal;
use super::routes::{Route, Routes};
use crate::pb::envoy::config::core::v3::HeaderValueOption;
use crate::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request as Asked};
use crate::pb::envoy::service::auth::v3::check_response::HttpResponse;
use crate::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};

/// The path before the policy.
const PREFIX: &str = "/v1/forward-auth";

/// The method of the client's request, as Caddy and Traefik tell it.
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");

/// The headers that decide.
const ASKED_ABOUT: [HeaderName; 5] = [TOKEN, AUTHORIZATION, CONTENT_TYPE, ORIGIN, ACCESS_CONTROL_REQUEST_METHOD];

pub(super) fn routes(rpc: Rpc) -> Vec<Route> {
    Routes::new(rpc).on_any("/v1/forward-auth/**", ask).into_vec()
}

/// Whether a proxy asks at this path. What the server does with the requests of clients does not fit such a question:
/// its own CORS rules must not answer a preflight that is asked about.
pub(crate) fn is_forward_auth(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Forgets what a client says about the request of which a proxy asks. Must be called unless a trusted proxy has sent
/// the headers.
pub(crate) fn distrust(headers: &mut HeaderMap) {
    headers.remove(X_FORWARDED_METHOD);
}

async fn ask(rpc: Rpc, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    early_refusal::skip(body);
    let question = question(&parts);
    match rpc.unary(on_behalf(&mut parts, &[], question)).await {
        Ok(answer) => translate(answer.into_inner()),
        Err(status) => failure(&status),
    }
}

fn question(parts: &Parts) -> CheckRequest {
    let mut named = parts.headers.get_all(X_FORWARDED_METHOD).iter();
    let method = match (named.next(), named.next()) {
        (None, _) => parts.method.as_str(),
        (Some(method), None) => method.to_str().unwrap_or_default(),
        (Some(_), Some(_)) => "",
    };
    // As Envoy does, with the method among the headers. Several headers of one name are joined by commas.
    let joined = ASKED_ABOUT.into_iter().filter_map(|name| {
        let mut values = parts.headers.get_all(&name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let first = values.next()?.into_owned();
        Some((name.as_str().to_owned(), values.fold(first, |joined, value| joined + "," + &value)))
    });
    let headers = joined.chain([(":method".to_owned(), method.to_owned())]).collect();
    let segment = parts.uri.path().get(PREFIX.len() + 1..).and_then(|rest| rest.split('/').next());
    // A policy that is missing or no text is one that is not understood.
    let policy = segment.and_then(|segment| percent_decode_str(segment).decode_utf8().ok()).unwrap_or_default();
    let http = HttpRequest { method: method.to_owned(), headers, ..HttpRequest::default() };
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(Asked { http: Some(http) }),
            context_extensions: HashMap::from([("policy".to_owned(), policy.into_owned())]),
        }),
    }
}

fn translate(answer: CheckResponse) -> Response {
    match answer.http_response {
        Some(HttpResponse::OkResponse(ok)) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            add(response.headers_mut(), ok.headers.into_iter().chain(ok.response_headers_to_add));
            response
        }
        Some(HttpResponse::DeniedResponse(denied)) => {
            let mut response = denied.body.into_response();
            response.headers_mut().remove(CONTENT_TYPE);
            let status = denied.status.and_then(|status| u16::try_from(status.code).ok());
            let status = status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::FORBIDDEN);
            *response.status_mut() = status;
            add(response.headers_mut(), denied.headers.into_iter());
            response
        }
        // A bare status, which this service never answers.
        None => StatusCode::FORBIDDEN.into_response(),
    }
}

fn add(headers: &mut HeaderMap, options: impl Iterator<Item = HeaderValueOption>) {
    for header in options.filter_map(|option| option.header) {
        if let (Ok(name), Ok(mut value)) = (HeaderName::try_from(header.key), HeaderValue::try_from(header.value)) {
            value.set_sensitive(name == TOKEN);
            headers.insert(name, value);
        }
    }
}

/// The answer when nothing was decided.
fn failure(status: &Status) -> Response {
    let body = json!({ "code": status.code() as i32, "message": status.message() });
    (http_status(status.code()), Json(body)).into_response()
}
