//! The failures of an operation and the credentials that it needs, from the options of the protos: the `method_rules`
//! of an RPC, and the `grpc_code` of each `ErrorReason`. The comments are shown and not interpreted.

use std::collections::BTreeMap;

use http_rule::{Binding, http_status};
use prost_reflect::{DescriptorPool, EnumValueDescriptor};
use serde_json::{Map, Value, json};
use tonic::Code;

use super::components::Components;
use super::operation::has_body;
use super::{comment, names};
use crate::pb::method_rules::Credential;
use crate::pb::{ErrorReason, MethodRules};
use crate::rest::call::TOKEN;

/// A value of `ErrorReason`, as the document describes it.
struct Described {
    reason: ErrorReason,
    /// The name of its gRPC code, such as `NOT_FOUND`.
    code: String,
    comment: String,
}

/// The failures of any call that have no reason: HTTP status, gRPC code, name and text.
const ALWAYS: [(u16, u16, &str, &str); 2] = [
    (500, 13, "Defect", "A defect of the service; it has been logged."),
    (504, 4, "DeadlineExceeded", "The time of `Grpc-Timeout` has passed."),
];

/// The failures of a call with a body that have no reason.
const OF_BODIES: [(u16, u16, &str, &str); 3] = [
    (408, 3, "BodyTooSlow", "The body did not arrive in time."),
    (413, 3, "BodyTooLarge", "The body has more than 65,536 bytes."),
    (415, 3, "BodyNotJson", "The content type of the body is not `application/json`."),
];

/// The forms of credentials.
pub(super) fn security_schemes() -> Value {
    json!({
        "token": {
            "type": "apiKey",
            "in": "header",
            "name": TOKEN.as_str(),
            "description": "A token from a sign-in, or the fresh token of the previous answer.",
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The same token as `Authorization: Bearer …`. Send one of the two headers, once.",
        },
        "serviceCredential": {
            "type": "http",
            "scheme": "bearer",
            "description": "One of the server's `WATCH_CREDENTIALS`. A token is not accepted.",
        },
        "introspectionCredential": {
            "type": "http",
            "scheme": "bearer",
            "description": "One of the server's `INTROSPECTION_CREDENTIALS`. A token is not accepted.",
        },
        "introspectionPassword": {
            "type": "http",
            "scheme": "basic",
            "description": "The same credential as a password, with any name.",
        },
    })
}

/// The credentials that an RPC accepts.
pub(super) fn security(rules: &MethodRules) -> Value {
    match rules.credential() {
        Credential::None => json!([]),
        Credential::Service => json!([{ "serviceCredential": [] }]),
        Credential::Introspection => json!([{ "introspectionPassword": [] }, { "introspectionCredential": [] }]),
        Credential::Unspecified | Credential::FormerToken => json!([{ "token": [] }, { "bearer": [] }]),
    }
}

/// The header of the fresh token, if the answer carries one.
pub(super) fn token_header(rules: &MethodRules) -> Option<Value> {
    has_fresh_token(rules).then(|| {
        json!({
            "description": "A fresh token of the same session: use it from now on.",
            "required": !rules.may_end_own_session,
            "schema": { "type": "string", "minLength": 1 },
        })
    })
}

fn has_fresh_token(rules: &MethodRules) -> bool {
    rules.credential() == Credential::Unspecified
}

/// The responses by status, except the successful one. Most are the same for many operations.
pub(super) fn responses(
    binding: &Binding,
    rules: &MethodRules,
    components: &mut Components,
) -> BTreeMap<String, Value> {
    let (described, possible) = (described(binding.rpc.parent_pool()), rules.all_reasons());
    let mut by_status: BTreeMap<u16, Vec<&Described>> = BTreeMap::new();
    for one in described.iter().filter(|one| possible.contains(&one.reason)) {
        by_status.entry(http_status(one.reason.code()).as_u16()).or_default().push(one);
    }
    let mut responses = BTreeMap::new();
    for (status, reasons) in by_status {
        let has_token = has_fresh_token(rules) && status != 401;
        let mut name = names::of_reasons(&reasons.iter().map(|one| one.reason.as_reason()).collect::<Vec<_>>());
        if has_token {
            name.push_str("WithToken");
        }
        responses.insert(status.to_string(), components.response(&name, of_reasons(status, &reasons, has_token)));
    }
    let others = ALWAYS.iter().chain(OF_BODIES.iter().filter(|_| has_body(binding)));
    for &(status, code, name, text) in others {
        let example = json!({ "example": { "value": { "code": code, "message": text } } });
        let response = response(text, &example, headers(status, false));
        responses.entry(status.to_string()).or_insert_with(|| components.response(name, response));
    }
    responses
}

