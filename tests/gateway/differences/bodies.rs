//! Differences about request bodies and answer bodies.

use serde_json::{Value, json};

use super::Difference;
use crate::differ::equal;
use crate::evidence::depth;

/// The least depth of JSON that ours reads. protobuf limits messages within messages to 100, and a level of a Value
/// takes three of those.
const DEPTH: usize = 30;

pub const LIST: &[Difference] = &[
    Difference {
        name: "a body is one JSON value",
        because: "RFC 8259 section 2; the gateway reads the first value and ignores whatever follows",
        applies: |case| case.statuses(400, 200) && case.has_trailing_garbage(),
    },
    Difference {
        name: "blanks are no JSON",
        because: "RFC 8259 section 2; the gateway takes them for no body, which they are not",
        applies: |case| {
            case.statuses(400, 200)
                && case.has_blank_body()
                && case.asked.body.as_ref().is_some_and(|body| !body.is_empty())
        },
    },
    Difference {
        name: "a byte order mark is skipped",
        because: "RFC 8259 section 8.1 allows it, and some editors write one; the gateway reads it as a wrong character",
        applies: |case| case.statuses(200, 400) && case.asked.body_text().starts_with('\u{feff}'),
    },
    Difference {
        name: "where there is no body, its field is not set",
        because: "http.proto does not say; the gateway sets it to an empty message, which nobody sent, and fails to write a Value that is none",
        applies: |case| {
            let is_unset = case.gateway.message().contains("none of the oneof fields is set");
            case.ours.status == 200
                && case.has_blank_body()
                && matches!(case.asked.method.as_str(), "POST" | "PATCH" | "PUT")
                && (is_unset || lacks_one_field(&case.ours.value(), &case.gateway.value()))
        },
    },
    Difference {
        name: "a body that is null leaves its field unset",
        because: "ProtoJSON: `null is an accepted value for all field types and leaves the field unset`; the gateway reads the \
                  field's message alone, which null is none of",
        applies: |case| {
            case.statuses(200, 400)
                && case.asked.body_text().trim() == "null"
                && ["unexpected token null", "value: null", "cannot assign <nil>"]
                    .iter()
                    .any(|message| case.gateway.message().contains(message))
        },
    },
    Difference {
        name: "a body that is a scalar is read by the JSON mapping",
        because: "http.proto: `the representation of the JSON in the request body is determined by protos JSON encoding`; the \
                  gateway reads it as Go's JSON: no int64 in quotes, no NaN, no names of enums, no base64 without padding, \
                  lists of numbers for bytes, null for an empty text",
        applies: |case| {
            let go = ["cannot unmarshal", "symbolic enum", "illegal base64"];
            let scalars = ["int64", "bool", "double", "bytes", "color", "colors", "string", "texts"];
            let is_scalar = scalars.iter().any(|field| case.asked.path() == format!("/v1/request/{field}"));
            let body = case.first_json().map(|(body, _)| body).unwrap_or_default();
            let is_list = case.asked.path().ends_with("/bytes") && body.is_array();
            let has_null = body.as_array().is_some_and(|list| list.contains(&Value::Null));
            let refused = case.statuses(200, 400) && go.iter().any(|text| case.gateway.message().contains(text));
            is_scalar && (refused || (case.statuses(400, 200) && (is_list || has_null)))
        },
    },
    Difference {
        name: "an answer that is no message is written by the JSON mapping",
        because: "http.proto: `the proto to JSON conversion must follow the proto3 specification`; the gateway writes it as \
                  Go's JSON: int64 as a number, what is empty as null, an enum's number as a text, NaN and an unset \
                  Value not at all",
        applies: |case| {
            let failures = ["unsupported value: NaN", "none of the oneof fields is set"];
            let fails = failures.iter().any(|message| case.gateway.message().contains(message));
            let is_so = fails || case.ours.value().zip(case.gateway.value()).is_some_and(is_as_go);
            case.ours.status == 200 && case.asked.path().starts_with("/v1/answer/") && is_so
        },
    },
    Difference {
        name: "what the path binds has no other value in the body",
        because: "http.proto: `every field not bound by the path template should be mapped to the request body`; the gateway \
                  replaces another value in the body without a word, and refuses one of the wrong type",
        applies: |case| case.we_refuse("differs from its value in the path"),
    },
    Difference {
        name: "messages within messages end somewhere",
        because: "protobuf's own limit of 100 levels, so that no request can exhaust a stack; Go's is 10,000",
        applies: |case| case.statuses(400, 200) && depth(&case.asked.body_text()) > DEPTH,
    },
    Difference {
        name: "the name of an Any's type follows a slash",
        because: "any.proto: `This string must contain at least one \"/\" character`",
        applies: |case| {
            let url = |body: &Value| body.pointer("/any/@type").and_then(Value::as_str).map(str::to_owned);
            let url = case.first_json().and_then(|(body, _)| url(&body));
            case.statuses(400, 200) && url.is_some_and(|url| !url.contains('/'))
        },
    },
    Difference {
        name: "a status has a message, if an empty one",
        because: "a client may rely on the member; the gateway leaves an empty text out",
        applies: |case| {
            let with_message = |mut value: Value| {
                value.as_object_mut().map(|status| status.entry("message").or_insert(json!("")));
                value
            };
            let has_none = case.gateway.message().is_empty();
            let gateway = case.gateway.value().map(with_message);
            has_none
                && case.ours.status == case.gateway.status
                && case.ours.value().zip(gateway).is_some_and(|(ours, gateway)| equal(&ours, &gateway))
        },
    },
];

/// Whether the gateway's answer is ours with one more field.
fn lacks_one_field(ours: &Option<Value>, gateway: &Option<Value>) -> bool {
    let (Some(Value::Object(ours)), Some(Value::Object(gateway))) = (ours, gateway) else { return false };
    gateway.len() == ours.len() + 1 && ours.iter().all(|(name, value)| gateway.get(name) == Some(value))
}

/// Whether the gateway's answer is ours as Go writes JSON.
fn is_as_go((ours, gateway): (Value, Value)) -> bool {
    equal(&as_go(&ours), &gateway)
}

/// Our JSON as Go would write it, where the two differ.
fn as_go(value: &Value) -> Value {
    match value {
        Value::Array(list) if list.is_empty() => Value::Null,
        Value::Array(list) => list.iter().map(as_go).collect(),
        Value::String(text) if text.is_empty() => Value::Null,
        Value::String(text) => text.parse::<i64>().map_or_else(|_| value.clone(), Value::from),
        Value::Number(number) => Value::String(number.to_string()),
        _ => value.clone(),
    }
}
