//! Concurrent guesses: never more are tried than may fail, in whatever order they arrive and on however many replicas.
//! A caller with the right password gets in. A caller that hangs up early does not save its guess.

use std::net::SocketAddr;

use countersign::domain::Handle;
use countersign::hashing::Dropped;
use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::json;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::task::JoinSet;
use tonic::Code;

use super::{Duration, WRONG, fail, login, message, refused};
use crate::hash_lane::{COSTLIEST, flood};
use crate::support::http::call;
use crate::support::postgres::Database;
use crate::support::{PASSWORD, TestApp};
use crate::wire;

const SOON: Duration = Duration::from_secs(10);

/// The status of a login over a connection of its own.
async fn over_socket(address: SocketAddr, name: String, password: &'static str) -> StatusCode {
    let body = json!({ "username": name, "password": password });
    call(address, Method::POST, "/api/auth/login", &[], &body).await.unwrap().status
}

fn count(answers: &[StatusCode], status: StatusCode) -> usize {
    answers.iter().filter(|answer| **answer == status).count()
}

/// The number of stored failures.
async fn failures(app: &TestApp, name: &str) -> u32 {
    app.operator().await.attempt_state(&Handle::parse(name).unwrap()).await.unwrap().failures
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_guesses_at_once_ten_are_tried_and_the_right_one_after_them_never_succeeds() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    for round in 0..5 {
        let name = format!("victim {round}");
        app.sign_in_username(&name).await;
        let before = app.hasher.runs();
        let mut calls = JoinSet::new();
        for _ in 0..10 {
            calls.spawn(over_socket(served.address, name.clone(), WRONG));
        }
        // All ten are in the queue or have been hashed.
        let admitted = async || app.hasher.runs() - before + app.hasher.stats().waiting as u64 >= 10;
        assert!(wire::eventually(SOON, admitted).await);
        for guess in 10..100 {
            let password = if guess % 10 == round { PASSWORD } else { WRONG };
            calls.spawn(over_socket(served.address, name.clone(), password));
        }
        let answers = calls.join_all().await;
        assert_eq!(count(&answers, StatusCode::UNAUTHORIZED), 10, "{answers:?}");
        assert_eq!(count(&answers, StatusCode::TOO_MANY_REQUESTS), 90, "{answers:?}");
        assert_eq!((app.hasher.runs() - before, failures(&app, &name).await), (10, 10));
        // When the delay is over, one guess is tried, and then the next delay begins.
        app.clock.advance(30);
        let before = app.hasher.runs();
        let mut calls = JoinSet::new();
        for _ in 0..30 {
            calls.spawn(over_socket(served.address, name.clone(), WRONG));
        }
        assert_eq!(count(&calls.join_all().await, StatusCode::UNAUTHORIZED), 1);
        assert_eq!(app.hasher.runs() - before, 1);
    }
    served.stop().await;
}

