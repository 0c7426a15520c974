//! Differences of HTTP, before any rule applies: content types, methods, request lines.

use super::Difference;
use crate::differ::{equal, same_values};

pub const LIST: &[Difference] = &[
    Difference {
        name: "a method that the path does not take is 405, not 501",
        because: "RFC 9110 section 15.5.6: 405 is for a method that this resource does not support, 501 for one that no \
                  resource does. The code, UNIMPLEMENTED, is the same",
        applies: |case| case.statuses(405, 501) && case.has_other_methods_only() && case.ours.header("allow").is_some(),
    },
    Difference {
        name: "HEAD is answered where GET is",
        because: "RFC 9110 section 9.1: all general-purpose servers must support GET and HEAD",
        applies: |case| {
            case.asked.method == "HEAD"
                && case.has_other_methods_only()
                && matches!(case.ours.status, 200 | 400)
                && case.ours.body.is_empty()
        },
    },
    Difference {
        name: "OPTIONS tells the methods",
        because: "RFC 9110 section 9.3.7",
        applies: |case| {
            case.asked.method == "OPTIONS"
                && case.statuses(204, 501)
                && case.ours.header("allow").is_some_and(|allow| allow.contains("OPTIONS"))
        },
    },
    Difference {
        name: "OPTIONS of the whole server is no path",
        because: "Go's HTTP server answers `OPTIONS *` itself; there is no resource to tell the methods of",
        applies: |case| {
            case.asked.method == "OPTIONS" && case.asked.target == "*" && matches!(case.ours.status, 400..500)
        },
    },
    Difference {
        name: "a body that is not declared to be JSON is 415",
        because: "RFC 9110 section 15.5.16; the gateway reads every content type that it does not know as JSON, which lets a \
                  page of another origin send one without asking first",
        applies: |case| {
            let essence = case.asked.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
            case.ours.status == 415
                && matches!(case.gateway.status, 200 | 400)
                && !case.asked.body_text().is_empty()
                && !essence.trim().eq_ignore_ascii_case("application/json")
        },
    },
    Difference {
        name: "a body over 64 KiB is 413",
        because: "our limit, which the gateway leaves to the gRPC server",
        applies: |case| case.statuses(413, 200) && case.asked.body.as_ref().is_some_and(|body| body.len() > 65_536),
    },
    Difference {
        name: "a stream is declared as lines of JSON",
        because: "application/json is one JSON value; the bytes are the same",
        applies: |case| {
            // The gateway declares no content type for an answer without lines.
            case.ours.content_type() == "application/x-ndjson"
                && (case.gateway.content_type() == "application/json" || case.gateway.body.is_empty())
                && case.ours.status == case.gateway.status
                && case.ours.header("token") == case.gateway.header("token")
                && same_values(case.ours, case.gateway).is_ok()
        },
    },
    Difference {
        name: "a stream that fails before its first message is answered as any failure",
        because: "the status is not sent yet, and a client should not have to look for one error in two places. The gateway \
                  has the same HTTP status, and the same status within `{\"error\": …}`",
        applies: |case| {
            let within = case.gateway.value().and_then(|value| value.get("error").cloned());
            case.ours.status == case.gateway.status
                && case.ours.status >= 400
                && case.ours.value().zip(within).is_some_and(|(ours, gateway)| equal(&ours, &gateway))
        },
    },
    Difference {
        name: "a failed call gives its fresh token, too",
        because: "our protos promise it in the metadata of every authenticated answer. gRPC sends that of a failure in one \
                  block with its trailers, where the gateway does not look for headers",
        applies: |case| {
            case.ours.status == case.gateway.status
                && case.ours.status >= 400
                && case.ours.header("token").is_some()
                && case.gateway.header("token").is_none()
                && case.ours.value().zip(case.gateway.value()).is_some_and(|(ours, gateway)| equal(&ours, &gateway))
        },
    },
    Difference {
        name: "a malformed escape is refused in JSON",
        because: "Go's HTTP server refuses the request line before the gateway sees it, in plain text; the status is the same",
        applies: |case| {
            case.has_malformed_escape()
                && case.statuses(400, 400)
                && case.ours.code() == Some(3)
                && case.gateway.content_type() == "text/plain"
        },
    },
    Difference {
        name: "bytes in a path that are no UTF-8 are the client's mistake",
        because: "the gateway calls with a string that is none, which its own gRPC client refuses as INTERNAL",
        applies: |case| case.statuses(400, 500) && case.gateway.message().contains("invalid UTF-8"),
    },
    Difference {
        name: "a request line with characters that a URI has not is refused",
        because: "RFC 9112 section 3.2: a recipient should respond with 400; hyper does, Go's server takes some of them",
        applies: |case| {
            case.statuses(400, 200)
                && case.ours.body.is_empty()
                && case.asked.target.contains(['"', '<', '>', '\\', '^', '`', '{', '|', '}'])
        },
    },
    Difference {
        name: "a request line that is none is refused without a word",
        because: "each side's HTTP server does so itself, with 400: ours without a body, Go's with a plain text",
        applies: |case| {
            let is_none = !case.asked.target.starts_with('/') || case.asked.method == "HEAD";
            is_none
                && case.statuses(400, 400)
                && case.ours.body.is_empty()
                && case.gateway.content_type() == "text/plain"
        },
    },
    Difference {
        name: "a fragment in a request line is cut off",
        because: "RFC 9112 section 3.2.1: a request target has none; hyper drops it, Go's server takes it for text",
        applies: |case| case.statuses(200, 200) && case.asked.target.contains('#'),
    },
    Difference {
        name: "a grpc-timeout has one to eight digits",
        because: "gRPC over HTTP/2: TimeoutValue is a positive integer of at most 8 digits; the gateway counts none, and takes \
                  an empty header for none",
        applies: |case| {
            let is_none = |timeout: &str| timeout.is_empty() || timeout.len() > 9;
            case.statuses(400, 200) && case.asked.header("grpc-timeout").is_some_and(is_none)
        },
    },
];
