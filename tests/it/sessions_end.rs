//! Sessions that are ended by logout, disable and delete. No token of an ended session is accepted again, whatever the
//! order of concurrent calls, and also after a restart.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use countersign::accounts::Operator;
use countersign::domain::{AccountStatus, Handle};
use http::Method;
use serde_json::json;
use sqlx::Executor as _;
use tonic::Code;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::refresh::{FACES, Face, database};
use crate::support::TestApp;
use crate::support::app::START;
use crate::support::app::{PASSWORD, request};
use crate::{forge, wire};

/// The longest time that a change takes: "takes effect there within a second".
const SECOND: Duration = Duration::from_secs(1);

async fn id(operator: &Operator, handle: &str) -> Uuid {
    operator.find(&Handle::parse(handle).unwrap()).await.unwrap().unwrap().id
}

/// Asserts that these tokens are refused on every face, without a fresh token.
async fn assert_dead(app: &TestApp, name: &str, tokens: &[String]) {
    for token in tokens {
        for face in FACES {
            assert_eq!(face.slide(app, token).await, Err(face.invalid().to_owned()), "{name}: {face:?}");
        }
    }
}

/// A token with one fresh token from every face.
async fn family(app: &TestApp, token: String) -> Vec<String> {
    let mut tokens = vec![token];
    for face in FACES {
        app.clock.advance(60);
        tokens.push(face.slide(app, tokens.last().unwrap()).await.unwrap());
    }
    tokens
}

