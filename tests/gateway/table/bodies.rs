//! Bodies that are one field, answers that are one field, streams, failures, and `Any`, which names its type.

use super::{ask, json};
use crate::raw::Asked;

pub fn rows() -> Vec<Asked> {
    let mut rows = Vec::new();
    for field in REQUEST_FIELDS {
        rows.extend(VALUES.iter().map(|value| ask(&format!("POST /v1/request/{field}")).with_body(*value)));
        rows.push(ask(&format!("POST /v1/request/{field}")));
        rows.push(ask(&format!("POST /v1/request/{field}?int32Value=5")).with_body(VALUES[0]));
    }
    for field in ANSWER_FIELDS {
        rows.extend(WHOLES.iter().map(|whole| ask(&format!("POST /v1/answer/{field}")).with_body(*whole)));
    }
    rows.extend(BODIES.iter().map(|(line, body)| ask(line).with_body(*body)));
    rows.extend(ANIES.iter().map(|any| json(&format!("{{\"any\": {any}}}"))));
    for code in 0..=17 {
        rows.push(ask(&format!("GET /v1/failures/{code}?stringValue=because+%C3%A9")));
        rows.push(ask(&format!("GET /v1/failing/0/{code}?stringValue=because")));
        rows.push(ask(&format!("GET /v1/failing/2/{code}?stringValue=because")));
    }
    rows.push(ask("POST /v1/failures").with_body("{\"int32Value\": 5}"));
    rows
}

const REQUEST_FIELDS: [&str; 18] = [
    "nested",
    "texts",
    "nesteds",
    "string",
    "int64",
    "bool",
    "double",
    "bytes",
    "color",
    "colors",
    "labels",
    "numbered",
    "wrapper",
    "time",
    "structure",
    "value",
    "any",
    "choice",
];

const VALUES: [&str; 32] = [
    "{}",
    "{\"name\": \"a\", \"size\": 3}",
    "{\"name\": 1}",
    "{\"nothing\": 1}",
    "{\"nested\": {\"name\": \"a\"}}",
    "{\"1\": {\"name\": \"a\"}}",
    "{\"a\": \"b\"}",
    "[]",
    "[\"a\", \"b\"]",
    "[\"a\", null]",
    "[{}, {\"name\": \"a\"}]",
    "[\"COLOR_RED\", 2]",
    "[1]",
    "\"a\"",
    "\"\"",
    "\"5\"",
    "\"YQ==\"",
    "\"COLOR_RED\"",
    "\"2026-11-22T12:34:56Z\"",
    "\"NaN\"",
    "5",
    "0",
    "1.5",
    "9223372036854775807",
    "true",
    "false",
    "null",
    "",
    "{",
    "{} {}",
    "5 5",
    "{\"@type\": \"type.googleapis.com/google.protobuf.Duration\", \"value\": \"1s\"}",
];

const ANSWER_FIELDS: [&str; 18] = [
    "nested",
    "nesteds",
    "texts",
    "longs",
    "string",
    "int32",
    "int64",
    "double",
    "bool",
    "bytes",
    "color",
    "colors",
    "labels",
    "numbered",
    "wrapper",
    "time",
    "structure",
    "value",
];

/// A message with every field set, one with none, and one with special forms of JSON.
const WHOLES: [&str; 3] = [
    "{\"nested\": {\"name\": \"a\", \"deeper\": {\"count\": 5}}, \"nesteds\": [{\"name\": \"b\"}, {}], \"texts\": [\"a\", \"b\"], \
     \"longs\": [1, 2], \"stringValue\": \"a\", \"int32Value\": 1, \"int64Value\": 2, \"doubleValue\": 1.5, \"boolValue\": true, \
     \"bytesValue\": \"aGk=\", \"color\": \"COLOR_RED\", \"colors\": [\"COLOR_RED\", \"COLOR_GREEN\"], \"labels\": {\"a\": \"b\"}, \
     \"nestedByNumber\": {\"1\": {\"name\": \"a\"}}, \"int64Wrapper\": 5, \"time\": \"2026-11-22T12:34:56Z\", \
     \"structure\": {\"a\": [1]}, \"value\": [null, \"x\"]}",
    "{}",
    "{\"doubleValue\": \"NaN\", \"color\": 99, \"colors\": [99, 1], \"value\": null, \"int64Wrapper\": 0, \"bytesValue\": \"-_8\"}",
];