fn of_reasons(status: u16, reasons: &[&Described], has_token: bool) -> Value {
    let lines: Vec<_> = reasons.iter().map(|one| format!("- `{}`: {}", one.reason.as_reason(), one.comment)).collect();
    let mut examples = Map::new();
    for one in reasons {
        let (name, code) = (one.reason.as_reason(), one.reason.code());
        // The first sentence of the comment is an example of a message.
        let message = one.comment.split_terminator(". ").next().unwrap_or_default().replace('`', "");
        let kind = |name: &str| format!("type.googleapis.com/google.rpc.{name}");
        let info = json!({ "@type": kind("ErrorInfo"), "reason": name, "domain": crate::pb::ERROR_DOMAIN });
        let mut details = vec![info];
        match code {
            Code::InvalidArgument => {
                let bad = json!({ "field": "username", "description": "must have at least 3 characters" });
                details.push(json!({ "@type": kind("BadRequest"), "fieldViolations": [bad] }));
            }
            Code::ResourceExhausted => details.push(json!({ "@type": kind("RetryInfo"), "retryDelay": "1s" })),
            _ => {}
        }
        let value = json!({ "code": code as i32, "message": message, "details": details });
        examples.insert(name.to_owned(), json!({ "value": value }));
    }
    response(&lines.join("\n"), &Value::Object(examples), headers(status, has_token))
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
                "description": "`Bearer`, with `error=\"invalid_token\"` if a token was sent.",
                "required": true,
                "schema": { "type": "string" },
            });
        }
        429 => {
            headers["Retry-After"] = json!({
                "description": "Seconds until the call may be repeated.",
                "required": true,
                "schema": { "type": "integer", "minimum": 1 },
            });
        }
        _ => {}
    }
    if has_token {
        headers["Token"] = json!({
            "description": "A fresh token, if the token that was sent is valid.",
            "schema": { "type": "string", "minLength": 1 },
        });
    }
    headers
}

/// Adds `Status`, `Problem` and the schemas that they refer to.
pub(super) fn add_schemas(pool: &DescriptorPool, components: &mut Components) {
    let written: Value = serde_json::from_str(include_str!("failures.json")).unwrap_or_default();
    for (name, schema) in written.as_object().into_iter().flatten() {
        components.insert(name, schema.clone());
    }
    let described = described(pool);
    let names: Vec<_> = described.iter().map(|one| one.reason.as_reason()).collect();
    let line = |one: &Described| format!("- `{}`: `{}`. {}\n", one.reason.as_reason(), one.code, one.comment);
    let description: String = described.iter().map(line).collect();
    components.insert("ErrorReason", json!({ "type": "string", "enum": names, "description": description }));
}

/// Every reason that has a code: all but `ERROR_REASON_UNSPECIFIED`.
fn described(pool: &DescriptorPool) -> Vec<Described> {
    let reasons = pool.get_enum_by_name("countersign.v1.ErrorReason");
    let Some((reasons, option)) = reasons.zip(pool.get_extension_by_name("countersign.v1.grpc_code")) else {
        return Vec::new();
    };
    let describe = |value: EnumValueDescriptor| {
        let code = value.options().get_extension(&option).as_str().filter(|code| !code.is_empty())?.to_owned();
        // The first paragraph. An example for readers of the proto may follow, after a colon.
        let comment = comment::of(&reasons.parent_file(), value.path());
        let paragraph = comment.split("\n\n").next()?.replace('\n', " ");
        let comment = paragraph.strip_suffix(':').map_or(paragraph.clone(), |text| format!("{text}."));
        Some(Described { reason: ErrorReason::try_from(value.number()).ok()?, code, comment })
    };
    reasons.values().filter_map(describe).collect()
}
