//! Introspection (RFC 7662) and revocation (RFC 7009) of tokens by services with a credential: the answers and errors
//! of both RFCs, over a real socket. `.ci/run clients` asks with client libraries of others.

mod refused;

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::domain::{AccountStatus, Handle};
use countersign::pb::session_service_client::SessionServiceClient;
use countersign::pb::{IntrospectTokenRequest, RevokeTokenRequest};
use countersign::store::{self, AuditPage, Purpose};
use http::{Method, Request};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::support::app::{START, Served, request};
use crate::support::http::over_socket;
use crate::support::postgres::Database;
use crate::support::{Answer, SECRET, TestApp, token};
use crate::wire::eventually;
use crate::{forge, wire};

/// With characters that forms and Basic spell in different ways.
pub const CREDENTIAL: &str = "a+credential/of 48%bytes=for introspection tests";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// An app on a socket that takes [`CREDENTIAL`], with further flags.
async fn start(flags: &[&str]) -> (TestApp, Served) {
    let credentials = format!("--introspection-credentials=another credential of 48 bytes or even more, {CREDENTIAL}");
    let mut app = TestApp::with(&[&[credentials.as_str()], flags].concat()).await;
    let served = app.serve().await;
    (app, served)
}

fn bearer() -> String {
    format!("Bearer {CREDENTIAL}")
}

fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

fn form(path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    request(Method::POST, path, &[&[FORM], headers].concat(), Body::from(body.to_owned()))
}

/// Asks about a token with the right credential.
async fn introspect(served: &Served, token: &str) -> Answer {
    let authorized = [("authorization", &*bearer())];
    over_socket(served.address, form("/oauth2/introspect", &authorized, &format!("token={token}"))).await
}

async fn revoke(served: &Served, token: &str) -> Answer {
    let authorized = [("authorization", &*bearer())];
    over_socket(served.address, form("/oauth2/revoke", &authorized, &format!("token={token}"))).await
}

#[tokio::test]
async fn an_active_token_is_told_with_the_claims_of_its_kind_of_account() {
    let (app, served) = start(&[]).await;
    let alice = app.sign_in_username("alice").await;
    let ada = app.sign_in_email("ada@example.com").await;
    let (username, email) = (forge::claims(&alice), forge::claims(&ada));
    introspect(&served, &alice).await.assert(
        "username",
        200,
        &[],
        &json!({
            "active": true,
            "token_type": "Bearer",
            "sub": username["sub"],
            "sid": username["sid"],
            "iat": START,
            "exp": START + 3_600,
            "username": "alice",
        }),
    );
    introspect(&served, &ada).await.assert(
        "email",
        200,
        &[],
        &json!({
            "active": true,
            "token_type": "Bearer",
            "sub": email["sub"],
            "sid": email["sid"],
            "iat": START,
            "exp": START + 86_400,
            "email": "ada@example.com",
            "email_verified": false,
            "firm_id": email["firm_id"],
            "role": "admin",
        }),
    );
}

#[tokio::test]
async fn of_a_token_that_no_call_would_be_accepted_with_nothing_else_is_told() {
    let (app, served) = start(&[]).await;
    let good = app.sign_in_username("alice").await;
    let claims = forge::claims(&good);
    let disabled = app.sign_in_username("bobby").await;
    let operator = app.operator().await;
    let bobby = operator.find(&Handle::parse("bobby").unwrap()).await.unwrap().unwrap();
    operator.set_status(bobby.id, AccountStatus::Inactive, false).await.unwrap();
    let revoked = app.sign_in_username("carol").await;
    assert_eq!(app.post_empty("/auth/logout", &[("token", &revoked)]).await.status, 200);
    let expired = forge::token(&token::with(&token::with(&claims, "iat", (START - 100).into()), "exp", START.into()));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let unknown = token::with(&claims, "sub", "01a201e0-8f97-7e0f-9ed7-6185490a10b0".into());
    let by_another = "another secret of at least thirty-two bytes";
    for (name, token) in [
        ("garbage", "garbage"),
        ("a space", "+"),
        ("no signature", &format!("{message}.")),
        ("a signature of another", &token::sign(&claims, by_another)),
        ("no algorithm", &token::forge("none", &claims, None)),
        ("another algorithm", &token::forge("HS512", &claims, Some((SECRET, Algorithm::HS512)))),
        ("a header of another", &format!("{}.{signature}", message.replace("eyJ", "eyK"))),
        ("9 KiB", &format!("{message}.{}", "x".repeat(9_000))),
        ("expired", &expired),
        ("revoked", &revoked),
        ("of a disabled account", &disabled),
        ("of no account", &forge::token(&unknown)),
        ("the secret", SECRET),
    ] {
        // The feed tells the app of what the operator has done.
        let inactive = async || introspect(&served, token).await.json() == json!({ "active": false });
        assert!(eventually(std::time::Duration::from_secs(10), inactive).await, "{name}");
        introspect(&served, token).await.assert(name, 200, &[], &json!({ "active": false }));
    }
    assert_eq!(introspect(&served, &good).await.json()["active"], true);
}

