//! Random bodies, messages, credentials and paths. Separate from the tables because it asserts less of each answer:
//! that the answer is a documented one, in the shape of its dialect, and that no account is left incomplete.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Uri};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tonic::Code;

use countersign::pb::{LoginRequest, RegisterRequest, login_request, register_request};

use super::POSTS;
use countersign::store::AccountPage;

use crate::support::app::request;
use crate::support::{Answer, TestApp};

/// Runs `case` on one app with as many values as take a second or two. Afterwards every acknowledged account must exist
/// and be complete, and no other may exist. `case` returns how many accounts it registered.
fn throw<S: Strategy>(cases: u32, strategy: &S, case: impl AsyncFn(&TestApp, S::Value) -> usize) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::start());
    let registered = std::cell::Cell::new(0);
    // A smaller input meets the accounts of the larger one, so a long search for it is of little use.
    let config = ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 32, ..ProptestConfig::default() };
    let run = TestRunner::new(config).run(strategy, |value| {
        registered.set(registered.get() + runtime.block_on(case(&app, value)));
        Ok(())
    });
    if let Err(failure) = run {
        panic!("{failure}");
    }
    let stored = runtime.block_on(async {
        let all = AccountPage { limit: u32::MAX, ..AccountPage::default() };
        app.operator().await.list(&all).await.unwrap().found.len()
    });
    assert_eq!(stored, registered.get(), "what was acknowledged is stored, and nothing else");
    stored
}

/// Asserts that the status is below 500, and that an error is JSON of the dialect's shape.
#[track_caller]
fn assert_documented(path: &str, answer: &Answer) {
    let status = answer.status.as_u16();
    assert!(status < 500, "{path}: {answer:?}");
    if status < 300 {
        return;
    }
    assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
    assert_eq!(answer.header("token"), None, "{path}");
    let body = answer.json();
    let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    if path == "/auth" || path.starts_with("/auth/") {
        assert_eq!(keys, ["detail", "error_code", "error"], "{path}");
        assert_eq!(body["error"], body["error_code"], "{path}");
        assert_eq!(body["detail"].is_array(), status == 422, "{path}: {body}");
    } else {
        assert_eq!(keys, ["statusCode", "error", "message"], "{path}");
        assert_eq!(body["statusCode"], json!(status), "{path}");
        assert!(body["message"].is_string(), "{path}");
    }
}

/// Texts: likely ones, unlikely ones, and those that are known to break servers.
fn text() -> impl Strategy<Value = String> {
    let notorious = [
        "",
        " ",
        "\0",
        "ali\0ce",
        "\u{feff}alice",
        "al\u{200b}ice",
        "\u{202e}ecila",
        "İİİİİ",
        "ﬀﬀﬀ",
        "ǅǅǅ",
        "e\u{301}e\u{301}e",
        "\u{344}\u{344}\u{344}",
        "null",
        "undefined",
        "{}",
        "' or 1=1 --",
        "${jndi:x}",
        "%s%n",
        "../..",
        "alice\r\nToken: x",
        "\u{10ffff}\u{fdd0}x",
        "a@b.cd",
        "\"a b\"@c.de",
        "a@[127.0.0.1]",
        "a@xn--.com",
        "@",
        "a@@b.cd",
        "a@b..cd",
    ];
    prop_oneof![
        4 => "[a-zA-Z]{3,15}",
        4 => "[a-zA-Z.+]{1,9}@[a-z-]{1,9}\\.(com|org)",
        3 => "\\PC{5,40}",
        3 => any::<String>(),
        2 => select(notorious.map(str::to_owned).to_vec()),
        1 => select(vec!["x".repeat(1_024), "x".repeat(1_025), "é".repeat(512), "\u{344}".repeat(400), "x".repeat(65_000)]),
    ]
}

/// Random JSON values of every kind.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Text that is JSON or nearly so.
fn written() -> impl Strategy<Value = String> {
    let raw = [
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#""\u0000""#,
        r#""\u202e""#,
        "1e999",
        "-0",
        "1e-999",
        "00",
        "NaN",
        "tru",
        "\"",
        "",
        "123456789012345678901234567890123456789012345678901234567890",
    ];
    prop_oneof![
        12 => text().prop_map(|text| Value::from(text).to_string()),
        3 => value().prop_map(|value| value.to_string()),
        1 => select(raw.map(str::to_owned).to_vec()),
        1 => (0..300_usize).prop_map(|depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth))),
    ]
}

