//! The examples of `google/api/http.proto`, word for word: each request with the message that the text describes. Only
//! ours is checked against them, because the text decides and not the other transcoder.

use serde_json::{Value, json};

use crate::raw::Asked;
use crate::sides::Sides;

/// Checks every example, and the rules in the text beside them.
pub async fn examples(sides: &Sides) {
    let examples = examples_of_the_text();
    for (asked, rpc, message) in &examples {
        let (ours, _) = sides.ask(asked).await;
        assert_eq!((ours.status, ours.header("token")), (200, Some(*rpc)), "{asked}\n{ours}");
        assert_eq!(ours.value().as_ref(), Some(message), "{asked}");
    }
    for asked in refusals_of_the_text() {
        let (ours, _) = sides.ask(&asked).await;
        assert!((400..500).contains(&ours.status), "{asked}\n{ours}");
    }
    println!("{} examples", examples.len());
}

/// The requests of the examples, for the comparison with the other transcoder.
pub fn rows() -> Vec<Asked> {
    let examples = examples_of_the_text().into_iter().map(|(asked, _, _)| asked);
    examples.chain(refusals_of_the_text()).collect()
}

fn examples_of_the_text() -> Vec<(Asked, &'static str, Value)> {
    let text = || json!({ "text": "Hi!" }).to_string();
    vec![
        // "HTTP: `GET /v1/messages/123456`, gRPC: `GetMessage(name: "messages/123456")`"
        (Asked::new("resource_name", "GET /v1/messages/123456"), "GetMessage", json!({ "name": "messages/123456" })),
        // "GetMessage(message_id: "123456" revision: 2 sub: SubMessage(subfield: "foo"))"
        (
            Asked::new("query", "GET /v1/messages/123456?revision=2&sub.subfield=foo"),
            "GetMessage",
            json!({ "messageId": "123456", "revision": "2", "sub": { "subfield": "foo" } }),
        ),
        // "UpdateMessage(message_id: "123456" message { text: "Hi!" })"
        (
            Asked::new("body_field", "PATCH /v1/messages/123456").with_body(text()),
            "UpdateMessage",
            json!({ "messageId": "123456", "message": { "text": "Hi!" } }),
        ),
        // "UpdateMessage(message_id: "123456" text: "Hi!")"
        (
            Asked::new("body_star", "PATCH /v1/messages/123456").with_body(text()),
            "UpdateMessage",
            json!({ "messageId": "123456", "text": "Hi!" }),
        ),
        // "GetMessage(message_id: "123456")"
        (Asked::new("additional", "GET /v1/messages/123456"), "GetMessage", json!({ "messageId": "123456" })),
        // "GetMessage(user_id: "me" message_id: "123456")"
        (
            Asked::new("additional", "GET /v1/users/me/messages/123456"),
            "GetMessage",
            json!({ "userId": "me", "messageId": "123456" }),
        ),
        // "get: /v1/messages/{message_id}/{sub.subfield}"
        (
            Asked::new("selector", "GET /v1/messages/123456/foo"),
            "GetMessage",
            json!({ "messageId": "123456", "sub": { "subfield": "foo" } }),
        ),
        // "In the case of a repeated type, the parameter can be repeated in the URL as `...?param=A&param=B`."
        (Asked::new("echo", "GET /v1/everything?texts=A&texts=B"), "Get", json!({ "texts": ["A", "B"] })),
        // "In the case of a message type, each field of the message is mapped to a separate parameter"
        (
            Asked::new("echo", "GET /v1/everything?nested.name=A&nested.size=2&nested.deeper.label=C"),
            "Get",
            json!({ "nested": { "name": "A", "size": 2, "deeper": { "label": "C" } } }),
        ),
        // "`*` matches a single URL path segment. […] `**` matches zero or more URL path segments"
        (Asked::new("echo", "GET /v1/any/a/thing"), "Templates", json!({})),
        (Asked::new("echo", "GET /v1/rest"), "Templates", json!({})),
        (Asked::new("echo", "GET /v1/rest/a/b/c"), "Templates", json!({})),
        (Asked::new("echo", "GET /v1/files"), "Templates", json!({})),
        (Asked::new("echo", "GET /v1/files/a/b/c"), "Templates", json!({ "stringValue": "a/b/c" })),
        // "`{var}` is equivalent to `{var=*}`"
        (Asked::new("echo", "GET /v1/texts/a"), "Templates", json!({ "stringValue": "a" })),
        (Asked::new("echo", "GET /v1/stars/a"), "Templates", json!({ "stringValue": "a" })),
        // "`**` […] must be the last part of the URL path except the `Verb`"
        (Asked::new("echo", "GET /v1/files/a/b:verify"), "Verbs", json!({ "stringValue": "a/b" })),
        // "If a variable contains exactly one path segment, […] all characters except `[-_.~0-9a-zA-Z]` are
        // percent-encoded. The server side does the reverse decoding."
        (
            Asked::new("echo", "GET /v1/texts/-_.~%20%2F%3F%23%25%C3%A9%2f"),
            "Templates",
            json!({ "stringValue": "-_.~ /?#%é/" }),
        ),
        // "If a variable contains multiple path segments, such as `"{var=foo/*}"` or `"{var=**}"`, […] The server side
        // does the reverse decoding, except "%2F" and "%2f" are left unchanged."
        (
            Asked::new("echo", "GET /v1/shelves/a%2Fb%20%3F%2f"),
            "Templates",
            json!({ "stringValue": "shelves/a%2Fb ?%2f" }),
        ),
        (Asked::new("echo", "GET /v1/files/a%2Fb%20/c%2f"), "Templates", json!({ "stringValue": "a%2Fb /c%2f" })),
        // "The path variables must not capture the leading "/" character."
        (Asked::new("echo", "GET /top/a"), "Templates", json!({ "stringValue": "top/a" })),
        // "The custom pattern is used for specifying an HTTP method that is not included in the `pattern` field, such
        // as HEAD, or "*" to leave the HTTP method unspecified for this rule."
        (Asked::new("echo", "PURGE /v1/everything/a"), "Purge", json!({ "stringValue": "a" })),
        (Asked::new("echo", "REPORT /v1/methods/a"), "AnyMethod", json!({ "stringValue": "a" })),
        (Asked::new("echo", "GET /v1/methods/a"), "AnyMethod", json!({ "stringValue": "a" })),
        // "The name of the response field whose value is mapped to the HTTP response body."
        (
            Asked::new("echo", "POST /v1/answer/nested").with_body("{\"nested\": {\"name\": \"a\"}}"),
            "Answer",
            json!({ "name": "a" }),
        ),
        // "it can map the request or response body to a repeated field"
        (Asked::new("echo", "POST /v1/request/texts").with_body("[\"a\"]"), "Request", json!({ "texts": ["a"] })),
        (
            Asked::new("echo", "POST /v1/answer/texts").with_body("{\"texts\": [\"a\", \"b\"]}"),
            "Answer",
            json!(["a", "b"]),
        ),
    ]
}

fn refusals_of_the_text() -> Vec<Asked> {
    vec![
        // "when using `*` in the body mapping, it is not possible to have HTTP parameters"
        Asked::new("body_star", "PATCH /v1/messages/123456?text=a").with_body("{}"),
        // "Repeated message fields must not be mapped to URL query parameters"
        Asked::new("echo", "GET /v1/everything?nesteds.name=a"),
        // "`*` matches a single URL path segment"
        Asked::new("echo", "GET /v1/any/a/b/thing"),
        // "Fields referred by the path template. They are passed via the URL path."
        Asked::new("query", "GET /v1/messages/123456?message_id=7"),
    ]
}
