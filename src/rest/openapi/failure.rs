//! What may go wrong with a call, and what it needs so that it does not: read from the comments of RPCs and of
//! `ErrorReason`, which tests hold to be true (`tests/it/every_rpc.rs`).

use std::collections::BTreeMap;

use http_rule::{Binding, RequestBody};
use prost_reflect::DescriptorPool;
use serde_json::{Map, Value, json};

use super::comment;
use super::schema::Schemas;

/// One of `ErrorReason`.
struct Reason {
    /// As `ErrorInfo` has it.
    name: String,
    code: &'static str,
    comment: String,
}

/// gRPC's name of a code, its number, and its HTTP status, as `google/rpc/code.proto` has it.
const CODES: [(&str, u16, u16); 10] = [
    ("INVALID_ARGUMENT", 3, 400),
    ("DEADLINE_EXCEEDED", 4, 504),
    ("NOT_FOUND", 5, 404),
    ("ALREADY_EXISTS", 6, 409),
    ("FAILED_PRECONDITION", 9, 400),
    ("PERMISSION_DENIED", 7, 403),
    ("RESOURCE_EXHAUSTED", 8, 429),
    ("INTERNAL", 13, 500),
    ("UNAVAILABLE", 14, 503),
    ("UNAUTHENTICATED", 16, 401),
];

/// What any call may answer and has no reason.
const ALWAYS: [(u16, u16, &str); 2] =
    [(500, 13, "A defect of the service; it has been logged."), (504, 4, "The time of `Grpc-Timeout` passed.")];

/// What one with a body may answer.
const OF_BODIES: [(u16, u16, &str); 3] = [
    (408, 3, "The body did not arrive in time."),
    (413, 3, "The body has more than 65,536 bytes."),
    (415, 3, "The body is of another content type than `application/json`."),
];

/// The three ways to say who calls.
pub(super) fn security_schemes() -> Value {
    json!({
        "token": {
            "type": "apiKey",
            "in": "header",
            "name": "token",
            "description": "A token from a sign-in, or the fresh one of the answer before.",
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The same token, as `Authorization: Bearer …`. One of the two, once.",
        },
        "serviceCredential": {
            "type": "http",
            "scheme": "bearer",
            "description": "One of the server's `WATCH_CREDENTIALS`. A token is none.",
        },
    })
}

/// What an RPC needs. Where nothing is said it is a token, as the guard has it.
pub(super) fn security(comment: &str) -> Value {
    if comment.contains("Needs no token") {
        json!([])
    } else if comment.contains("Needs a service credential") {
        json!([{ "serviceCredential": [] }])
    } else {
        json!([{ "token": [] }, { "bearer": [] }])
    }
}

/// The fresh token's header, if the answer carries one.
pub(super) fn token_header(comment: &str) -> Option<Value> {
    let flat = comment.replace('\n', " ");
    let (_, after) = flat.split_once("carries a fresh `token`")?;
    Some(json!({
        "description": "A fresh token of the same session: use it from now on.",
        "required": !after.starts_with(", unless"),
        "schema": { "type": "string", "minLength": 1 },
    }))
}

/// By status, but for the successful one.
pub(super) fn responses(binding: &Binding, comment: &str) -> Map<String, Value> {
    let known = reasons(binding.rpc.parent_pool());
    let listed = comment.split_once("Reasons:").map_or("", |(_, after)| after);
    // Everything may be written wrongly, be too much, and the database may be gone.
    let names: Vec<_> =
        ["VALIDATION", "OVERLOADED", "UNAVAILABLE"].into_iter().chain(listed.split('`').skip(1).step_by(2)).collect();
    let mut by_status: BTreeMap<u16, Vec<&Reason>> = BTreeMap::new();
    for reason in known.iter().filter(|reason| names.contains(&reason.name.as_str())) {
        by_status.entry(http(reason.code).1).or_default().push(reason);
    }
    let is_authenticated = token_header(comment).is_some();
    let mut responses = Map::new();
    for (status, reasons) in by_status {
        responses.insert(status.to_string(), of_reasons(status, &reasons, is_authenticated));
    }
    let has_body = !matches!(binding.body, RequestBody::None);
    let others = ALWAYS.iter().chain(OF_BODIES.iter().filter(|_| has_body));
    for &(status, code, text) in others {
        let example = json!({ "example": { "value": { "code": code, "message": text } } });
        responses.entry(status.to_string()).or_insert_with(|| response(text, &example, headers(status, false)));
    }
    responses
}