#[tokio::test]
async fn in_the_order_of_their_arrival_the_eleventh_is_refused_and_the_tenth_gets_in() {
    let app = TestApp::start().await;
    for (name, right, gets_in) in [("alice", 10, false), ("bobby", 9, true), ("nobody", 10, false)] {
        if name != "nobody" {
            app.sign_in_username(name).await;
        }
        let guesses = (0..100).map(|guess| login(&app, name, if guess == right { PASSWORD } else { WRONG }));
        let answers: Vec<_> = join_all(guesses).await.into_iter().map(|answer| answer.status).collect();
        assert_eq!(answers[right] == StatusCode::OK, gets_in, "{name}: {answers:?}");
        assert_eq!(count(&answers, StatusCode::OK), usize::from(gets_in), "{name}");
        if !gets_in {
            assert_eq!(count(&answers, StatusCode::UNAUTHORIZED), 10, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_knows_the_password_gets_in_however_many_do_at_once() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    app.sign_in_username("alice").await;
    for before in [0, 5, 9] {
        fail(&app, "alice", before).await;
        let mut calls = JoinSet::new();
        for _ in 0..20 {
            calls.spawn(over_socket(served.address, "alice".to_owned(), PASSWORD));
        }
        assert_eq!(calls.join_all().await, [StatusCode::OK; 20], "after {before} failures");
        assert_eq!(failures(&app, "alice").await, 0);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_one_budget_also_at_the_same_moment() {
    let Some(database) = Database::create().await else { return };
    let flag = format!("--database-url={}", database.url());
    let (here, there) = (TestApp::with(&[&flag]).await, TestApp::with(&[&flag]).await);
    for (round, name) in ["alice", "bobby", "carol"].into_iter().enumerate() {
        here.sign_in_username(name).await;
        let mut calls = JoinSet::new();
        for guess in 0..100 {
            let service = if guess % 2 == 0 { here.service.clone() } else { there.service.clone() };
            calls.spawn(async move {
                let body = json!({ "username": name, "password": WRONG }).to_string();
                let headers = [("content-type", "application/json")];
                let request = crate::support::app::request(Method::POST, "/api/auth/login", &headers, body.into());
                tower::ServiceExt::oneshot(service, request).await.unwrap().status()
            });
        }
        let answers = calls.join_all().await;
        assert_eq!(count(&answers, StatusCode::UNAUTHORIZED), 10, "{answers:?}");
        assert_eq!(count(&answers, StatusCode::TOO_MANY_REQUESTS), 90, "{answers:?}");
        for app in [&here, &there] {
            // Each replica read the database's time when it was started, so the two differ by a moment.
            let wait = refused(app, name).await;
            assert!((25..=30).contains(&wait), "{wait}");
        }
        assert_eq!(failures(&there, name).await, 10);
        let (first, second) = if round % 2 == 0 { (&here, &there) } else { (&there, &here) };
        for app in [&here, &there] {
            app.clock.advance(35);
            app.clock.elapse(35);
        }
        assert_eq!(login(first, name, PASSWORD).await.status, StatusCode::OK);
        assert_eq!(failures(second, name).await, 0);
    }
}

/// Gives an account the most costly hash that is allowed, which takes seconds to check.
async fn make_costly(app: &TestApp) {
    let hash = format!("$argon2id$v=19${COSTLIEST}$c2FsdHNhbHRzYWx0c2FsdA$DypaBJkkdvsZ8JTUF9/H4tXaGPTclUAk9xuYCEmg9lQ");
    let file = SqliteConnectOptions::new().filename(app.database());
    let mut database = SqliteConnection::connect_with(&file).await.unwrap();
    sqlx::query("update accounts set password_hash = ?").bind(hash).execute(&mut database).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guess_whose_hash_has_begun_counts_whoever_stays_to_hear_and_another_does_not() {
    let mut app = TestApp::with(&["--hash-threads=1"]).await;
    app.sign_in_username("alice").await;
    make_costly(&app).await;
    let served = app.serve().await;
    let [begun, waiting] = [(); 2].map(|()| tokio::spawn(over_socket(served.address, "alice".to_owned(), PASSWORD)));
    let both = async || app.hasher.stats().running == 1 && app.hasher.stats().waiting == 1;
    assert!(wire::eventually(SOON, both).await);
    // Both callers hang up.
    begun.abort();
    waiting.abort();
    let left = async || app.hasher.stats().dropped[Dropped::Gone as usize] == 1;
    assert!(wire::eventually(SOON, left).await);
    assert!(wire::eventually(Duration::from_secs(60), async || failures(&app, "alice").await == 1).await);
    assert_eq!(app.hasher.runs(), 2, "the registration's, and one");

    // A guess with a short deadline is counted, too.
    let reply = wire::call(&app, wire::LOGIN, &[("grpc-timeout", "500m")], &message("alice", WRONG)).await;
    assert_eq!(reply.code(), Code::DeadlineExceeded);
    assert!(wire::eventually(Duration::from_secs(60), async || failures(&app, "alice").await == 2).await);
    served.stop().await;
}

#[tokio::test]
async fn who_finds_no_room_to_hash_has_not_failed() {
    let app = TestApp::with(&["--hash-threads=1", "--hash-queue=1"]).await;
    app.sign_in_username("alice").await;
    let waiting = flood(&app, 2, COSTLIEST).await;
    for _ in 0..20 {
        assert_eq!(login(&app, "alice", WRONG).await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    drop(waiting);
    assert_eq!(failures(&app, "alice").await, 0);
}
