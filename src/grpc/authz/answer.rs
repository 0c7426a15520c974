//! The two answers to a proxy: the request may pass, with changes, or the client gets a refusal that it can read.
//! Separate because it only writes. The numbers are those of `proto/envoy`.

use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use serde_json::json;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use countersign_guard::layer::TOKEN;
use countersign_guard::token::Token;

use super::identity::{CallerIdentity, IDENTITY_HEADERS, other_spellings};
use super::question::ClientProtocol;
use super::wire::{field_len, put_message, put_number, put_prefix, put_text};
use crate::pb::ErrorReason;

/// A request that may pass.
#[derive(Debug, Default)]
pub(super) struct Passage {
    pub identity: CallerIdentity,
    /// The fresh token for the client; `None` if the request has no good token.
    pub fresh: Option<Token>,
    /// Whether `token` reaches the service behind the proxy.
    pub keeps_token: bool,
    /// Whether `authorization` reaches that service. It may hold a token as well.
    pub keeps_authorization: bool,
}

/// Writes answers. It has the part that all have in common.
#[derive(Debug)]
pub(super) struct AnswerWriter {
    /// The client's own identity headers in the spellings that are not replaced.
    removed: Vec<u8>,
}

/// The room for an answer with a token of the usual length.
const USUAL_BYTES: usize = 2_048;

/// `CheckResponse.status`, `denied_response` and `ok_response`.
const STATUS: u8 = 1;
const DENIED: u8 = 2;
const OK: u8 = 3;

/// `OkHttpResponse.headers`, `headers_to_remove` and `response_headers_to_add`.
const TO_UPSTREAM: u8 = 2;
const TO_REMOVE: u8 = 5;
const TO_CLIENT: u8 = 6;

/// The headers of a `DeniedHttpResponse`.
const OF_REFUSAL: u8 = 2;

/// `HeaderAppendAction`. Envoy heeds it in answers to clients only; elsewhere a header replaces that of the same name.
const APPEND: u8 = 0;
const OVERWRITE: u8 = 2;

impl AnswerWriter {
    pub(super) fn new() -> Self {
        let mut removed = Vec::new();
        for spelling in other_spellings() {
            put_text(&mut removed, TO_REMOVE, &spelling);
        }
        Self { removed }
    }

    /// The `CheckResponse` that lets a request pass.
    pub(super) fn passage(&self, passage: &Passage) -> Vec<u8> {
        let mut out = Vec::with_capacity(USUAL_BYTES);
        // Without an `ok_response`, the proxy would pass on the identity headers of the client.
        put_message(&mut out, STATUS, |_| {});
        put_message(&mut out, OK, |ok| {
            for (name, value) in IDENTITY_HEADERS.iter().zip(&passage.identity.0) {
                put_header(ok, TO_UPSTREAM, name, value, APPEND);
            }
            ok.extend_from_slice(&self.removed);
            if !passage.keeps_token {
                put_text(ok, TO_REMOVE, TOKEN.as_str());
            }
            if !passage.keeps_authorization {
                put_text(ok, TO_REMOVE, AUTHORIZATION.as_str());
            }
            if let Some(fresh) = &passage.fresh {
                put_header(ok, TO_CLIENT, TOKEN.as_str(), fresh.as_str(), OVERWRITE);
                put_header(ok, TO_CLIENT, CACHE_CONTROL.as_str(), "no-store", OVERWRITE);
                // The names that the service itself exposes stay.
                put_header(ok, TO_CLIENT, ACCESS_CONTROL_EXPOSE_HEADERS.as_str(), "Token", APPEND);
            }
        });
        out
    }
}

/// The `CheckResponse` that has the proxy refuse the request with this status, in the form that its client can read. It
/// never has a token.
pub(super) fn refusal(status: &Status, client: ClientProtocol) -> Vec<u8> {
    let mut out = Vec::with_capacity(USUAL_BYTES);
    put_message(&mut out, STATUS, |of_rpc| {
        put_number(of_rpc, 1, status.code() as u16);
        put_text(of_rpc, 2, status.message());
    });
    put_message(&mut out, DENIED, |denied| {
        put_message(denied, 1, |http| put_number(http, 1, http_status(status.code())));
        let mut put = |name: &str, value: &str| put_header(denied, OF_REFUSAL, name, value, APPEND);
        put(CACHE_CONTROL.as_str(), "no-store");
        if client == ClientProtocol::Http {
            put(CONTENT_TYPE.as_str(), "application/json");
            if status.code() == Code::Unauthenticated {
                put(WWW_AUTHENTICATE.as_str(), reason(status).challenge());
            }
            return put_text(denied, 3, &json(status));
        }
        // The proxy makes `grpc-message` of the body for a gRPC client, but not for one of gRPC-Web.
        let answer = status.clone().into_http::<Body>();
        let is_web = client == ClientProtocol::GrpcWeb;
        for (name, value) in answer.headers() {
            let is_sent = match name.as_str() {
                "grpc-message" => is_web,
                name => name.starts_with("grpc-"),
            };
            if let (true, Ok(value)) = (is_sent, value.to_str()) {
                put(name.as_str(), value);
            }
        }
        put_text(denied, 3, status.message());
    });
    out
}

/// Appends a `HeaderValueOption`. Its lengths are computed, because there are many of them in an answer.
fn put_header(out: &mut Vec<u8>, number: u8, name: &str, value: &str, action: u8) {
    let header = field_len(name.len()) + field_len(value.len());
    put_prefix(out, number, field_len(header) + 4);
    put_prefix(out, 1, header);
    put_text(out, 1, name);
    put_text(out, 2, value);
    put_number(out, 3, action.into());
    // `keep_empty_value`: an empty header replaces that of the client.
    put_number(out, 4, 1);
}

/// The HTTP status of a refusal. nginx passes on only 401 and 403 as they are.
fn http_status(code: Code) -> u16 {
    match code {
        Code::Unauthenticated => 401,
        Code::PermissionDenied | Code::FailedPrecondition => 403,
        Code::Internal => 500,
        _ => 503,
    }
}

/// The body of a refusal over HTTP: that of a failed call under `/v1`.
fn json(status: &Status) -> String {
    let info = status.get_details_error_info().map(|info| {
        json!([{
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": info.reason,
            "domain": info.domain,
        }])
    });
    let mut body = json!({ "code": status.code() as i32, "message": status.message() });
    if let Some(details) = info {
        body["details"] = details;
    }
    body.to_string()
}

fn reason(status: &Status) -> ErrorReason {
    status.get_details_error_info().map_or(ErrorReason::Unspecified, |info| ErrorReason::from_reason(&info.reason))
}
