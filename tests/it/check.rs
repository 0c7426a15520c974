//! `envoy.service.auth.v3.Authorization/Check`, asked over a real socket as Envoy 1.40 asks it. The messages are made
//! and read by generated code; the server has its own.

mod refused;

use std::collections::HashMap;
use std::net::SocketAddr;

use countersign::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use countersign::pb::envoy::config::core::v3::{HeaderMap, HeaderValue, HeaderValueOption};
use countersign::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use countersign::pb::envoy::service::auth::v3::check_response::HttpResponse;
use countersign::pb::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
};
use countersign::pb::health::HealthCheckRequest;
use countersign::pb::health::health_client::HealthClient;
use http::uri::PathAndQuery;
use prost::Message as _;
use serde_json::Value;
use sqlx::Executor as _;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::refresh::database;
use crate::support::app::Served;
use crate::support::{TestApp, token};
use crate::wire;

pub const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

const ON: &str = "--ext-authz=true";

/// What Envoy sends besides: pseudo-headers, and headers that decide nothing.
const USUAL: [(&str, &str); 6] = [
    (":authority", "app.example.com"),
    (":method", "GET"),
    (":path", "/accounts?page=2"),
    (":scheme", "https"),
    ("x-request-id", "c2a8f9b0-0000-4000-8000-000000000000"),
    ("x-forwarded-proto", "https"),
];

/// A question about a request with these headers, beside the usual ones, on a route with these context extensions.
fn question(method: &str, headers: &[(&str, &str)], extensions: &[(&str, &str)]) -> CheckRequest {
    let map =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let http = HttpRequest {
        method: method.to_owned(),
        headers: map(&[&USUAL, headers].concat()),
        path: "/accounts?page=2".to_owned(),
        header_map: None,
    };
    let request = Some(Request { http: Some(http) });
    CheckRequest { attributes: Some(AttributeContext { request, context_extensions: map(extensions) }) }
}

