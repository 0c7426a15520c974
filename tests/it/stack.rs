//! The order of the layers, as callers see it: panics are caught outside authentication, and authentication is outside
//! the deadline. Tested over gRPC and over both JSON APIs, which enter at the same place.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use argon2::Params;
use clap::Parser as _;
use countersign::config::Cli;
use countersign::server::{App, RequestRouter};
use countersign_guard::clock::Clock;
use http::Method;
use serde_json::json;
use sqlx::Executor as _;
use time::OffsetDateTime;
use tonic::{Code, Status};
use tower::ServiceExt as _;

use crate::refresh::{Face, database};
use crate::support::app::{PASSWORD, START, request};
use crate::support::{Answer, SECRET, TestApp};
use crate::wire;

#[tokio::test]
async fn a_call_that_runs_out_of_time_was_authenticated_all_the_same() {
    let app = TestApp::start().await;
    let elsewhere = app.sign_in_username("alice").await;
    let login = app.post("/api/auth/login", &json!({ "username": "alice", "password": PASSWORD })).await;
    let token = login.json()["token"].as_str().unwrap().to_owned();
    // Ending the other session must write, and another connection holds the write lock.
    let mut other = database(&app).await;
    other.execute("begin immediate").await.unwrap();
    let end = "/countersign.v1.SessionService/RevokeOtherSessions";
    let reply = wire::call(&app, end, &[("token", &token), ("grpc-timeout", "20m")], &[]).await;
    assert_eq!(reply.code(), Code::DeadlineExceeded);
    let fresh = reply.token().expect("a fresh token").to_owned();
    assert_eq!(wire::me(&app, &[("token", &fresh)]).await.code(), Code::Ok);

    // The caller is gone, but its call is completed.
    other.execute("rollback").await.unwrap();
    let dead = wire::eventually(std::time::Duration::from_secs(5), async || {
        Face::Grpc.slide(&app, &elsewhere).await == Err("TOKEN_INVALID".to_owned())
    });
    assert!(dead.await, "what was begun is finished");
}

#[tokio::test]
async fn whoever_is_not_authenticated_is_told_so_before_anything_else_is_judged() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let bad = ("grpc-timeout", "soon");
    let stranger = wire::me(&app, &[bad]).await;
    assert_eq!((stranger.reason().as_str(), stranger.token()), ("TOKEN_MISSING", None));
    let caller = wire::me(&app, &[bad, ("token", &token)]).await;
    assert_eq!((caller.code(), caller.reason().as_str()), (Code::InvalidArgument, "VALIDATION"));
    assert!(caller.token().is_some(), "its answer carries a fresh token");
    let public = wire::call(&app, wire::LOGIN, &[bad], &[]).await;
    assert_eq!((public.code(), public.token()), (Code::InvalidArgument, None));
}

/// A clock that panics at the `n`th reading. Authentication reads it first, then the handler.
#[derive(Clone, Default)]
struct FragileClock(Arc<AtomicI64>);

impl FragileClock {
    fn panic_at(&self, ask: i64) {
        self.0.store(ask, Ordering::SeqCst);
    }
}

impl Clock for FragileClock {
    fn now(&self) -> OffsetDateTime {
        assert_ne!(self.0.fetch_sub(1, Ordering::SeqCst), 1, "a panic of the tests, with a secret in it");
        OffsetDateTime::from_unix_timestamp(START).unwrap()
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

async fn fragile() -> (RequestRouter, FragileClock, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let flags = [
        "countersign".to_owned(),
        format!("--database-url=sqlite:{}", dir.path().join("test.db").display()),
        format!("--jwt-secret={SECRET}"),
        "--allow-registration=true".to_owned(),
    ];
    let settings = Cli::try_parse_from(flags).unwrap().settings;
    let clock = FragileClock::default();
    let app = App::build(&settings, Arc::new(clock.clone()), Params::new(8, 1, 1, None).unwrap()).await.unwrap();
    (app.service, clock, dir)
}

async fn send(app: &RequestRouter, request: http::Request<axum::body::Body>) -> Answer {
    Answer::read(app.clone().oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn a_panic_in_the_layer_or_in_a_handler_is_one_internal_error_and_the_app_lives_on() {
    let (app, clock, _dir) = fragile().await;
    let body = json!({ "username": "alice", "password": PASSWORD }).to_string();
    let json = [("content-type", "application/json")];
    let register = request(Method::POST, "/api/auth/register", &json, body.into());
    let token = send(&app, register).await.json()["token"].as_str().unwrap().to_owned();
    let credential = [("token", token.as_str())];

    for (name, ask) in [("while the token is verified", 1), ("in the handler", 2)] {
        clock.panic_at(ask);
        let answer = send(&app, wire::request(wire::LOGOUT, &credential, &[])).await;
        assert_eq!(answer.status, 200, "{name}: a gRPC answer");
        let status = Status::from_header_map(&answer.headers).expect(name);
        assert_eq!((status.code(), status.message()), (Code::Internal, "internal error: it has been logged"), "{name}");
        assert!(status.details().is_empty() && answer.body.is_empty(), "{name}");
        assert_eq!(answer.header("grpc-status"), Some("13"), "{name}");

        clock.panic_at(0);
        let after = send(&app, request(Method::GET, "/api/auth/me", &credential, axum::body::Body::empty())).await;
        assert_eq!(after.status, 204, "{name}: nothing was changed, and the next call is answered");
    }
    // A proxy must not take a defect for a decision.
    for (path, status) in [("/api/auth/me", 500), ("/auth/me", 500), ("/v1/forward-auth/account", 503)] {
        clock.panic_at(1);
        let answer = send(&app, request(Method::GET, path, &credential, axum::body::Body::empty())).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("a secret in it"), "{path}");
    }
}
