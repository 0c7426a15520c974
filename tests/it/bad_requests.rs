//! Every kind of bad input gets the documented error, and never a 5xx or a panic. The malformed inputs that we know are
//! in a table here; random inputs are in `fuzz`.

mod fuzz;

use axum::body::Body;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::app::request;
use crate::support::http::over_socket;
use crate::support::{Answer, PASSWORD, TestApp};

/// The routes of registration and login.
const POSTS: [&str; 4] = ["/api/auth/login", "/api/auth/register", "/auth/login", "/auth/register"];

/// Every other route that reads a body.
const MORE: [&str; 9] = [
    "/api/auth/password",
    "/auth/verify",
    "/auth/verify/resend",
    "/auth/password/forgot",
    "/auth/password/reset",
    "/auth/password/change",
    "/auth/email/change",
    "/auth/invitations",
    "/auth/invitations/accept",
];

/// The largest body that is read.
const MAX_BYTES: usize = 64 * 1_024;

/// The whole body of a refusal, in the dialect of the path.
fn error(path: &str, status: u16, code: &str, text: &str) -> Value {
    if path.starts_with("/auth/") {
        json!({ "detail": text, "error_code": code, "error": code })
    } else {
        let reason = StatusCode::from_u16(status).unwrap().canonical_reason().unwrap();
        json!({ "statusCode": status, "error": reason, "message": text })
    }
}

async fn post_bytes(app: &TestApp, path: &str, content_type: Option<&str>, body: impl Into<Body>) -> Answer {
    let headers: Vec<_> = content_type.map(|value| ("content-type", value)).into_iter().collect();
    app.send(request(Method::POST, path, &headers, body.into())).await
}

/// A JSON object of exactly this many bytes, valid except for one key.
fn object_of(bytes: usize) -> String {
    let empty =
        json!({ "username": "alice", "email": "ada@example.com", "password": PASSWORD, "padding": "" }).to_string();
    empty.replace("\"padding\":\"\"", &format!("\"padding\":\"{}\"", " ".repeat(bytes - empty.len())))
}

/// A body without a declared length.
fn streamed(text: &str) -> Body {
    let (mut sender, body) = http_body_util::channel::Channel::<bytes::Bytes>::new(text.len() / 1_000 + 1);
    for chunk in text.as_bytes().chunks(1_000) {
        assert!(sender.try_send(http_body::Frame::data(bytes::Bytes::copy_from_slice(chunk))).is_ok());
    }
    Body::new(body)
}

#[tokio::test]
async fn what_is_no_json_is_malformed() {
    let app = TestApp::start().await;
    let deep = format!("{{\"username\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    for (name, body) in [
        ("nothing", &b""[..]),
        ("white space", b" \n"),
        ("cut off", b"{\"username\":\"ali"),
        ("single quotes", b"{'username':'alice'}"),
        ("two objects", b"{}{}"),
        ("a comma too many", b"{\"username\":\"alice\",}"),
        ("a form", b"username=alice&password=s3cur3pass"),
        ("NaN", b"{\"username\":NaN}"),
        ("no UTF-8", b"{\"username\":\"\xff\xfe\"}"),
        ("UTF-8 that hides a dot", b"{\"username\":\"\xc0\xae\xc0\xae\xc0\xae\"}"),
        ("half a surrogate pair", b"{\"username\":\"\\ud800\"}"),
        ("a control character", b"{\"username\":\"ali\0ce\"}"),
        ("a number beyond all bounds", b"{\"username\":1e999}"),
        ("a byte order mark alone", b"\xef\xbb\xbf"),
        ("two byte order marks", b"\xef\xbb\xbf\xef\xbb\xbf{}"),
        ("UTF-16", b"\xff\xfe{\0}\0"),
        ("too deep", deep.as_bytes()),
    ] {
        for path in POSTS.into_iter().chain(MORE) {
            let answer = post_bytes(&app, path, Some("application/json"), body.to_vec()).await;
            let refused = error(path, 400, "malformed_json", "the body must be JSON in UTF-8");
            answer.assert(&format!("{path}: {name}"), 400, &[], &refused);
        }
    }
}

