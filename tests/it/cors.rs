//! CORS: which origins may call, and what they may read. Allowed origins can read the `Token` header; other origins get
//! no CORS headers.

use axum::body::Body;
use http::Method;
use prost::Message as _;
use serde_json::json;

use countersign::pb::{LoginRequest, login_request};

use crate::support::app::request;
use crate::support::{Answer, PASSWORD, TestApp};
use crate::wire;

const ROUTES: [(&str, &str); 13] = [
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/register"),
    ("GET", "/api/auth/me"),
    ("POST", "/auth/login"),
    ("POST", "/auth/register"),
    ("POST", "/auth/refresh"),
    ("POST", "/auth/logout"),
    ("GET", "/auth/me"),
    ("PUT", "/api/auth/password"),
    ("POST", "/auth/verify"),
    ("POST", "/auth/password/change"),
    ("GET", "/auth/invitations"),
    ("DELETE", "/auth/invitations/01a20214-2854-7c86-8e65-140f30e53abc"),
];

/// The headers that a page may read of every answer.
const WITHOUT_TOKEN: &str =
    "Retry-After, request-id, device, WWW-Authenticate, grpc-status, grpc-message, grpc-status-details-bin";

/// The headers that a page may read of an answer with a fresh token.
const WITH_TOKEN: &str =
    "Token, Retry-After, request-id, device, WWW-Authenticate, grpc-status, grpc-message, grpc-status-details-bin";

/// The preflight that a browser sends before `method` with `headers` from `origin`.
async fn preflight(app: &TestApp, path: &str, origin: &str, method: &str, headers: &str) -> Answer {
    let asked =
        [("origin", origin), ("access-control-request-method", method), ("access-control-request-headers", headers)];
    app.send(request(Method::OPTIONS, path, &asked, Body::empty())).await
}

/// The call of a page at `origin` with a token, as the documented client makes it.
async fn simple(app: &TestApp, origin: &str, token: &str) -> Answer {
    app.get("/api/auth/me", &[("origin", origin), ("token", token)]).await
}

/// The CORS headers of an answer.
fn access_control(answer: &Answer) -> Vec<(&str, &str)> {
    answer.telling_headers().into_iter().filter(|(name, _)| name.starts_with("access-control-")).collect()
}

/// The elements of a list header, sorted and in lower case.
fn list(answer: &Answer, name: &str) -> Vec<String> {
    let mut parts: Vec<_> =
        answer.header(name).unwrap_or_default().split(',').map(|part| part.trim().to_ascii_lowercase()).collect();
    parts.sort_unstable();
    parts
}

#[track_caller]
fn assert_allowed(name: &str, simple: &Answer, preflight: &Answer, origin: &str, credentials: bool) {
    let mut expected = vec![("access-control-allow-origin", origin), ("access-control-expose-headers", WITH_TOKEN)];
    if credentials {
        expected.insert(0, ("access-control-allow-credentials", "true"));
    }
    expected.sort_unstable();
    assert_eq!((simple.status.as_u16(), access_control(simple)), (204, expected), "{name}");
    // A cache must not give one origin's answer to another.
    assert!(list(simple, "vary").contains(&"origin".to_owned()), "{name}");

    assert!(preflight.status.is_success() && preflight.body.is_empty(), "{name}");
    assert_eq!(preflight.header("access-control-allow-origin"), Some(origin), "{name}");
    assert_eq!(
        list(preflight, "access-control-allow-methods"),
        ["delete", "get", "head", "patch", "post", "put"],
        "{name}"
    );
    assert_eq!(preflight.header("access-control-max-age"), Some("3600"), "{name}");
    assert!(list(preflight, "vary").contains(&"origin".to_owned()), "{name}");
}

#[track_caller]
fn assert_stranger(name: &str, simple: &Answer, preflight: &Answer) {
    assert_eq!(access_control(simple), [], "{name}");
    assert_eq!(access_control(preflight), [], "{name}");
    assert!(preflight.body.is_empty(), "{name}");
}

/// Calls from each origin. The `allowed` origins must be allowed, and the `strangers` must get no CORS headers.
async fn judge(flags: &[&str], credentials: bool, allowed: &[&str], strangers: &[&str]) {
    let app = TestApp::with(flags).await;
    let token = app.sign_in_username("alice").await;
    for origin in allowed {
        let preflight = preflight(&app, "/api/auth/me", origin, "GET", "token").await;
        assert_allowed(origin, &simple(&app, origin, &token).await, &preflight, origin, credentials);
    }
    for origin in strangers {
        let preflight = preflight(&app, "/api/auth/me", origin, "GET", "token").await;
        assert_stranger(origin, &simple(&app, origin, &token).await, &preflight);
    }
}