#[tokio::test]
async fn the_credential_is_taken_in_every_form_that_oauth_clients_send_it_in() {
    let (app, served) = start(&[]).await;
    let token = app.sign_in_username("alice").await;
    let encoded = "a%2Bcredential%2Fof%2048%25bytes%3Dfor+introspection%20tests";
    let about = format!("token={token}");
    for (name, authorization, body) in [
        ("bearer", bearer(), about.clone()),
        ("basic", basic(&format!("app:{CREDENTIAL}")), about.clone()),
        ("basic, encoded as in a form", basic(&format!("app:{encoded}")), about.clone()),
        ("basic without a name", basic(&format!(":{CREDENTIAL}")), about.clone()),
        ("in the body", String::new(), format!("client_id=app&client_secret={encoded}&{about}")),
        ("a hint and more", bearer(), format!("{about}&token_type_hint=refresh_token&resource=x&empty=&x=1&x=2")),
        ("an empty secret in the body", bearer(), format!("client_secret=&{about}")),
    ] {
        let headers = [("authorization", &*authorization)];
        let headers = if authorization.is_empty() { &[][..] } else { &headers };
        for path in ["/oauth2/introspect", "/oauth2/revoke"] {
            // A session can be ended again and again.
            let answer = over_socket(served.address, form(path, headers, &body)).await;
            assert_eq!(answer.status, 200, "{name} at {path}: {:?}", answer.body);
        }
    }
}

#[tokio::test]
async fn asking_changes_nothing() {
    let (app, served) = start(&[]).await;
    let token = app.sign_in_username("alice").await;
    for _ in 0..3 {
        app.clock.advance(100);
        let answer = introspect(&served, &token).await;
        assert_eq!((answer.json()["exp"].as_i64(), answer.header("token")), (Some(START + 3_600), None));
    }
    let listed = app.get("/v1/sessions", &[("token", &token)]).await.json();
    assert_eq!(listed["sessions"][0]["lastTokenTime"], listed["sessions"][0]["createTime"]);
}

#[tokio::test]
async fn a_revocation_ends_the_session_as_a_logout_does_and_is_audited() {
    let (app, served) = start(&[]).await;
    let token = app.sign_in_username("alice").await;
    let other = app.post("/api/auth/login", &json!({ "username": "alice", "password": "s3cur3pass" })).await;
    let other = other.json()["token"].as_str().unwrap().to_owned();
    app.clock.advance(60);
    let fresh = app.get("/api/auth/me", &[("token", &token)]).await.token();
    for name in ["the first time", "the second time"] {
        let answer = revoke(&served, &token).await;
        answer.assert(name, 200, &[], &Value::Null);
        for dead in [&token, &fresh] {
            assert_eq!(app.get("/api/auth/me", &[("token", dead)]).await.status, 401, "{name}");
            assert_eq!(introspect(&served, dead).await.json(), json!({ "active": false }), "{name}");
        }
    }
    assert_eq!(app.get("/api/auth/me", &[("token", &other)]).await.status, 204, "of another session");

    let claims = forge::claims(&token);
    let (sub, sid) = (claims["sub"].as_str().unwrap(), claims["sid"].as_str().unwrap());
    let url = app.settings.database_url().unwrap();
    served.stop().await;
    let store = store::open(&url, Purpose::Operate).await.unwrap();
    let events = store.list_events(&AuditPage { limit: 100, ..AuditPage::default() }).await.unwrap();
    let revoked: Vec<_> = events.found.iter().filter(|event| event.note.action.as_str() == "revoke").collect();
    let [event] = revoked[..] else { panic!("{revoked:?}") };
    let note = &event.note;
    assert_eq!((&*note.result, note.actor, note.account), ("ok", None, Some(sub.parse().unwrap())));
    assert_eq!((note.detail.to_string(), note.origin.to_string()), (format!("session {sid}"), "127.0.0.1".to_owned()));
}