#[tokio::test]
async fn a_name_that_is_twice_in_an_object_of_a_body_is_refused_whichever_value_would_count() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    let login = format!(r#"{{"username":"alice","username":"alice","password":"{PASSWORD}"}}"#);
    let escaped = format!(r#"{{"username":"nobody","usern\u0061me":"alice","password":"{PASSWORD}"}}"#);
    let text = "the body must not have a name twice in one object";
    for (name, body) in [
        ("the same value", &*login),
        ("another value, by an escape", &*escaped),
        ("a field that nobody reads", r#"{"extra":1,"extra":2}"#),
        ("nested", r#"{"extra":[{"a":{"b":1,"b":2}}]}"#),
    ] {
        for path in POSTS.into_iter().chain(MORE) {
            let answer = post_bytes(&app, path, Some("application/json"), body.to_owned()).await;
            answer.assert(&format!("{path}: {name}"), 400, &[], &error(path, 400, "malformed_json", text));
        }
        let answer = post_bytes(&app, "/v1/sessions:login", Some("application/json"), body.to_owned()).await;
        answer.assert(&format!("/v1: {name}"), 400, &[], &json!({ "code": 3, "message": text }));
    }
}

#[tokio::test]
async fn a_byte_order_mark_before_the_json_makes_no_difference() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    let body = format!("\u{feff}{}", json!({ "username": "alice", "password": PASSWORD }));
    for path in ["/api/auth/login", "/v1/sessions:login"] {
        let answer = post_bytes(&app, path, Some("application/json"), body.clone()).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn a_body_may_have_64_kib_and_not_a_byte_more() {
    let app = TestApp::start().await;
    let (largest, too_large) = (object_of(MAX_BYTES), object_of(MAX_BYTES + 1));
    assert_eq!((largest.len(), too_large.len()), (MAX_BYTES, MAX_BYTES + 1));
    for path in POSTS.into_iter().chain(MORE) {
        let read = [Body::from(largest.clone()), streamed(&largest)];
        for (name, body) in ["declared", "streamed"].into_iter().zip(read) {
            let answer = post_bytes(&app, path, Some("application/json"), body).await;
            assert!([200, 400, 401, 422].contains(&answer.status.as_u16()), "{path}, {name}: {answer:?}");
            assert!(!answer.json().to_string().contains("malformed"), "{path}, {name}: it was read");
        }
        let refused = error(path, 413, "payload_too_large", "the body must have at most 65536 bytes");
        for (name, body) in [
            ("declared", Body::from(too_large.clone())),
            ("streamed", streamed(&too_large)),
            ("far too large", Body::from(vec![b' '; 1_000_000])),
        ] {
            let answer = post_bytes(&app, path, Some("application/json"), body).await;
            answer.assert(&format!("{path}, {name}"), 413, &[], &refused);
        }
    }
}

#[tokio::test]
async fn a_body_of_another_content_type_is_not_read() {
    let app = TestApp::start().await;
    let body = json!({ "username": "alice", "email": "ada@example.com", "password": PASSWORD }).to_string();
    for content_type in [
        None,
        Some(""),
        Some("text/plain"),
        Some("text/plain;charset=UTF-8"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=application/json"),
        Some("application/jsonp"),
        Some("application/json-patch+json"),
        Some("text/json"),
        Some("; application/json"),
    ] {
        for path in POSTS.into_iter().chain(MORE) {
            let answer = post_bytes(&app, path, content_type, body.clone()).await;
            let refused = error(path, 415, "unsupported_media_type", "the content type must be application/json");
            answer.assert(&format!("{path}: {content_type:?}"), 415, &[], &refused);
        }
    }
    for content_type in
        ["application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;v=1"]
    {
        let answer = post_bytes(&app, "/api/auth/login", Some(content_type), "{}").await;
        assert_eq!(answer.status, 422, "{content_type}: it was read");
    }
}

#[tokio::test]
async fn an_unknown_path_is_answered_in_the_dialect_it_belongs_to() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    for path in [
        "/",
        "/api",
        "/api/auth",
        "/api/auth/",
        "/api/auth/nothing",
        "/api/auth/me//",
        "/api//auth/me",
        "/AUTH/ME",
        "/auth/me/",
        "/api/auth/logout",
        "/auth/",
        "/auth/password",
        "/auth/email",
        "/auth/verify/",
        "/auth/invitations/",
        "/auth/invitations/a/b",
        "/auth/nothing",
        "/auth/login/more",
        "/auth//login",
        "/authority",
        "/%61uth/login",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let headers = [("token", &*token), ("content-type", "application/json")];
            let answer = app.send(request(method.clone(), path, &headers, Body::from("{}"))).await;
            let refused = error(path, 404, "not_found", "there is nothing at this path");
            answer.assert(&format!("{method} {path}"), 404, &[], &refused);
        }
    }
}

#[tokio::test]
async fn a_dot_alone_does_not_make_a_path_a_grpc_method() {
    let app = TestApp::start().await;
    for path in [
        "/favicon.ico",
        "/robots.txt",
        "/index.html",
        "/.well-known/security.txt",
        "/.env",
        "/v1.0/auth/me",
        "/..%2fauth/me",
    ] {
        for method in [Method::GET, Method::POST] {
            let answer = app.send(request(method.clone(), path, &[], Body::empty())).await;
            let refused = error(path, 404, "not_found", "there is nothing at this path");
            answer.assert(&format!("{method} {path}"), 404, &[], &refused);
        }
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_told_which_it_takes() {
    let app = TestApp::start().await;
    let only_post = ["/auth/refresh", "/auth/logout"];
    let paths = POSTS.into_iter().chain(only_post).map(|path| (path, "POST", Method::GET));
    let gets = ["/api/auth/me", "/auth/me", "/auth/page.js"].map(|path| (path, "GET,HEAD", Method::POST));
    // The routes of `MORE`, which take a POST. Some of these paths also serve a page.
    let more = [
        ("/api/auth/password", "PUT,POST", Method::GET),
        ("/auth/verify", "GET,HEAD,POST", Method::OPTIONS),
        ("/auth/verify/resend", "POST", Method::GET),
        ("/auth/password/forgot", "POST", Method::GET),
        ("/auth/password/reset", "GET,HEAD,POST", Method::OPTIONS),
        ("/auth/password/change", "POST", Method::GET),
        ("/auth/email/change", "POST", Method::GET),
        ("/auth/invitations", "GET,HEAD,POST", Method::OPTIONS),
        ("/auth/invitations/accept", "GET,HEAD,POST", Method::OPTIONS),
        ("/auth/invitations/01a20214-2854-7c86-8e65-140f30e53abc", "DELETE", Method::GET),
    ];
    for (path, allow, other) in paths.chain(gets).chain(more) {
        let others = [other, Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE];
        for method in others.into_iter().filter(|method| !allow.split(',').any(|allowed| allowed == method)) {
            let answer = app.send(request(method.clone(), path, &[], Body::empty())).await;
            let text = "this path does not take this method: see the Allow header";
            let refused = error(path, 405, "method_not_allowed", text);
            answer.assert(&format!("{method} {path}"), 405, &[("allow", allow)], &refused);
        }
    }
}

#[tokio::test]
async fn options_that_are_no_preflight_are_a_method_like_any_other() {
    let app = TestApp::start().await;
    for (path, status, code, text, headers) in [
        (
            "/auth/login",
            405,
            "method_not_allowed",
            "this path does not take this method: see the Allow header",
            &[("allow", "POST")][..],
        ),
        ("/nowhere", 404, "not_found", "there is nothing at this path", &[]),
    ] {
        let answer = app.send(request(Method::OPTIONS, path, &[], Body::empty())).await;
        answer.assert(path, status, headers, &error(path, status, code, text));
    }
}

#[tokio::test]
async fn a_refusal_over_a_real_connection_is_the_same() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    let json = [("content-type", "application/json")];
    for (name, method, path, body, status, code, text) in [
        ("malformed", Method::POST, "/auth/login", "{", 400, "malformed_json", "the body must be JSON in UTF-8"),
        ("unknown", Method::GET, "/auth/nothing", "", 404, "not_found", "there is nothing at this path"),
        (
            "too large",
            Method::POST,
            "/api/auth/login",
            &*object_of(MAX_BYTES + 1),
            413,
            "payload_too_large",
            "the body must have at most 65536 bytes",
        ),
    ] {
        let request = request(method, path, &json, Body::from(body.to_owned()));
        over_socket(served.address, request).await.assert(name, status, &[], &error(path, status, code, text));
    }
    served.stop().await;
}