const BODIES: [(&str, &str); 35] = [
    ("PUT /v1/everything/a", "{}"),
    ("PUT /v1/everything/a", "{\"stringValue\": \"b\"}"),
    ("PUT /v1/everything/a", "{\"stringValue\": {}}"),
    ("PUT /v1/everything/a", "{\"int32Value\": 1}"),
    ("PUT /v1/everything/a?int32Value=1", "{}"),
    ("PUT /v1/everything/a", ""),
    ("PUT /v1/everything/a", "[]"),
    ("PATCH /v1/everything/a", "{\"name\": \"b\"}"),
    ("PATCH /v1/everything/a?int32Value=1", "{\"name\": \"b\"}"),
    ("PATCH /v1/everything/a?nested.size=1", "{\"name\": \"b\"}"),
    ("PATCH /v1/everything/a?nested.name=c", "{\"name\": \"b\"}"),
    ("PATCH /v1/everything/a?nested=c", "{\"name\": \"b\"}"),
    ("PATCH /v1/everything/a?mask=nested.name", "{\"name\": \"b\"}"),
    ("PATCH /v1/everything/a?texts=a&texts=b", "{}"),
    ("PATCH /v1/everything/a", "{\"stringValue\": \"b\"}"),
    ("PATCH /v1/everything/a", ""),
    ("PATCH /v1/everything/a", "null"),
    ("PUT /v1/request/both/a", "{\"size\": 1}"),
    ("PUT /v1/request/both/a", "{\"name\": \"b\", \"size\": 1}"),
    ("PUT /v1/request/both/a?nested.size=2", "{\"size\": 1}"),
    ("PUT /v1/request/both/a?int32Value=2", "{\"size\": 1}"),
    ("PUT /v1/request/all/5", "{\"nested\": {\"name\": \"a\"}}"),
    ("PUT /v1/request/all/5", "{\"nested\": {\"deeper\": {\"count\": 6, \"label\": \"b\"}}}"),
    ("PUT /v1/request/all/x", "{}"),
    ("PUT /v1/request/all/5", "{\"nested\": null}"),
    ("POST /v1/everything:run", "{\"int32Value\": 1}"),
    ("POST /v1/everything?stringValue=a", "{\"int32Value\": 1}"),
    ("POST /v1/everything?nothing=a", "{\"int32Value\": 1}"),
    ("POST /v1/everything/", "{}"),
    ("POST /v1/bodiless/a", "{\"int32Value\": 1}"),
    ("GET /v1/everything", "{\"int32Value\": 1}"),
    ("DELETE /v1/everything/1", "{\"int32Value\": 1}"),
    ("POST /v1/streams", "{\"int32Value\": 1}"),
    ("POST /v1/streams", "{\"int32Value\": \"x\"}"),
    ("POST /v1/streams:names", "{\"nested\": {\"name\": \"a\"}}"),
];

const ANIES: [&str; 17] = [
    "{\"@type\": \"type.googleapis.com/google.protobuf.Duration\", \"value\": \"1.5s\"}",
    "{\"@type\": \"type.googleapis.com/transcoding.test.v1.Nested\", \"name\": \"a\", \"deeper\": {\"count\": 5}}",
    "{\"name\": \"a\", \"@type\": \"type.googleapis.com/transcoding.test.v1.Nested\"}",
    "{\"@type\": \"transcoding.test.v1.Nested\", \"name\": \"a\"}",
    "{\"@type\": \"/transcoding.test.v1.Nested\", \"name\": \"a\"}",
    "{\"@type\": \"example.com/x/transcoding.test.v1.Nested\", \"name\": \"a\"}",
    "{\"@type\": \"type.googleapis.com/no.such.Type\", \"name\": \"a\"}",
    "{\"@type\": \"type.googleapis.com/transcoding.test.v1.Nested\", \"nothing\": 1}",
    "{\"@type\": \"type.googleapis.com/transcoding.test.v1.Nested\", \"size\": \"x\"}",
    "{\"@type\": \"type.googleapis.com/google.protobuf.Empty\"}",
    "{\"@type\": \"type.googleapis.com/google.protobuf.Empty\", \"value\": {}}",
    "{\"@type\": \"type.googleapis.com/google.protobuf.Int64Value\", \"value\": \"5\"}",
    "{\"@type\": \"type.googleapis.com/google.protobuf.Struct\", \"value\": {\"a\": 1}}",
    "{\"@type\": \"\"}",
    "{\"@type\": 1}",
    "{\"name\": \"a\"}",
    "null",
];