#[tokio::test]
async fn a_token_is_revoked_after_it_expired_and_one_that_is_not_ours_is_answered_alike() {
    let (app, served) = start(&[]).await;
    let token = app.sign_in_username("alice").await;
    let claims = forge::claims(&token);
    app.clock.advance(3_601);
    assert_eq!(introspect(&served, &token).await.json(), json!({ "active": false }), "it expired");
    // Another token of the session that is still good.
    let live = forge::token(&token::with(&claims, "exp", (START + 7_200).into()));
    assert_eq!(introspect(&served, &live).await.json()["active"], true);
    let by_another = token::sign(&claims, "another secret of at least thirty-two bytes");
    for unknown in ["garbage", &by_another] {
        revoke(&served, unknown).await.assert(unknown, 200, &[], &Value::Null);
    }
    assert_eq!(introspect(&served, &live).await.json()["active"], true, "forgers end nothing");
    assert_eq!(revoke(&served, &token).await.status, 200);
    assert_eq!(introspect(&served, &live).await.json(), json!({ "active": false }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_at_one_replica_counts_at_another() {
    let Some(database) = Database::create().await else { return };
    let url = format!("--database-url={}", database.url());
    let ((here, served), (there, also)) = (start(&[&url]).await, start(&[&url]).await);
    let token = here.sign_in_username("alice").await;
    assert_eq!(introspect(&also, &token).await.json()["active"], true);
    assert_eq!(revoke(&served, &token).await.status, 200);
    let refused = async || there.get("/api/auth/me", &[("token", &token)]).await.status == 401;
    assert!(eventually(std::time::Duration::from_secs(5), refused).await);
    assert_eq!(introspect(&also, &token).await.json(), json!({ "active": false }));
}

#[tokio::test]
async fn the_rpcs_and_their_rest_paths_do_the_same() {
    let (app, _served) = start(&[]).await;
    let token = app.sign_in_email("ada@example.com").await;
    let claims = forge::claims(&token);
    let mut sessions = SessionServiceClient::new(app.service.clone());
    for authorization in [bearer(), basic(&format!("app:{CREDENTIAL}"))] {
        let mut asked = tonic::Request::new(IntrospectTokenRequest { token: token.clone() });
        asked.metadata_mut().insert("authorization", authorization.parse().unwrap());
        let answer = sessions.introspect_token(asked).await.unwrap();
        assert_eq!(answer.metadata().get("token"), None);
        let active = answer.into_inner().active.unwrap();
        assert_eq!(active.account.unwrap().id, claims["sub"]);
        assert_eq!(
            (active.session_id, active.expire_time.unwrap().seconds),
            (claims["sid"].as_str().unwrap().to_owned(), claims["exp"].as_i64().unwrap(),)
        );
    }
    let headers = [("authorization", &*bearer())];
    let asked = app.post_with("/v1/tokens:introspect", &headers, &json!({ "token": token })).await.json();
    assert_eq!(asked["active"]["account"]["emailIdentity"]["email"], "ada@example.com");

    let mut revoked = tonic::Request::new(RevokeTokenRequest { token: token.clone() });
    revoked.metadata_mut().insert("authorization", bearer().parse().unwrap());
    sessions.revoke_token(revoked).await.unwrap();
    assert_eq!(wire::me(&app, &[("token", &token)]).await.code(), tonic::Code::Unauthenticated);
    app.post_with("/v1/tokens:introspect", &headers, &json!({ "token": token })).await.assert(
        "gone",
        200,
        &[],
        &json!({}),
    );
}