#[tokio::test]
async fn this_machine_is_allowed_on_any_port_unless_the_setting_says_otherwise() {
    let allowed = [
        "http://localhost",
        "http://localhost:3000",
        "http://localhost:5173",
        "https://localhost:8443",
        "http://127.0.0.1:3000",
        "https://127.0.0.1:8443",
        "http://[::1]:3000",
    ];
    let strangers = [
        "https://app.example.com",
        "http://localhost.evil.com",
        "http://localhost:3000.evil.com",
        "http://localhost:3000@evil.com",
        "http://localhost:evil.com",
        "http://evil-localhost",
        "http://evil.com/localhost",
        "http://127.0.0.1.evil.com",
        "http://127.0.0.11",
        "http://[::1].evil.com",
        "ftp://localhost",
        "localhost:3000",
        "file://",
        "null",
        "",
        "*",
    ];
    judge(&[], true, &allowed, &strangers).await;
}

#[tokio::test]
async fn the_setting_lists_who_is_allowed_and_nobody_else_is() {
    let flag = "--cors-allowed-origins=https://app.example.com,http://dev.example.com:8080";
    let strangers = [
        "http://localhost:3000",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.com",
        "https://evil.app.example.com",
        "https://app.example.co",
        "http://dev.example.com",
        "null",
    ];
    judge(&[flag], true, &["https://app.example.com", "http://dev.example.com:8080"], &strangers).await;
    judge(
        &["--cors-allowed-origins=localhost,https://a.example"],
        true,
        &["http://localhost:1", "https://a.example"],
        &["https://b.example"],
    )
    .await;
}

#[tokio::test]
async fn a_star_allows_every_origin_and_no_credentials() {
    judge(&["--cors-allowed-origins=*"], false, &["https://app.example.com", "http://localhost:3000", "null"], &[])
        .await;
}

#[tokio::test]
async fn the_documented_clients_pass_a_preflight_of_every_route() {
    let app = TestApp::start().await;
    let origin = "http://localhost:3000";
    for (method, path) in ROUTES {
        for headers in ["token", "authorization", "content-type", "content-type,token", "authorization,content-type"] {
            let answer = preflight(&app, path, origin, method, headers).await;
            let name = format!("{method} {path} with {headers}");
            assert!(answer.status.is_success(), "{name}");
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "{name}");
            let (methods, allowed) =
                (list(&answer, "access-control-allow-methods"), list(&answer, "access-control-allow-headers"));
            assert!(methods.contains(&method.to_ascii_lowercase()), "{name}");
            assert!(headers.split(',').all(|header| allowed.contains(&header.to_owned())), "{name}");
            assert_eq!(
                (answer.header("token"), answer.header("access-control-expose-headers")),
                (None, None),
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn an_allowed_page_may_read_a_refusal_but_is_promised_no_token() {
    let app = TestApp::start().await;
    let origin = "http://localhost:3000";
    let expected = [
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-origin", origin),
        ("access-control-expose-headers", WITHOUT_TOKEN),
    ];
    for (method, path) in ROUTES {
        let headers = [("origin", origin), ("content-type", "application/json")];
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = app.send(request(method, path, &headers, Body::from("{}"))).await;
        assert!(answer.status.is_client_error(), "{path}");
        assert_eq!((access_control(&answer), answer.header("token")), (expected.into(), None), "{path}");
    }
    let answer = app.get("/nowhere", &[("origin", origin)]).await;
    assert_eq!((answer.status.as_u16(), access_control(&answer)), (404, expected.into()), "unknown paths too");
    let stranger = app.get("/nowhere", &[("origin", "https://evil.com")]).await;
    assert_eq!((stranger.status.as_u16(), access_control(&stranger)), (404, vec![]));
}

#[tokio::test]
async fn success_without_authentication_promises_no_token_either() {
    let app = TestApp::start().await;
    let origin = "http://localhost:3000";
    let expected = [
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-origin", origin),
        ("access-control-expose-headers", WITHOUT_TOKEN),
    ];
    let alice = json!({ "username": "alice", "password": PASSWORD });
    let ada = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada", "firm_name": "Engines" });
    for (path, body) in
        [("/api/auth/register", &alice), ("/api/auth/login", &alice), ("/auth/register", &ada), ("/auth/login", &ada)]
    {
        let answer = app.post_with(path, &[("origin", origin)], body).await;
        assert!(answer.status.is_success(), "{path}");
        assert_eq!((access_control(&answer), answer.header("token")), (expected.into(), None), "{path}");
    }
}

#[tokio::test]
async fn native_grpc_shows_the_token_to_a_page_behind_a_proxy_that_translates_grpc_web() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let reply = wire::me(&app, &[("token", &token), ("origin", "http://localhost:3000")]).await;
    assert!(reply.token().is_some());
    assert_eq!(reply.headers["access-control-allow-origin"], "http://localhost:3000");
    assert_eq!(reply.headers["access-control-expose-headers"], WITH_TOKEN);
    let stranger = wire::me(&app, &[("token", &token), ("origin", "https://evil.com")]).await;
    assert!(!stranger.headers.contains_key("access-control-expose-headers"));
}

#[tokio::test]
async fn grpc_web_shows_the_token_and_the_status_to_allowed_pages_only() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let handle = Some(login_request::Handle::Username("alice".to_owned()));
    let login = LoginRequest { handle, password: "n0t her pass".to_owned(), device: String::new() };
    let service = "/countersign.v1.AuthService";
    for (name, path, message, status) in [
        ("a success", format!("{service}/Me"), Vec::new(), None),
        ("a failure", format!("{service}/Login"), login.encode_to_vec(), Some("16")),
    ] {
        let mut frame = vec![0];
        frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        frame.extend(message);
        let call = async |origin: &str| {
            let headers = [
                ("origin", origin),
                ("content-type", "application/grpc-web+proto"),
                ("x-grpc-web", "1"),
                ("token", &token),
            ];
            app.send(request(Method::POST, &path, &headers, Body::from(frame.clone()))).await
        };
        let answer = call("http://localhost:3000").await;
        assert_eq!((answer.status.as_u16(), answer.header("grpc-status")), (200, status), "{name}");
        assert_eq!(answer.header("token").is_some(), status.is_none(), "{name}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:3000"), "{name}");
        let exposed = if status.is_none() { WITH_TOKEN } else { WITHOUT_TOKEN };
        assert_eq!(answer.header("access-control-expose-headers"), Some(exposed), "{name}");
        assert_eq!(access_control(&call("https://evil.com").await), [], "{name}");
        let preflight = preflight(&app, &path, "http://localhost:3000", "POST", "content-type,token,x-grpc-web").await;
        let allowed = list(&preflight, "access-control-allow-headers");
        for header in ["content-type", "token", "authorization", "x-grpc-web", "x-user-agent", "grpc-timeout"] {
            assert!(allowed.contains(&header.to_owned()), "{name}: {header}");
        }
    }
}