async fn connect(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// Sends a question.
async fn ask(channel: &Channel, question: CheckRequest) -> Result<CheckResponse, Status> {
    let mut request = tonic::Request::new(question);
    // The address of Envoy itself, and not of a client.
    request.metadata_mut().insert("x-forwarded-for", "192.0.2.2".parse().unwrap());
    let path = PathAndQuery::from_static(CHECK);
    let answer = http_rule::unary(&mut channel.clone(), path, request, CheckResponse::default()).await?;
    // The fresh token is for the client of the proxy.
    assert_eq!(answer.metadata().get("token"), None);
    Ok(answer.into_inner())
}

/// A running server that Envoy may ask.
struct Asked {
    app: TestApp,
    channel: Channel,
    _served: Served,
}

impl Asked {
    async fn start() -> Self {
        let mut app = TestApp::with(&[ON]).await;
        let served = app.serve().await;
        Self { channel: connect(served.address).await, app, _served: served }
    }

    /// The answer about a `GET` with these headers.
    async fn get(&self, headers: &[(&str, &str)], extensions: &[(&str, &str)]) -> CheckResponse {
        ask(&self.channel, question("GET", headers, extensions)).await.unwrap()
    }

    /// The reason for which a `GET` with these headers is refused, and an empty text if it is not.
    async fn reason(&self, headers: &[(&str, &str)], extensions: &[(&str, &str)]) -> String {
        reason(self.get(headers, extensions).await)
    }
}

fn passed(answer: CheckResponse) -> OkHttpResponse {
    assert_eq!(answer.status.as_ref().map(|status| status.code), Some(0), "{answer:?}");
    let Some(HttpResponse::OkResponse(ok)) = answer.http_response else { panic!("{:?}", answer.http_response) };
    ok
}

fn denied(answer: CheckResponse) -> DeniedHttpResponse {
    assert_ne!(answer.status.as_ref().map(|status| status.code), Some(0), "{answer:?}");
    let Some(HttpResponse::DeniedResponse(denied)) = answer.http_response else { panic!("{:?}", answer.http_response) };
    assert!(denied.headers.iter().all(|option| option.header.as_ref().unwrap().key != "token"), "{denied:?}");
    denied
}

fn reason(answer: CheckResponse) -> String {
    match answer.http_response {
        Some(HttpResponse::OkResponse(_)) => String::new(),
        _ => {
            let body: Value = serde_json::from_str(&denied(answer).body).unwrap();
            body["details"][0]["reason"].as_str().unwrap().to_owned()
        }
    }
}

/// The names and values of headers, with what happens to those that are there.
fn shown(options: &[HeaderValueOption]) -> Vec<(String, String, HeaderAppendAction)> {
    let show = |option: &HeaderValueOption| {
        let header = option.header.clone().unwrap();
        assert!(option.keep_empty_value && header.raw_value.is_empty(), "{option:?}");
        (header.key, header.value, option.append_action())
    };
    options.iter().map(show).collect()
}

/// The values of all identity headers, in their order.
fn identity(ok: &OkHttpResponse) -> Vec<String> {
    let all = shown(&ok.headers);
    let names: Vec<_> = all.iter().map(|(name, ..)| name.as_str()).collect();
    let expected = ["account", "session", "username", "email", "firm", "role"].map(|name| format!("x-auth-{name}"));
    assert_eq!(names, expected, "every one is always set");
    all.into_iter().map(|(_, value, _)| value).collect()
}

fn fresh(ok: &OkHttpResponse) -> Option<String> {
    shown(&ok.response_headers_to_add).into_iter().find(|(name, ..)| name == "token").map(|(_, value, _)| value)
}

#[tokio::test]
async fn a_good_token_passes_with_the_identity_for_the_service_and_a_fresh_token_for_the_client() {
    use HeaderAppendAction::{AppendIfExistsOrAdd, OverwriteIfExistsOrAdd};
    let asked = Asked::start().await;
    let token = asked.app.sign_in_username("alice").await;
    asked.app.clock.advance(60);
    let ok = passed(asked.get(&[("token", &token)], &[]).await);
    let claims = token::claims(&token);
    let text = |name: &str| claims[name].as_str().unwrap().to_owned();
    assert_eq!(identity(&ok), [text("sub"), text("sid"), "alice".into(), "".into(), "".into(), "".into()]);
    let sessions = asked.app.get("/v1/sessions", &[("token", &token)]).await.json();
    assert_eq!(
        sessions["sessions"][0]["lastTokenTime"], "2027-01-15T08:01:00Z",
        "the time of the fresh token is noted"
    );
    let fresh_token = fresh(&ok).unwrap();
    assert_eq!(token::claims(&fresh_token)["iat"].as_i64(), claims["iat"].as_i64().map(|time| time + 60));
    let expected = [
        ("token".to_owned(), fresh_token.clone(), OverwriteIfExistsOrAdd),
        ("cache-control".to_owned(), "no-store".to_owned(), OverwriteIfExistsOrAdd),
        ("access-control-expose-headers".to_owned(), "Token".to_owned(), AppendIfExistsOrAdd),
    ];
    assert_eq!(shown(&ok.response_headers_to_add), expected);
    assert_eq!(passed(asked.get(&[("token", &fresh_token)], &[]).await).headers, ok.headers);

    let token = asked.app.sign_in_email("ada+x@example.com").await;
    let ok = passed(asked.get(&[("authorization", &format!("Bearer {token}"))], &[("policy", "account")]).await);
    let claims = token::claims(&token);
    let text = |name: &str| claims[name].as_str().unwrap().to_owned();
    let expected = [text("sub"), text("sid"), "".into(), "ada%2Bx@example.com".into(), text("firm_id"), "admin".into()];
    assert_eq!(identity(&ok), expected);
}

#[tokio::test]
async fn a_token_slides_past_its_expiry_and_is_refused_after_its_end() {
    let asked = Asked::start().await;
    let mut token = asked.app.sign_in_username("alice").await;
    for _ in 0..3 {
        asked.app.clock.advance(3_000);
        token = fresh(&passed(asked.get(&[("token", &token)], &[]).await)).unwrap();
    }
    asked.app.clock.advance(3_600);
    assert_eq!(asked.reason(&[("token", &token)], &[]).await, "TOKEN_EXPIRED");
    asked.app.clock.advance(-600);
    assert_eq!(asked.reason(&[("token", &token)], &[]).await, "");
    assert_eq!(wire::call(&asked.app, wire::LOGOUT, &[("token", &token)], &[]).await.code(), Code::Ok);
    assert_eq!(asked.reason(&[("token", &token)], &[]).await, "TOKEN_INVALID");
    assert_eq!(asked.reason(&[("token", &token)], &[("policy", "public")]).await, "");
}

#[tokio::test]
async fn the_credential_is_one_token_and_a_header_that_proxies_have_joined_is_two() {
    let asked = Asked::start().await;
    let good = asked.app.sign_in_username("alice").await;
    let other = asked.app.sign_in_username("bobby").await;
    let bearer = format!("Bearer {good}");
    let two = format!("{good},{good}");
    let two_bearers = format!("{bearer},{bearer}");
    let behind = format!("Basic YTpi,{bearer}");
    for (name, headers, expected) in [
        ("none", &[][..], "TOKEN_MISSING"),
        ("another scheme", &[("authorization", "Basic YTpi")], "TOKEN_MISSING"),
        ("both", &[("token", &*good), ("authorization", &*bearer)], ""),
        ("any case of the scheme", &[("authorization", &*bearer.replace("Bearer", "bEARER"))], ""),
        ("any case of the name", &[("Token", &*good)], ""),
        ("one and another scheme", &[("token", &*good), ("authorization", "Basic YTpi")], ""),
        ("two different", &[("token", &*good), ("authorization", &*bearer.replace(&good, &other))], "TOKEN_INVALID"),
        ("joined", &[("token", &*two)], "TOKEN_INVALID"),
        ("joined, with one of them again", &[("token", &*two), ("authorization", &*bearer)], "TOKEN_INVALID"),
        ("two bearers", &[("authorization", &*two_bearers)], "TOKEN_INVALID"),
        ("a bearer behind another scheme", &[("authorization", &*behind)], "TOKEN_INVALID"),
        ("the same beside a good one", &[("token", &*good), ("authorization", &*behind)], "TOKEN_INVALID"),
        ("an empty one", &[("token", "")], "TOKEN_INVALID"),
        ("in both spellings", &[("token", &*good), ("Token", &*good)], "TOKEN_INVALID"),
        ("garbage", &[("token", "garbage")], "TOKEN_INVALID"),
        ("in a cookie", &[("cookie", &*format!("token={good}"))], "TOKEN_MISSING"),
    ] {
        assert_eq!(asked.reason(headers, &[]).await, expected, "{name}");
    }
}

#[tokio::test]
async fn headers_that_are_sent_one_by_one_are_counted() {
    let asked = Asked::start().await;
    let token = asked.app.sign_in_username("alice").await;
    let bearer = format!("Bearer {token}");
    for (headers, expected) in [
        (&[("token", &*token)][..], ""),
        (&[("authorization", &*bearer)], ""),
        (&[("token", &*token), ("token", &*token)], "TOKEN_INVALID"),
        (&[("authorization", "Basic YTpi"), ("authorization", &*bearer)], "TOKEN_INVALID"),
        (&[("accept", "*/*")], "TOKEN_MISSING"),
    ] {
        let list = headers.iter().map(|(key, value)| HeaderValue {
            key: key.to_string(),
            raw_value: value.as_bytes().to_vec(),
            value: String::new(),
        });
        let mut question = question("GET", &[], &[]);
        let http = question.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
        http.headers = HashMap::new();
        http.header_map = Some(HeaderMap { headers: list.collect() });
        assert_eq!(reason(ask(&asked.channel, question).await.unwrap()), expected, "{headers:?}");
    }
}

#[tokio::test]
async fn the_service_gets_neither_the_token_nor_what_a_client_says_about_itself() {
    let asked = Asked::start().await;
    let token = asked.app.sign_in_username("alice").await;
    let forged = [("token", &*token), ("x-auth-role", "admin"), ("x_auth_role", "admin")];
    let basic = [("token", &*token), ("authorization", "Basic YTpi")];
    for (headers, policy, kept) in [
        (&forged[..], "account", &[][..]),
        (&forged[..], "account,keep-token", &["token", "authorization"]),
        (&basic, "account", &["authorization"]),
        (&[("authorization", "Bearer garbage")], "public", &[]),
        (&[], "public", &[]),
    ] {
        let ok = passed(asked.get(headers, &[("policy", policy)]).await);
        assert_eq!(identity(&ok).last().map(String::as_str), Some(""), "a username account has no role");
        let removed = |name: &str| ok.headers_to_remove.iter().any(|removed| removed == name);
        for carrier in ["token", "authorization"] {
            assert_eq!(removed(carrier), !kept.contains(&carrier), "{headers:?} {policy}");
        }
        for name in ["account", "session", "username", "email", "firm", "role"] {
            for spelling in ["x_auth-", "x-auth_", "x_auth_"] {
                assert!(removed(&format!("{spelling}{name}")), "{spelling}{name}");
            }
            assert!(!removed(&format!("x-auth-{name}")), "a header that is removed is not set");
        }
    }
}

#[tokio::test]
async fn the_policy_of_the_route_decides_which_accounts_pass() {
    let asked = Asked::start().await;
    let ada = asked.app.sign_in_email("ada@example.com").await;
    let bob = asked.app.sign_in_email("bob@example.com").await;
    let alice = asked.app.sign_in_username("alice").await;
    let mut database = database(&asked.app).await;
    database.execute("update accounts set role = 'viewer' where email = 'bob@example.com'").await.unwrap();
    database.execute("update accounts set email_verified_at = created_at where role = 'admin'").await.unwrap();
    let firm = token::claims(&ada)["firm_id"].as_str().unwrap().to_owned();
    let (no, verify) = ("INSUFFICIENT_PERMISSIONS", "EMAIL_NOT_VERIFIED");
    for (extensions, expected) in [
        (&[][..], ["", "", "", "TOKEN_MISSING"]),
        (&[("policy", "public")], ["", "", "", ""]),
        (&[("policy", "account")], ["", "", "", "TOKEN_MISSING"]),
        (&[("role", "admin")], ["", no, no, "TOKEN_MISSING"]),
        (&[("role", "admin,viewer")], ["", "", no, "TOKEN_MISSING"]),
        (&[("firm", &*firm)], ["", no, no, "TOKEN_MISSING"]),
        (&[("verified", "true")], ["", verify, no, "TOKEN_MISSING"]),
        (&[("policy", "role=viewer,verified")], [no, verify, no, "TOKEN_MISSING"]),
        (&[("policy", "publik")], [no; 4]),
        (&[("polcy", "public")], [no; 4]),
        (&[("policy", "public"), ("role", "admin")], [no; 4]),
    ] {
        let mut found = Vec::new();
        for token in [&ada, &bob, &alice] {
            found.push(asked.reason(&[("token", token)], extensions).await);
        }
        found.push(asked.reason(&[], extensions).await);
        assert_eq!(found, expected, "{extensions:?}");
    }
    let refused = denied(asked.get(&[("token", &bob)], &[("verified", "true")]).await);
    assert_eq!(refused.status.unwrap().code, 403);
}

#[tokio::test]
async fn anybody_passes_a_public_route_and_is_known_only_by_a_good_token() {
    let asked = Asked::start().await;
    let token = asked.app.sign_in_username("alice").await;
    for (headers, is_known) in [
        (&[("token", &*token)][..], true),
        (&[("token", "garbage")], false),
        (&[("token", &*token), ("authorization", "Bearer garbage")], false),
        (&[], false),
    ] {
        let ok = passed(asked.get(headers, &[("policy", "public")]).await);
        assert_eq!((identity(&ok)[0].is_empty(), fresh(&ok).is_some()), (!is_known, is_known), "{headers:?}");
        assert_eq!(ok.response_headers_to_add.is_empty(), !is_known, "{headers:?}");
    }
}

#[tokio::test]
async fn a_preflight_passes_only_where_the_policy_says_so() {
    let asked = Asked::start().await;
    let preflight = [("origin", "https://app.example.com"), ("access-control-request-method", "PUT")];
    for (method, headers, policy, expected) in [
        ("OPTIONS", &preflight[..], "account,preflight", ""),
        ("OPTIONS", &preflight, "account", "TOKEN_MISSING"),
        ("OPTIONS", &preflight, "public", ""),
        ("OPTIONS", &preflight[..1], "account,preflight", "TOKEN_MISSING"),
        ("OPTIONS", &preflight[1..], "account,preflight", "TOKEN_MISSING"),
        ("options", &preflight, "account,preflight", "TOKEN_MISSING"),
        ("PUT", &preflight, "account,preflight", "TOKEN_MISSING"),
        ("", &preflight, "account,preflight", "TOKEN_MISSING"),
    ] {
        let answer = ask(&asked.channel, question(method, headers, &[("policy", policy)])).await.unwrap();
        if expected.is_empty() {
            let ok = passed(answer);
            assert_eq!((identity(&ok), fresh(&ok)), (vec![String::new(); 6], None), "{method} {policy}");
        } else {
            assert_eq!(reason(answer), expected, "{method} {headers:?} {policy}");
        }
    }
}

#[tokio::test]
async fn it_is_not_there_unless_a_setting_says_so() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    let channel = connect(served.address).await;
    let token = app.sign_in_username("alice").await;
    let asked = ask(&channel, question("GET", &[("token", &token)], &[])).await.unwrap_err();
    assert_eq!(asked.code(), Code::Unauthenticated, "as at any path that does not exist");
    let message = question("GET", &[("token", &token)], &[]).encode_to_vec();
    assert_eq!(wire::call(&app, CHECK, &[("token", &token)], &message).await.code(), Code::Unimplemented);
    let health = async |channel: Channel| {
        let service = "envoy.service.auth.v3.Authorization".to_owned();
        HealthClient::new(channel)
            .check(HealthCheckRequest { service })
            .await
            .map(|_| ())
            .map_err(|status| status.code())
    };
    assert_eq!(health(channel).await, Err(Code::NotFound));
    assert_eq!(health(Asked::start().await.channel).await, Ok(()));
}