#[tokio::test]
async fn a_logout_ends_its_session_and_no_other_also_after_a_restart() {
    for by_grpc in [true, false] {
        let app = TestApp::start().await;
        let ended = family(&app, app.sign_in_email("ada@example.com").await).await;
        let login = json!({ "email": "ada@example.com", "password": PASSWORD });
        let other = app.post("/auth/login", &login).await.json()["access_token"].as_str().unwrap().to_owned();
        if by_grpc {
            let reply = wire::call(&app, wire::LOGOUT, &[("token", &ended[2])], &[]).await;
            assert_eq!((reply.code(), reply.token()), (Code::Ok, None));
        } else {
            let bearer = format!("Bearer {}", ended[2]);
            let request = request(Method::POST, "/auth/logout", &[("authorization", &bearer)], Body::empty());
            let answer = app.send(request).await;
            assert_eq!((answer.status.as_u16(), answer.header("token")), (200, None));
            assert_eq!(answer.json(), json!({ "message": "Logged out successfully" }));
        }
        assert_dead(&app, "at once", &ended).await;
        let again = wire::call(&app, wire::LOGOUT, &[("token", &ended[0])], &[]).await;
        assert_eq!((again.code(), again.token()), (Code::Ok, None), "it is as its owner wants it");

        let app = app.restart(&[]).await;
        assert_dead(&app, "after a restart", &ended).await;
        app.clock.advance(24 * 3_600 - 600);
        let app = app.restart(&[]).await;
        assert_dead(&app, "until the last one expires", &ended[4..]).await;
        assert!(Face::Grpc.slide(&app, &other).await.is_ok(), "another sign-in of the same account lives");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disabling_and_deleting_is_honoured_by_a_running_server_within_a_second() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    let operator = app.operator().await;
    for (handle, delete) in [("alice", false), ("bobby", true), ("ada@example.com", false), ("bo@example.com", true)] {
        let token =
            if handle.contains('@') { app.sign_in_email(handle).await } else { app.sign_in_username(handle).await };
        let tokens = family(&app, token).await;
        let id = id(&operator, handle).await;
        if delete {
            assert!(operator.delete(id, false).await.unwrap());
        } else {
            assert!(operator.set_status(id, AccountStatus::Inactive, false).await.unwrap());
        }
        // The layer hears of the change through the database.
        let unknown = "/countersign.v1.AuthService/NoSuchMethod";
        let refused = wire::eventually(SECOND, async || {
            wire::call(&app, unknown, &[("token", &tokens[0])], &[]).await.code() == Code::Unauthenticated
        });
        assert!(refused.await, "{handle}: still accepted after a second");
        for token in &tokens {
            let reply = wire::call(&app, unknown, &[("token", token)], &[]).await;
            assert_eq!((reply.reason().as_str(), reply.token()), ("TOKEN_INVALID", None), "{handle}");
        }
        assert_dead(&app, handle, &tokens).await;
    }
    drop(operator);
    served.stop().await;
}

#[tokio::test]
async fn what_was_disabled_or_deleted_stays_so_after_a_restart_and_a_new_start_is_a_new_account() {
    let app = TestApp::start().await;
    let (alice, bobby) = (app.sign_in_username("alice").await, app.sign_in_username("bobby").await);
    let operator = app.operator().await;
    operator.set_status(id(&operator, "alice").await, AccountStatus::Inactive, false).await.unwrap();
    operator.delete(id(&operator, "bobby").await, false).await.unwrap();

    let app = app.restart(&[]).await;
    assert_dead(&app, "disabled", std::slice::from_ref(&alice)).await;
    assert_dead(&app, "deleted", std::slice::from_ref(&bobby)).await;

    // The account is enabled and signs in again. Old tokens stay dead, and new ones live.
    operator.set_status(id(&operator, "alice").await, AccountStatus::Active, false).await.unwrap();
    let app = app.restart(&[]).await;
    let again = app.sign_in_username("bobby").await;
    assert_ne!(forge::claims(&again)["sub"], forge::claims(&bobby)["sub"]);
    let login = app.post("/api/auth/login", &json!({ "username": "alice", "password": PASSWORD })).await;
    let fresh = login.json()["token"].as_str().unwrap().to_owned();
    for live in [&again, &fresh] {
        assert!(Face::Grpc.slide(&app, live).await.is_ok());
    }
    assert_dead(&app, "of the time before", &[alice, bobby]).await;
}

#[tokio::test]
async fn being_enabled_again_revives_no_token_while_the_server_runs() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    let operator = app.operator().await;
    let before = family(&app, app.sign_in_username("alice").await).await;
    let id = id(&operator, "alice").await;
    for status in [AccountStatus::Inactive, AccountStatus::Active] {
        assert!(operator.set_status(id, status, false).await.unwrap());
    }
    let dead = wire::eventually(SECOND, async || Face::Grpc.slide(&app, &before[0]).await.is_err()).await;
    assert!(dead, "still accepted after a second");
    assert_dead(&app, "enabled again", &before).await;
    let login = app.post("/api/auth/login", &json!({ "username": "alice", "password": PASSWORD })).await;
    assert!(Face::Grpc.slide(&app, login.json()["token"].as_str().unwrap()).await.is_ok());
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_minted_by_a_call_that_raced_a_logout_survives() {
    let app = Arc::new(TestApp::start().await);
    app.sign_in_username("alice").await;
    for round in 0..200 {
        let login = app.post("/api/auth/login", &json!({ "username": "alice", "password": PASSWORD })).await;
        let token = login.json()["token"].as_str().unwrap().to_owned();
        let racers: Vec<_> = (0..4)
            .map(|racer| {
                let (app, token) = (Arc::clone(&app), token.clone());
                tokio::spawn(async move {
                    if racer == round % 4 {
                        let reply = wire::call(&app, wire::LOGOUT, &[("token", &token)], &[]).await;
                        assert_eq!((reply.code(), reply.token()), (Code::Ok, None));
                        return None;
                    }
                    wire::me(&app, &[("token", &token)]).await.token().map(str::to_owned)
                })
            })
            .collect();
        let mut tokens = vec![token];
        for racer in racers {
            tokens.extend(racer.await.unwrap());
        }
        for token in tokens {
            assert_eq!(wire::me(&app, &[("token", &token)]).await.reason(), "TOKEN_INVALID", "round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_of_a_login_that_raced_a_disable_survives() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    let app = Arc::new(app);
    let operator = app.operator().await;
    app.sign_in_username("alice").await;
    let id = id(&operator, "alice").await;
    let login = async |app: &TestApp| {
        let login = app.post("/api/auth/login", &json!({ "username": "alice", "password": PASSWORD })).await;
        login.json()["token"].as_str().map(str::to_owned)
    };
    let unknown = "/countersign.v1.AuthService/NoSuchMethod";
    for round in 0..20 {
        let mut tokens = vec![login(&app).await.expect("enabled")];
        let racers: Vec<_> = (0..4)
            .map(|_| {
                let app = Arc::clone(&app);
                tokio::spawn(async move { login(&app).await })
            })
            .collect();
        assert!(operator.set_status(id, AccountStatus::Inactive, false).await.unwrap());
        for racer in racers {
            tokens.extend(racer.await.unwrap());
        }
        for token in tokens {
            assert_eq!(wire::me(&app, &[("token", &token)]).await.reason(), "TOKEN_INVALID", "round {round}");
            let refused = wire::eventually(SECOND, async || {
                wire::call(&app, unknown, &[("token", &token)], &[]).await.code() == Code::Unauthenticated
            });
            assert!(refused.await, "round {round}: the layer still lets it through after a second");
        }
        assert_eq!(login(&app).await, None, "disabled");
        assert!(operator.set_status(id, AccountStatus::Active, false).await.unwrap());
    }
    served.stop().await;
}

#[tokio::test]
async fn a_token_that_slid_while_its_logout_waited_for_the_database_stays_dead_until_it_expires() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let mut other = database(&app).await;
    other.execute("begin immediate").await.unwrap();

    let request = wire::request(wire::LOGOUT, &[("token", &token)], &[]);
    let mut logout = Box::pin(app.service.clone().oneshot(request));
    let waited = tokio::time::timeout(Duration::from_millis(50), &mut logout).await;
    assert!(waited.is_err(), "it waits for the other writer");
    // Three seconds later the session is still live and slides.
    app.clock.advance(3);
    let slid = Face::Grpc.slide(&app, &token).await.unwrap();
    other.execute("rollback").await.unwrap();
    let answer = logout.await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers().get("grpc-status")), (200, None));
    drop(answer);
    assert_eq!(Face::Grpc.slide(&app, &slid).await, Err("TOKEN_INVALID".to_owned()));

    // The last seconds of the fresh token. The logout must be remembered until it expires.
    app.clock.advance(3_600 - 2);
    let app = app.restart(&[]).await;
    assert_eq!(Face::Grpc.slide(&app, &slid).await, Err("TOKEN_INVALID".to_owned()), "it has two seconds left");
}

#[tokio::test]
async fn a_token_that_claims_to_live_longer_than_any_may_is_refused() {
    let app = TestApp::start().await;
    let mut claims = forge::claims(&app.sign_in_username("alice").await);
    // Tokens that another service with the same secret might issue.
    for exp in [START + 90 * 86_400 + 1, i64::MAX] {
        claims["exp"] = json!(exp);
        assert_dead(&app, "at once", &[forge::token(&claims)]).await;
    }
    claims["exp"] = json!(START + 90 * 86_400);
    assert!(Face::Grpc.slide(&app, &forge::token(&claims)).await.is_ok());
}
