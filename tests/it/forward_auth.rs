//! `/v1/forward-auth/{policy}`, asked over a real socket as nginx, Caddy, Traefik and HAProxy ask it.

use http::StatusCode;
use serde_json::{Value, json};

use crate::sockets::{Raw, SOON};
use crate::support::app::Served;
use crate::support::{Answer, TestApp, token};
use crate::wire;

const PREFLIGHT: &str = "origin: http://localhost:5173\r\naccess-control-request-method: PUT\r\n";

async fn served(flags: &[&str]) -> (TestApp, Served) {
    let mut app = TestApp::with(flags).await;
    let served = app.serve().await;
    (app, served)
}

/// The answer to a request with these lines of headers, over a connection of its own.
async fn ask(served: &Served, line: &str, headers: &str) -> Answer {
    let request = format!("{line} HTTP/1.1\r\nhost: a\r\n{headers}\r\n");
    let mut raw = Raw::saying(served.address, request).await;
    if line.starts_with("HEAD ") {
        let head = raw.head().await.unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        return Answer { status, headers: Default::default(), body: head.into() };
    }
    raw.answer().await
}

fn reason(answer: &Answer) -> Value {
    answer.json()["details"][0]["reason"].clone()
}

#[tokio::test]
async fn a_good_token_passes_at_every_path_below_the_policy_and_with_every_method() {
    let (app, served) = served(&[]).await;
    let token = app.sign_in_email("ada+x@example.com").await;
    let claims = token::claims(&token);
    let text = |name: &str| claims[name].as_str().unwrap();
    app.clock.advance(60);
    for line in [
        "GET /v1/forward-auth/account",
        "GET /v1/forward-auth/account/",
        "GET /v1/forward-auth/account?public",
        "GET /v1/forward-auth/account/accounts/7?page=%zz",
        "POST /v1/forward-auth/account/public",
        "PUT /v1/forward-auth/account//x",
        "PATCH /v1/forward-auth/role=admin/me",
        "DELETE /v1/forward-auth/role%3Dadmin,role=user/%zz",
        "OPTIONS /v1/forward-auth/account/../public",
        "PROPFIND /v1/forward-auth/account/x",
    ] {
        for header in [format!("token: {token}\r\n"), format!("authorization: Bearer {token}\r\n")] {
            // What a client says about itself is not repeated.
            let answer = ask(&served, line, &format!("{header}x-auth-role: viewer\r\nx_auth_role: viewer\r\n")).await;
            let fresh = answer.token();
            assert_ne!(fresh, token);
            let expected = [
                ("access-control-expose-headers", "Token"),
                ("cache-control", "no-store"),
                ("token", &fresh),
                ("x-auth-account", text("sub")),
                ("x-auth-email", "ada%2Bx@example.com"),
                ("x-auth-firm", text("firm_id")),
                ("x-auth-role", "admin"),
                ("x-auth-session", text("sid")),
                ("x-auth-username", ""),
                ("x-content-type-options", "nosniff"),
            ];
            assert_eq!((answer.status, answer.telling_headers()), (StatusCode::NO_CONTENT, expected.into()), "{line}");
        }
    }
    let head = ask(&served, "HEAD /v1/forward-auth/account", &format!("token: {token}\r\n")).await;
    assert_eq!(head.status, StatusCode::NO_CONTENT);
    assert!(String::from_utf8_lossy(&head.body).contains("\r\nx-auth-role: admin\r\n"));
}