#[tokio::test]
async fn a_page_may_send_whatever_it_asks_to_send_but_what_only_proxies_set_and_a_stranger_nothing() {
    let app = TestApp::start().await;
    let origin = "http://localhost:3000";
    let traced = "authorization,baggage,content-type,sentry-trace,traceparent,tracestate,x-b3-traceid";
    let allowed = async |asked: &str| {
        let preflight = preflight(&app, "/auth/login", origin, "POST", asked).await;
        assert!(preflight.status.is_success() && preflight.body.is_empty(), "{asked}");
        let vary = list(&preflight, "vary");
        // The allowed methods are the same for every origin.
        assert_eq!(vary, ["access-control-request-headers", "origin"], "{asked}");
        list(&preflight, "access-control-allow-headers")
    };
    let ours = ["authorization", "content-type", "device", "grpc-timeout", "token", "x-grpc-web", "x-user-agent"];
    let found = allowed(traced).await;
    assert!(traced.split(',').all(|name| found.contains(&name.to_owned())), "{found:?}");
    assert_eq!(allowed("").await, ours);
    // Header names are accepted in any case and with spaces, although browsers send neither.
    assert!(allowed("Traceparent , X-Custom").await.contains(&"x-custom".to_owned()));
    for asked in [
        "forwarded,x-forwarded-for,x-forwarded-host,X-Forwarded-Anything,x-real-ip,x-auth-user,x-auth-request-email",
        "no name,tab\there,colon:,(",
        ",,,",
    ] {
        assert_eq!(allowed(asked).await, ours, "{asked}");
    }
    let many = (0..1_000).map(|n| format!("x-{n}")).collect::<Vec<_>>().join(",");
    assert_eq!(allowed(&many).await.len(), ours.len() + 64);

    let stranger = preflight(&app, "/auth/login", "https://evil.com", "POST", traced).await;
    assert_eq!(access_control(&stranger), []);
}

#[tokio::test]
async fn the_setting_lists_which_further_headers_a_page_may_send() {
    let app = TestApp::with(&["--cors-allow-headers=traceparent,baggage"]).await;
    let answer = preflight(&app, "/auth/me", "http://localhost:1", "GET", "token,traceparent,x-other").await;
    let found = list(&answer, "access-control-allow-headers");
    assert!(["token", "traceparent", "baggage"].iter().all(|name| found.contains(&(*name).to_owned())), "{found:?}");
    assert!(!found.contains(&"x-other".to_owned()), "{found:?}");
}

#[tokio::test]
async fn a_page_reads_how_a_call_ended_and_its_id_of_every_answer() {
    let app = TestApp::with(&["--login-failures-per-address=1"]).await;
    let origin = ("origin", "http://localhost:3000");
    let wrong = json!({ "email": "ada@example.com", "password": "n0t her pass" });
    for (name, expected) in [("a failure", "www-authenticate"), ("too many", "retry-after")] {
        let answer = app.post_with("/auth/login", &[origin], &wrong).await;
        let exposed = list(&answer, "access-control-expose-headers");
        assert!(exposed.contains(&expected.to_owned()) && exposed.contains(&"request-id".to_owned()), "{name}");
        assert!(!exposed.contains(&"token".to_owned()), "{name}");
    }
    assert_eq!(app.get("/nowhere", &[]).await.header("access-control-expose-headers"), None, "nobody asked");
}
