//! Requests about HTTP itself: content types, lengths, metadata, and methods without a rule.

use super::{ask, json};
use crate::raw::Asked;

pub fn rows() -> Vec<Asked> {
    let mut rows = Vec::new();
    for kind in CONTENT_TYPES {
        rows.push(json("{\"int32Value\": 1}").with_header("content-type", kind));
        rows.push(json("int32Value=1").with_header("content-type", kind));
        rows.push(json("").with_header("content-type", kind));
        rows.push(ask("GET /v1/texts/a").with_header("content-type", kind));
    }
    // A body without a content type, and a content type without a body.
    let mut untyped = json("{\"int32Value\": 1}");
    untyped.headers.clear();
    rows.push(untyped);
    rows.push(ask("POST /v1/everything"));
    rows.push(ask("POST /v1/everything").with_header("content-type", "application/json"));
    rows.push(ask("PATCH /v1/everything/a"));
    for accept in ["application/json", "text/html", "*/*", "application/x-protobuf"] {
        rows.push(ask("GET /v1/texts/a").with_header("accept", accept));
    }

    // The limit is 64 KiB.
    for length in [60_000, 65_536, 65_537, 200_000] {
        let empty = "{\"stringValue\": \"\"}".len();
        rows.push(json(&format!("{{\"stringValue\": \"{}\"}}", "a".repeat(length - empty))));
    }
    for length in [1_000, 8_000] {
        rows.push(ask(&format!("GET /v1/texts/{}", "a".repeat(length))));
        rows.push(ask(&format!("GET /v1/everything?stringValue={}", "a".repeat(length))));
    }

    // Metadata that is passed on, and metadata that is not.
    let me = || ask("GET /v1/texts/a");
    rows.push(me().with_header("token", "abc"));
    rows.push(me().with_header("authorization", "Bearer abc"));
    rows.push(me().with_header("token", "abc").with_header("authorization", "Bearer abc"));
    rows.push(me().with_another("token", "a").with_another("token", "b"));
    rows.push(me().with_another("authorization", "a").with_another("authorization", "b"));
    rows.push(me().with_header("token", ""));
    rows.push(me().with_header("cookie", "a=b").with_header("x-other", "c"));
    rows.push(me().with_header("grpc-metadata-token", "abc"));
    rows.push(me().with_header("grpc-metadata-x-other", "abc"));
    rows.push(me().with_header("user-agent", "someone/1"));
    rows.push(me().with_header("te", "trailers"));
    rows.push(ask("GET /v1/streams/a").with_header("token", "abc"));
    rows.push(json("{}").with_header("token", "abc"));
    for timeout in ["1S", "10M", "99999999H", "1", "S", "-1S", "1s", "", "999999999S", "1.5S", "5 S"] {
        rows.push(me().with_header("grpc-timeout", timeout));
    }

    // Headers that override the method.
    for override_ in ["GET", "DELETE", "PUT", "x"] {
        rows.push(ask("POST /v1/everything/1").with_header("x-http-method-override", override_));
        rows.push(ask("POST /v1/texts/a").with_header("x-http-method-override", override_));
    }
    let form = "application/x-www-form-urlencoded";
    rows.push(ask("POST /v1/texts/a").with_body("int32Value=1").with_header("content-type", form));
    for target in ["/v1/everything", "/v1/texts/a", "/v1/everything/1", "/v1/methods/a", "/v1/nothing", "*"] {
        rows.push(ask(&format!("OPTIONS {target}")));
    }
    for target in ["/v1/everything?stringValue=a", "/v1/texts/%zz", "/v1/texts/a?int32Value=x", "/v1/heads/a"] {
        rows.push(ask(&format!("HEAD {target}")));
    }
    // The absolute form, which clients send to proxies, and targets that are no path.
    rows.push(ask("GET http://example.com/v1/texts/a"));
    rows.push(ask("GET http://example.com/v1/texts/a?int32Value=1"));
    rows.push(ask("GET v1/texts/a"));
    rows.push(ask("GET ?int32Value=1"));
    rows.push(ask("GET /v1/texts/a#fragment"));
    rows.push(ask("GET /v1/texts/é"));
    rows.push(ask("GET /v1/everything?stringValue=é"));
    rows.push(ask("GET /v1/texts/a\"b<c>d"));
    rows.push(ask("GET /v1/texts/a{b}c|d\\e^f`g"));
    rows.push(ask("GET /v1/texts/[a]"));
    rows
}

const CONTENT_TYPES: [&str; 14] = [
    "application/json",
    "Application/JSON",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "application/json; charset=latin1",
    "application/json ; a=b",
    "application/json,text/plain",
    "application/jsonp",
    "application/vnd.api+json",
    "text/plain",
    "text/json",
    "application/x-www-form-urlencoded",
    "*/*",
    "application/grpc",
];