/// The text of an object with these keys or others, some of them twice.
fn object() -> impl Strategy<Value = String> {
    let known = || select(vec!["username", "password", "email", "name", "firm_name"]).prop_map(str::to_owned);
    let key = prop_oneof![9 => known(), 1 => text()];
    let entries = |entries: Vec<(String, String)>| {
        let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{}:{value}", json!(key))).collect();
        format!("{{{}}}", entries.join(","))
    };
    let whole = |keys: &'static [&'static str]| {
        vec(written(), keys.len())
            .prop_map(move |values| keys.iter().map(ToString::to_string).zip(values).collect::<Vec<_>>())
    };
    prop_oneof![
        2 => whole(&["username", "password"]),
        3 => whole(&["email", "password", "name", "firm_name"]),
        2 => vec((key, written()), 0..7),
    ]
    .prop_map(entries)
}

/// Bodies: objects, damaged objects, other JSON, and bytes that are no JSON.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let spoilt = (object(), any::<prop::sample::Index>(), any::<Option<u8>>()).prop_map(|(object, index, byte)| {
        let mut bytes = object.into_bytes();
        let index = index.index(bytes.len());
        match byte {
            Some(byte) => bytes[index] = byte,
            None => bytes.truncate(index),
        }
        bytes
    });
    prop_oneof![
        8 => object().prop_map(String::into_bytes),
        2 => spoilt,
        1 => value().prop_map(|value| value.to_string().into_bytes()),
        1 => vec(any::<u8>(), 0..300),
    ]
}

#[test]
fn no_body_is_too_strange_and_who_was_registered_can_log_in() {
    let stored = throw(512, &body(), async |app, body| {
        let mut registered = 0;
        for path in POSTS {
            let post = async |path: &str| {
                let headers = [("content-type", "application/json")];
                let answer = app.send(request(Method::POST, path, &headers, Body::from(body.clone()))).await;
                assert_documented(path, &answer);
                answer
            };
            if post(path).await.status.is_success() && path.ends_with("register") {
                registered += 1;
                let login = post(&path.replace("register", "login")).await;
                assert_eq!(login.status, 200, "acknowledged at {path}: {login:?}");
            }
        }
        registered
    });
    assert!(stored > 0, "none of them was good: that says little");
}

#[test]
fn no_message_is_too_strange_and_who_was_registered_can_log_in() {
    let strategy = (any::<Option<bool>>(), [text(), text(), text(), text()]);
    let stored = throw(512, &strategy, async |app, (kind, [handle, password, name, firm_name])| {
        use {login_request::Handle as Login, register_request::Handle as Register};
        let by_name = kind == Some(true);
        let (register, login) = match kind {
            Some(true) => (Some(Register::Username(handle.clone())), Some(Login::Username(handle))),
            Some(false) => (Some(Register::Email(handle.clone())), Some(Login::Email(handle))),
            None => (None, None),
        };
        // A username account has no name and no firm. Half of the cases leave both out, so that some succeed.
        let (name, firm_name) = if by_name && name.len() % 2 == 0 { Default::default() } else { (name, firm_name) };
        let login = LoginRequest { handle: login, password: password.clone(), device: String::new() };
        let code = app.grpc().login(login.clone()).await.map_or_else(|status| status.code(), |_| Code::Ok);
        let documented = [Code::InvalidArgument, Code::Unauthenticated, Code::OutOfRange];
        assert!(code == Code::Ok || documented.contains(&code), "Login: {code:?}");
        match app.grpc().register(RegisterRequest { handle: register, password, name, firm_name }).await {
            Ok(_) => {
                app.grpc().login(login).await.expect("acknowledged");
                1
            }
            Err(status) => {
                let documented = [Code::InvalidArgument, Code::AlreadyExists, Code::OutOfRange];
                assert!(documented.contains(&status.code()), "Register: {status:?}");
                0
            }
        }
    });
    assert!(stored > 0, "none of them was good: that says little");
}