fn of_reasons(status: u16, reasons: &[&Reason], is_authenticated: bool) -> Value {
    let lines: Vec<_> = reasons.iter().map(|reason| format!("- `{}`: {}", reason.name, reason.comment)).collect();
    let mut examples = Map::new();
    for reason in reasons {
        let message = reason.comment.split_terminator(". ").next().unwrap_or_default().replace('`', "");
        let kind = |name: &str| format!("type.googleapis.com/google.rpc.{name}");
        let info = json!({ "@type": kind("ErrorInfo"), "reason": reason.name, "domain": crate::pb::ERROR_DOMAIN });
        let mut details = vec![info];
        match reason.code {
            "INVALID_ARGUMENT" => {
                let bad = json!({ "field": "username", "description": "must have at least 3 characters" });
                details.push(json!({ "@type": kind("BadRequest"), "fieldViolations": [bad] }));
            }
            "RESOURCE_EXHAUSTED" => details.push(json!({ "@type": kind("RetryInfo"), "retryDelay": "1s" })),
            _ => {}
        }
        let value = json!({ "code": http(reason.code).0, "message": message, "details": details });
        examples.insert(reason.name.clone(), json!({ "value": value }));
    }
    response(&lines.join("\n"), &Value::Object(examples), headers(status, is_authenticated && status != 401))
}

fn response(description: &str, examples: &Value, headers: Value) -> Value {
    let content = |schema: &str| json!({ "schema": { "$ref": format!("#/components/schemas/{schema}") } });
    let mut json = content("Status");
    json["examples"] = examples.clone();
    let content = json!({ "application/json": json, "application/problem+json": content("Problem") });
    let mut response = json!({ "description": description, "content": content });
    if headers != json!({}) {
        response["headers"] = headers;
    }
    response
}

fn headers(status: u16, has_token: bool) -> Value {
    let mut headers = json!({});
    match status {
        401 => {
            headers["WWW-Authenticate"] = json!({
                "description": "`Bearer`, with `error=\"invalid_token\"` where a token was sent.",
                "required": true,
                "schema": { "type": "string" },
            });
        }
        429 => {
            headers["Retry-After"] = json!({
                "description": "Seconds.",
                "required": true,
                "schema": { "type": "integer", "minimum": 1 },
            });
        }
        _ => {}
    }
    if has_token {
        headers["Token"] = json!({
            "description": "A fresh token, if the one that was sent is good.",
            "schema": { "type": "string", "minLength": 1 },
        });
    }
    headers
}

/// `Status`, `Problem` and what they are made of.
pub(super) fn add_schemas(pool: &DescriptorPool, schemas: &mut Schemas) {
    let written: Value = serde_json::from_str(include_str!("failures.json")).unwrap_or_default();
    for (name, schema) in written.as_object().into_iter().flatten() {
        schemas.insert(name, schema.clone());
    }
    let reasons = reasons(pool);
    let names: Vec<_> = reasons.iter().map(|reason| reason.name.as_str()).collect();
    schemas.insert("ErrorReason", json!({ "type": "string", "enum": names, "description": description(&reasons) }));
}

fn description(reasons: &[Reason]) -> String {
    let lines = reasons.iter().map(|reason| format!("- `{}`: `{}`. {}\n", reason.name, reason.code, reason.comment));
    lines.collect()
}

fn reasons(pool: &DescriptorPool) -> Vec<Reason> {
    let Some(reasons) = pool.get_enum_by_name("countersign.v1.ErrorReason") else { return Vec::new() };
    let file = reasons.parent_file();
    let reason = |value: prost_reflect::EnumValueDescriptor| {
        // "`CODE`. What it means." What follows a colon is an example, for readers of the proto.
        let comment = comment::of(&file, value.path());
        let first = comment.split("\n\n").next()?.replace('\n', " ");
        let first = first.strip_suffix(':').map_or(first.clone(), |said| format!("{said}."));
        let (code, rest) = first.strip_prefix('`')?.split_once('`')?;
        let (code, _, _) = CODES.iter().find(|(name, ..)| *name == code)?;
        let name = value.name().strip_prefix("ERROR_REASON_")?.to_owned();
        let comment = rest.trim_start_matches([',', '.', ' ']).to_owned();
        Some(Reason { name, code, comment })
    };
    reasons.values().filter_map(reason).collect()
}

/// The number of a code, and its HTTP status.
fn http(code: &str) -> (u16, u16) {
    CODES.iter().find(|(name, ..)| *name == code).map_or((13, 500), |&(_, number, status)| (number, status))
}
