//! Differences about values in a path, in a query and in JSON. Ours reads all of them by the JSON mapping. The gateway
//! reads paths and queries by Go's conversions.

use prost_reflect::Kind;

use super::Difference;
use crate::evidence::is_of;

/// Texts that Go reads as a boolean and JSON does not.
const GO_BOOLEANS: [&str; 10] = ["1", "t", "T", "TRUE", "True", "0", "f", "F", "FALSE", "False"];

pub const LIST: &[Difference] = &[
    Difference {
        name: "a boolean is true or false",
        because: "ProtoJSON: `true, false`; the gateway takes what Go's ParseBool takes",
        applies: |case| {
            case.only_we_refuse("must be true or false")
                && case.texts().iter().any(|text| GO_BOOLEANS.contains(&text.as_str()))
        },
    },
    Difference {
        name: "a number is JSON's, not Go's",
        because: "ProtoJSON: `decimal number`, and `exponent notation is accepted`, in quotes too; in paths and queries the \
                  gateway takes what Go's ParseInt and ParseFloat take: +1 and 01, and no 1e2, 1.0 and -0 for integers",
        applies: |case| {
            let lenient = |text: &String| text.parse::<f64>().is_ok() && !is_json_number(text);
            let integral = |text: &String| is_json_number(text) && (text.contains(['.', 'e', 'E']) || text == "-0");
            let is_number = ["must be an integer", "must be a number"].iter().any(|it| case.only_we_refuse(it));
            (is_number && case.texts_of_url().iter().any(lenient))
                || (case.only_gateway_refuses("strconv.Parse") && case.texts_of_url().iter().any(integral))
        },
    },
    Difference {
        name: "an enum's number need not have a name",
        because: "ProtoJSON: `Parsers accept both enum names and integer values`, and proto3's enums are open; the gateway does \
                  so in JSON, not in paths and queries",
        applies: |case| {
            let is_refusal =
                case.only_gateway_refuses("is not a valid value") || case.only_gateway_refuses("is not valid");
            is_refusal && case.texts().iter().any(|text| text.parse::<i32>().is_ok())
        },
    },
    Difference {
        name: "a duration in a query is JSON's, not Go's",
        because: "ProtoJSON: `decimal seconds … suffixed with s`, to ±10,000 years; the gateway takes what Go's ParseDuration \
                  takes, like 1h30m, and nothing beyond 292 years",
        applies: |case| {
            let is_duration = case.has_parameter(|field| is_of(field, "google.protobuf.Duration"));
            let problems = ["must be a duration", "must be a time that exists, or a duration"];
            let refused = problems.iter().any(|problem| case.only_we_refuse(problem))
                && case.texts_of_url().iter().any(|text| is_go_duration(text));
            let taken = case.only_gateway_refuses("time: invalid duration")
                && case.texts_of_url().iter().any(|text| is_json_duration(text) && text.len() > 10);
            is_duration && (refused || taken)
        },
    },
    Difference {
        name: "a duration has digits on both sides of its point, and no plus",
        because: "ProtoJSON: `decimal seconds`; Go's reader takes `+1s`, `.5s` and `1.s`",
        applies: |case| {
            case.only_we_refuse("must be a duration")
                && case.texts().iter().any(|text| text.starts_with(['+', '.']) || text.ends_with(".s"))
        },
    },
    Difference {
        name: "the fraction of a second follows a point and has at most nine digits",
        because: "RFC 3339 section 5.6: `time-secfrac = \".\" 1*DIGIT`, and ProtoJSON: as many as fit into nanoseconds; Go's \
                  reader takes a comma, and cuts digits off",
        applies: |case| {
            let has_more = |text: &String| text.split_once('.').is_some_and(|(_, fraction)| fraction.len() > 10);
            case.only_we_refuse("must be a time")
                && case.texts().iter().any(|text| text.contains(',') || has_more(text))
        },
    },
    Difference {
        name: "a field mask in a query has JSON's names",
        because: "ProtoJSON: lowerCamelCase; the gateway takes the text for the paths themselves, and then fails to write what \
                  is no path",
        applies: |case| {
            case.has_parameter(|field| is_of(field, "google.protobuf.FieldMask"))
                && (case.statuses(400, 200)
                    || case.gateway.message().contains("google.protobuf.FieldMask.paths contains"))
        },
    },
    Difference {
        name: "NullValue is null",
        because: "ProtoJSON: `JSON null`; Go's reader takes numbers, too, even others than its only one",
        applies: |case| {
            let is_named =
                case.has_parameter(|field| matches!(field.kind(), Kind::Enum(kind) if kind.name() == "NullValue"));
            case.statuses(400, 200)
                && (is_named || case.first_json().is_some_and(|(body, _)| body.get("null").is_some()))
        },
    },
];

/// Whether a text is a number by RFC 8259 section 6.
fn is_json_number(text: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(text).is_ok() && text.trim() == text
}

/// Whether a text is a duration in Go's form, such as `1h30m`, `1ms` or `0`.
fn is_go_duration(text: &str) -> bool {
    let unit = |text: &str| ["ns", "us", "µs", "ms", "s", "m", "h"].iter().any(|unit| text.ends_with(unit));
    text == "0" || (unit(text) && text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)))
}

fn is_json_duration(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(seconds) = text.strip_suffix('s') else { return false };
    let seconds = seconds.strip_prefix('-').unwrap_or(seconds);
    seconds.split_once('.').map_or(digits(seconds), |(whole, part)| digits(whole) && digits(part) && part.len() <= 9)
}