#[test]
fn no_bytes_in_place_of_a_message_are_too_strange() {
    let field = (1..7_u32, text()).prop_map(|(tag, text)| {
        let mut bytes = Vec::new();
        prost::encoding::string::encode(tag, &text, &mut bytes);
        bytes
    });
    let message = prop_oneof![vec(any::<u8>(), 0..100), vec(field, 0..6).prop_map(|fields| fields.concat())];
    let framed =
        (message, prop_oneof![9 => Just(0_u8), 1 => any::<u8>()], prop_oneof![9 => Just(0_i64), 1 => -2..3_i64])
            .prop_map(|(message, flag, off_by)| {
                let length = u32::try_from((message.len() as i64 + off_by).max(0)).unwrap();
                [&[flag][..], &length.to_be_bytes(), &message].concat()
            });
    let path = select(vec!["Register", "Login", "Me", "Logout"]);
    let strategy = (path, prop_oneof![9 => framed, 1 => vec(any::<u8>(), 0..40)], any::<bool>());
    throw(512, &strategy, async |app, (method, body, web)| {
        let path = format!("/countersign.v1.AuthService/{method}");
        let kind = if web { "application/grpc-web" } else { "application/grpc" };
        let mut call = request(Method::POST, &path, &[("content-type", kind)], Body::from(body));
        *call.version_mut() = http::Version::HTTP_2;
        let answer = app.send(call).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let code = answer.header("grpc-status").map(|code| Code::from_bytes(code.as_bytes()));
        let message = answer.header("grpc-message").unwrap_or_default();
        match code {
            // The call succeeded by chance: its status is in the trailers.
            None => return usize::from(method == "Register"),
            Some(Code::InvalidArgument | Code::AlreadyExists | Code::Unauthenticated | Code::OutOfRange) => {}
            // gRPC answers INTERNAL to bytes that are no message. The text of a defect of ours begins with "internal".
            Some(Code::Internal) => assert!(!message.starts_with("internal"), "{method}: {message}"),
            Some(code) => panic!("{method}: {code:?} {message}"),
        }
        0
    });
}

#[test]
fn no_credential_is_too_strange_to_be_refused() {
    let bytes = prop_oneof![
        any::<String>().prop_map(String::into_bytes),
        vec(any::<u8>(), 0..200),
        "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,50}".prop_map(String::into_bytes),
        "(Bearer|bearer|Basic|) ?\\PC{0,40}".prop_map(String::into_bytes),
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{43}".prop_map(String::into_bytes),
    ];
    let header = (select(vec!["token", "authorization"]), bytes);
    throw(512, &vec(header, 0..4), async |app, headers| {
        for (method, path) in
            [("GET", "/api/auth/me"), ("GET", "/auth/me"), ("POST", "/auth/refresh"), ("POST", "/auth/logout")]
        {
            let mut call = request(Method::from_bytes(method.as_bytes()).unwrap(), path, &[], Body::empty());
            for (name, value) in &headers {
                if let Ok(value) = HeaderValue::from_bytes(value) {
                    call.headers_mut().append(HeaderName::from_static(name), value);
                }
            }
            let answer = app.send(call).await;
            assert_eq!(answer.status, 401, "{path}");
            assert_documented(path, &answer);
        }
        0
    });
}

#[test]
fn no_path_is_too_strange() {
    let path = prop_oneof![
        "/[!-~]{0,40}",
        "/(api/)?auth/[a-z%0-9./]{0,12}",
        "/[a-z.]{1,9}/[A-Za-z]{0,9}",
        "(//|/\\.\\./)?(api/)?auth/(me|login|register|logout|refresh)[/?;#]?",
    ];
    let method =
        select(vec![Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::from_bytes(b"BREW").unwrap()]);
    let kind = prop_oneof!["[ -~]{0,30}", select(vec!["application/json", "application/grpc"]).prop_map(str::to_owned)];
    throw(512, &(path, method, kind, body()), async |app, (path, method, kind, body)| {
        let Ok(uri) = path.parse::<Uri>() else { return 0 };
        let (path, grpc_web) = (uri.path().to_owned(), kind.starts_with("application/grpc-web"));
        let answer = app.send(request(method, &uri.to_string(), &[("content-type", &kind)], Body::from(body))).await;
        if !grpc_web {
            assert_documented(&path, &answer);
        }
        usize::from(answer.status.is_success() && path.ends_with("register"))
    });
}
