//! Known faults of ours: prost-reflect, which reads and writes messages as JSON, breaks the JSON mapping here. No
//! message of Countersign has such a field: no float, no wrapper, no mask, and no Any in a request. An entry that is no
//! longer needed fails the run, and is then removed.

use serde_json::Value;

use super::Difference;
use crate::differ::equal;

pub const LIST: &[Difference] = &[
    Difference {
        name: "limit: floats are written as prost-reflect does",
        because: "minus zero is left out, as if it were the default; in a wrapper, NaN and the infinities are null; a float in \
                  a stream, in a wrapper and alone is written as the double that it is, with more digits than it needs",
        applies: |case| {
            let (Some(ours), Some(gateway)) = (case.ours.values(), case.gateway.values()) else { return false };
            let is_written = gateway.iter().any(has_such_float);
            let written: Vec<_> = gateway.iter().map(as_prost_reflect).collect();
            let ours: Vec<_> = ours.iter().map(as_prost_reflect).collect();
            case.statuses(200, 200)
                && case.ours.header("token") == case.gateway.header("token")
                && is_written
                && equal(&Value::Array(ours), &Value::Array(written))
        },
    },
    Difference {
        name: "limit: an integer of many digits behind the point is zero",
        because: "1e-400 is no integer, but is 0 once it is a double",
        applies: |case| {
            let text = case.asked.body_text();
            (case.only_gateway_refuses("invalid value for") || case.only_gateway_refuses("strconv.Parse"))
                && text.contains("1e-400")
        },
    },
    Difference {
        name: "limit: a field mask may be any text",
        because: "ProtoJSON: `paths are separated by a comma`; what a path is, prost-reflect does not look at",
        applies: |case| {
            let has_mask = case.first_json().is_some_and(|(body, _)| body.get("mask").is_some());
            let is_trimmed = case.statuses(200, 200) && case.asked.body_text().contains("\\n");
            has_mask && (is_trimmed || case.only_gateway_refuses("google.protobuf.FieldMask.paths contains"))
        },
    },
    Difference {
        name: "limit: an Any is not empty, and in one an Empty has a value",
        because: "ProtoJSON: an Any without a type is `{}`, and of a message without a form of its own in JSON the members \
                  follow the type; prost-reflect wants a type, and `value` for an Empty",
        applies: |case| {
            let any = case.first_json().map(|(body, _)| body).unwrap_or_default();
            let any = if case.asked.path() == "/v1/request/any" { Some(&any) } else { any.get("any") };
            let is_empty = any.is_some_and(|any| any.as_object().is_some_and(serde_json::Map::is_empty));
            let has_empty = any.is_some_and(|any| any.to_string().contains("google.protobuf.Empty"));
            (is_empty && case.statuses(400, 200)) || (has_empty && matches!(case.ours.status, 200 | 400))
        },
    },
];

/// Whether a value has a float that prost-reflect writes differently.
fn has_such_float(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter().any(has_such_float),
        Value::Object(map) => map.iter().any(|(name, value)| {
            let is_float = name.starts_with("float") && value.is_number();
            is_float || is_special_wrapper(name, value) || has_such_float(value)
        }),
        value => is_minus_zero(value),
    }
}

/// The gateway's JSON with floats as prost-reflect writes them.
fn as_prost_reflect(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().map(as_prost_reflect).collect(),
        Value::Object(map) => {
            let entries = map.iter().filter(|(_, value)| !is_minus_zero(value));
            entries
                .map(|(name, value)| {
                    let written = match value {
                        Value::Number(number) if name.starts_with("float") => {
                            Value::from(number.as_f64().unwrap_or_default() as f32)
                        }
                        value if is_special_wrapper(name, value) => Value::Null,
                        value => as_prost_reflect(value),
                    };
                    (name.clone(), written)
                })
                .collect()
        }
        value => value.clone(),
    }
}

fn is_special_wrapper(name: &str, value: &Value) -> bool {
    ["floatWrapper", "doubleWrapper"].contains(&name)
        && value.as_str().is_some_and(|text| ["NaN", "Infinity", "-Infinity"].contains(&text))
}

fn is_minus_zero(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number == 0.0 && number.is_sign_negative())
}