#[tokio::test]
async fn a_policy_that_is_missing_or_not_understood_lets_nobody_pass() {
    let (app, served) = served(&[]).await;
    let token = format!("token: {}\r\n", app.sign_in_username("alice").await);
    for path in ["", "/", "//public", "/publik", "/Public", "/public,role=admin", "/public%2F", "/%ff", "/role=", "/;"]
    {
        let answer = ask(&served, &format!("GET /v1/forward-auth{path}"), &token).await;
        assert_eq!(
            (answer.status, reason(&answer)),
            (StatusCode::FORBIDDEN, json!("INSUFFICIENT_PERMISSIONS")),
            "{path}"
        );
        assert_eq!((answer.header("token"), answer.header("x-auth-account")), (None, None), "{path}");
    }
    for path in ["/v1/forward-authx/public", "/v1/forward-aut/public", "/V1/forward-auth/public"] {
        assert_eq!(ask(&served, &format!("GET {path}"), &token).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_refusal_is_that_of_a_failed_call() {
    let (app, served) = served(&[]).await;
    let token = app.sign_in_username("alice").await;
    let revoked = app.sign_in_username("bobby").await;
    wire::call(&app, wire::LOGOUT, &[("token", &revoked)], &[]).await;
    for (name, headers) in [
        ("none", String::new()),
        ("garbage", "token: garbage\r\n".to_owned()),
        ("revoked", format!("token: {revoked}\r\n")),
        ("two", format!("token: {token}\r\nauthorization: Bearer {revoked}\r\n")),
        ("twice", format!("token: {token}\r\ntoken: {token}\r\n")),
        ("another scheme", "authorization: Basic YTpi\r\n".to_owned()),
    ] {
        let me = ask(&served, "GET /v1/me", &headers).await;
        let answer = ask(&served, "GET /v1/forward-auth/account", &headers).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
        assert_eq!((answer.json(), answer.telling_headers()), (me.json(), me.telling_headers()), "{name}");
        let public = ask(&served, "GET /v1/forward-auth/public", &headers).await;
        assert_eq!((public.status, public.header("x-auth-account")), (StatusCode::NO_CONTENT, Some("")), "{name}");
        assert_eq!(public.header("token"), None, "{name}");
    }
    let admin = ask(&served, "GET /v1/forward-auth/role=admin", &format!("token: {token}\r\n")).await;
    assert_eq!((admin.status, reason(&admin)), (StatusCode::FORBIDDEN, json!("INSUFFICIENT_PERMISSIONS")));
    assert_eq!((admin.header("token"), admin.header("www-authenticate")), (None, None));
    let head = ask(&served, "HEAD /v1/forward-auth/account", "").await;
    assert!(String::from_utf8_lossy(&head.body).contains("\r\nwww-authenticate: Bearer\r\n"), "{head:?}");
}

#[tokio::test]
async fn a_preflight_passes_only_where_the_policy_says_so() {
    let (_app, served) = served(&["--trusted-proxies=192.0.2.1"]).await;
    for (line, headers, status) in [
        ("OPTIONS /v1/forward-auth/account", PREFLIGHT.to_owned(), 401),
        ("OPTIONS /v1/forward-auth/account,preflight", PREFLIGHT.to_owned(), 204),
        ("OPTIONS /v1/forward-auth/account,preflight/below", PREFLIGHT.to_owned(), 204),
        ("OPTIONS /v1/forward-auth/publik", PREFLIGHT.to_owned(), 403),
        ("OPTIONS /v1/forward-auth/account,preflight", "origin: http://localhost:5173\r\n".to_owned(), 401),
        ("GET /v1/forward-auth/account,preflight", PREFLIGHT.to_owned(), 401),
        // The sender is no trusted proxy.
        ("GET /v1/forward-auth/account,preflight", format!("{PREFLIGHT}x-forwarded-method: OPTIONS\r\n"), 401),
        ("OPTIONS /v1/forward-auth/account,preflight", format!("{PREFLIGHT}x-forwarded-method: PUT\r\n"), 204),
    ] {
        let answer = ask(&served, line, &headers).await;
        assert_eq!(answer.status.as_u16(), status, "{line} {headers}");
        let account = (status == 204).then_some("");
        assert_eq!((answer.header("x-auth-account"), answer.header("token")), (account, None), "{line} {headers}");
    }
}

#[tokio::test]
async fn the_method_of_the_client_is_believed_of_a_trusted_proxy_that_names_one() {
    let (_app, served) = served(&["--trusted-proxies=127.0.0.1"]).await;
    for (methods, status) in [
        (&["OPTIONS"][..], 204),
        (&["GET"], 401),
        (&[], 401),
        (&["OPTIONS", "OPTIONS"], 401),
        (&["OPTIONS, GET"], 401),
        (&[""], 401),
    ] {
        let named = methods.iter().map(|method| format!("x-forwarded-method: {method}\r\n"));
        let headers = format!("{PREFLIGHT}{}", named.collect::<String>());
        let answer = ask(&served, "GET /v1/forward-auth/account,preflight", &headers).await;
        assert_eq!(answer.status.as_u16(), status, "{methods:?}");
        let named_get = format!("{PREFLIGHT}x-forwarded-method: GET\r\n");
        let answer = ask(&served, "OPTIONS /v1/forward-auth/account,preflight", &named_get).await;
        assert_eq!(answer.status.as_u16(), 401, "it is not the proxy's own method that counts");
    }
}

#[tokio::test]
async fn the_body_is_ignored_and_a_connection_goes_on_unless_a_body_is_missing() {
    let (app, served) = served(&[]).await;
    let token = app.sign_in_username("alice").await;
    let head = format!("POST /v1/forward-auth/account HTTP/1.1\r\nhost: a\r\ntoken: {token}\r\n");
    let mut raw = Raw::connect(served.address).await;
    for _ in 0..2 {
        raw.send(format!("{head}content-type: image/png\r\ncontent-length: 7\r\n\r\n{{\"a\":1}}")).await;
        let answer = raw.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (StatusCode::NO_CONTENT, None));
    }
    // As nginx does if it is not told to leave out the length of a body that it does not send.
    raw.send(format!("{head}content-length: 7\r\n\r\n")).await;
    let answer = raw.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (StatusCode::NO_CONTENT, Some("close")));
    assert_eq!(raw.until_closed(SOON).await, b"");
}

#[tokio::test]
async fn a_page_of_another_origin_can_read_a_refusal_that_its_proxy_passes_on() {
    let (_app, served) = served(&[]).await;
    let answer = ask(&served, "GET /v1/forward-auth/account", "origin: http://localhost:5173\r\n").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:5173"));
}

#[tokio::test]
async fn trouble_of_the_server_is_no_decision() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    // The feed of this app does not run.
    app.clock.elapse(5);
    for policy in ["account", "public"] {
        let answer = app.get(&format!("/v1/forward-auth/{policy}"), &[("token", &token)]).await;
        assert_eq!(
            (answer.status, reason(&answer)),
            (StatusCode::SERVICE_UNAVAILABLE, json!("UNAVAILABLE")),
            "{policy}"
        );
        assert_eq!(answer.header("www-authenticate"), None, "{policy}");
    }
}
