//! Limits on password guesses. Ten failures at one name are free, then guesses are delayed, whichever protocol they use
//! and however many are concurrent. The limits are the same for a name that does not exist. A caller with the password,
//! or with a session, is not delayed. Concurrent guesses are in `guessing/races`, budgets of addresses in
//! `guessing/addresses`, and known devices in `guessing/devices`.

mod addresses;
mod devices;
mod races;

use std::time::Duration;

use countersign::domain::Handle;
use countersign::pb::{LoginRequest, login_request};
use countersign_guard::clock::Clock as _;
use http::{HeaderMap, StatusCode};
use prost::Message as _;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::postgres::Database;
use crate::support::{Answer, PASSWORD, TestApp};
use crate::wire;

const WRONG: &str = "not the password";

/// A login over the username API.
async fn login(app: &TestApp, name: &str, password: &str) -> Answer {
    app.post("/api/auth/login", &json!({ "username": name, "password": password })).await
}

/// Fails this many times, each time with one hash.
async fn fail(app: &TestApp, name: &str, times: usize) {
    for time in 1..=times {
        let before = app.hasher.runs();
        let answer = login(app, name, WRONG).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}, failure {time}: {}", answer.json());
        assert_eq!(app.hasher.runs() - before, 1, "{name}, failure {time}");
    }
}

/// The seconds in the `retry-after` header.
fn retry_after(answer: &Answer) -> u64 {
    answer.header("retry-after").expect("when to come back").parse().unwrap()
}

/// Asserts that the right password is refused without a hash. Returns for how many seconds.
async fn refused(app: &TestApp, name: &str) -> u64 {
    let before = app.hasher.runs();
    let answer = login(app, name, PASSWORD).await;
    assert_eq!(app.hasher.runs(), before, "{name}");
    let seconds = retry_after(&answer);
    let text = "too many attempts: try again after the time in Retry-After";
    let body = json!({ "statusCode": 429, "error": "Too Many Requests", "message": text });
    answer.assert(name, 429, &[("retry-after", &seconds.to_string())], &body);
    seconds
}

fn message(handle: &str, password: &str) -> Vec<u8> {
    let handle = match Handle::parse(handle).unwrap() {
        Handle::Username(_) => login_request::Handle::Username(handle.to_owned()),
        Handle::Email(_) => login_request::Handle::Email(handle.to_owned()),
    };
    LoginRequest { handle: Some(handle), password: password.to_owned(), device: String::new() }.encode_to_vec()
}

#[tokio::test]
async fn ten_failures_are_free_then_waits_grow_to_an_hour_and_none_comes_after_the_hundredth() {
    let app = TestApp::start().await;
    for name in ["alice", "nobody"] {
        if name == "alice" {
            app.sign_in_username(name).await;
        }
        fail(&app, name, 10).await;
        let mut waits = Vec::new();
        for failures in 10..100 {
            let wait = refused(&app, name).await;
            waits.push(wait);
            app.clock.advance(wait.try_into().unwrap());
            app.clock.advance(-1);
            assert_eq!(refused(&app, name).await, 1, "after {failures} failures");
            app.clock.advance(1);
            fail(&app, name, 1).await;
        }
        assert_eq!(waits[..9], [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600], "{name}");
        assert!(waits[9..].iter().all(|&wait| wait == 3_600), "{name}: {waits:?}");
        // The account stays locked until an administrator unlocks it.
        app.clock.advance(60 * 86_400);
        assert_eq!(refused(&app, name).await, 3_600, "{name}");
    }
    let (operator, alice) = (app.operator().await, Handle::parse("alice").unwrap());
    let state = operator.attempt_state(&alice).await.unwrap();
    let hour = app.clock.now() + Duration::from_secs(3_600);
    assert_eq!((state.failures, state.blocked_until, state.locked), (100, Some(hour), true));
    let listed = operator.list_attempts(None, 500).await.unwrap().found;
    assert_eq!(listed.iter().filter(|listed| listed.account.is_some()).count(), 1);
    assert_eq!((listed.len(), operator.clear_attempts(&alice).await.unwrap()), (2, true));
    assert!(!operator.clear_attempts(&alice).await.unwrap());
    assert_eq!(login(&app, "alice", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_success_begins_anew_and_whoever_is_signed_in_notices_nothing() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    for _ in 0..3 {
        fail(&app, "alice", 9).await;
        assert_eq!(login(&app, "alice", PASSWORD).await.status, StatusCode::OK);
    }
    fail(&app, "alice", 10).await;
    refused(&app, "alice").await;
    // The session is not affected. After the wait, a login with the right password resets the count.
    let answer = app.get("/api/auth/me", &[("token", &token)]).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    app.clock.advance(30);
    assert_eq!(login(&app, "alice", PASSWORD).await.status, StatusCode::OK);
    fail(&app, "alice", 10).await;
    assert_eq!(refused(&app, "alice").await, 30);
    assert_eq!(login(&app, "bobby", WRONG).await.status, StatusCode::UNAUTHORIZED, "another's budget is its own");
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    fail(&app, "alice", 6).await;
    let app = app.restart(&[]).await;
    fail(&app, "alice", 4).await;
    assert_eq!(refused(&app, "alice").await, 30);
    let app = app.restart(&[]).await;
    assert_eq!(refused(&app, "alice").await, 30);
}

/// Tries an email account by this way of signing in, and returns the reason of the refusal.
async fn by(app: &TestApp, way: &str, email: &str, password: &str) -> String {
    let body = json!({ "email": email, "password": password });
    let reason = |code: &Value| code.as_str().unwrap_or_default().to_uppercase();
    match way {
        "gRPC" => wire::call(app, wire::LOGIN, &[], &message(email, password)).await.reason(),
        "gRPC-Web" => {
            let headers = [("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1")];
            let body = wire::frame(&message(email, password));
            let answer = app.send(crate::support::app::request(http::Method::POST, wire::LOGIN, &headers, body.into()));
            let answer = answer.await;
            let status = tonic::Status::from_header_map(&answer.headers).expect("a refusal at once");
            status.get_details_error_info().unwrap().reason
        }
        "the email API" => reason(&app.post("/auth/login", &body).await.json()["error_code"]),
        "REST" => {
            let answer = app.post("/v1/sessions:login", &body).await.json();
            let details = answer["details"].as_array().unwrap();
            reason(details.iter().map(|detail| &detail["reason"]).find(|reason| reason.is_string()).unwrap())
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn every_spelling_and_protocol_shares_one_budget() {
    let app = TestApp::start().await;
    app.sign_in_email("ada@example.com").await;
    let spellings = ["ada@example.com", "ADA@example.com", " ada@Example.COM "];
    let ways = ["gRPC", "gRPC-Web", "the email API", "REST"];
    let tries = spellings.iter().cycle().zip(ways.iter().cycle());
    for (email, way) in tries.clone().take(10) {
        assert_eq!(by(&app, way, email, WRONG).await, "INVALID_CREDENTIALS", "{way}, {email}");
    }
    for (email, way) in tries.take(12) {
        let expected = if way == &"the email API" { "TOO_MANY_REQUESTS" } else { "TOO_MANY_ATTEMPTS" };
        assert_eq!(by(&app, way, email, PASSWORD).await, expected, "{way}, {email}");
    }
    // The username API has usernames, which are folded, too.
    app.sign_in_username("straße").await;
    for name in ["straße", "STRASSE", "Straße", " straße", "strasse"].iter().cycle().take(10) {
        login(&app, name, WRONG).await;
    }
    let handle = Handle::parse("straße").unwrap();
    let operator = app.operator().await;
    let failures = operator.attempt_state(&handle).await.unwrap().failures;
    assert!(failures >= 6, "{failures}");
}

/// The headers that must be equal in all answers.
fn comparable(mut headers: HeaderMap) -> HeaderMap {
    assert!(headers.remove("request-id").is_some());
    headers
}

#[tokio::test]
async fn a_refusal_is_the_same_whether_anybody_has_the_name_or_not_and_says_when_to_come_back() {
    let app = TestApp::start().await;
    let names = ["known", "unknown", "disabled"];
    for name in ["known", "disabled"] {
        app.sign_in_username(name).await;
        app.sign_in_email(&format!("{name}@example.com")).await;
    }
    let operator = app.operator().await;
    for domain in ["", "@example.com"] {
        let disabled = operator.find(&Handle::parse(&format!("disabled{domain}")).unwrap()).await.unwrap().unwrap();
        operator.set_status(disabled.id, countersign::domain::AccountStatus::Inactive, false).await.unwrap();
    }
    for (path, field, domain) in [
        ("/api/auth/login", "username", ""),
        ("/auth/login", "email", "@example.com"),
        ("/v1/sessions:login", "username", ""),
    ] {
        let mut answers = Vec::new();
        for name in names {
            let body = json!({ field: format!("{name}{domain}"), "password": WRONG });
            for _ in 0..10 {
                app.post(path, &body).await;
            }
            answers.push(app.post(path, &body).await);
        }
        for answer in &answers {
            assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
            assert_eq!(answer.body, answers[0].body, "{path}");
            assert_eq!(comparable(answer.headers.clone()), comparable(answers[0].headers.clone()), "{path}");
        }
        let too_many = "too many attempts: try again after the time in Retry-After";
        if path == "/auth/login" {
            let body = json!({ "detail": too_many, "error_code": "too_many_requests", "error": "too_many_requests" });
            answers[0].assert(path, 429, &[("retry-after", "30")], &body);
        }
    }
    let mut replies = Vec::new();
    for name in names {
        let before = app.hasher.runs();
        let reply = wire::call(&app, wire::LOGIN, &[], &message(&format!("{name}@example.com"), PASSWORD)).await;
        assert_eq!(app.hasher.runs(), before);
        assert_eq!((reply.code(), reply.reason().as_str()), (Code::ResourceExhausted, "TOO_MANY_ATTEMPTS"));
        assert_eq!(reply.status.message(), "too many attempts: try again in 30 s");
        let delay = reply.status.get_details_retry_info().unwrap().retry_delay;
        assert_eq!(delay, Some(Duration::from_secs(30)));
        replies.push((comparable(reply.headers), reply.status.details().to_vec(), reply.message));
    }
    assert!(replies.iter().all(|reply| *reply == replies[0]));
}

#[tokio::test]
async fn who_cannot_be_counted_is_not_told_that_a_password_was_wrong() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    let file = SqliteConnectOptions::new().filename(app.database());
    let mut database = SqliteConnection::connect_with(&file).await.unwrap();
    let trap = "create trigger full before insert on attempts begin select raise(abort, 'no'); end";
    sqlx::query(trap).execute(&mut database).await.unwrap();
    for name in ["alice", "nobody"] {
        let reply = wire::call(&app, wire::LOGIN, &[], &message(name, WRONG)).await;
        assert_eq!((reply.code(), reply.reason().as_str()), (Code::Internal, ""), "{name}");
    }
    assert_eq!(login(&app, "alice", PASSWORD).await.status, StatusCode::OK);
    drop(app);

    let Some(database) = Database::create().await else { return };
    let app = TestApp::with(&[&format!("--database-url={}", database.url())]).await;
    app.sign_in_username("alice").await;
    let mut connection = database.connect().await;
    for trap in [
        "create function full_disk() returns trigger language plpgsql as
           $$ begin raise exception 'no room' using errcode = 'disk_full'; end $$",
        "create trigger full_disk before insert on attempts for each row execute function full_disk()",
    ] {
        connection.execute(trap).await.unwrap();
    }
    for name in ["alice", "nobody"] {
        let reply = wire::call(&app, wire::LOGIN, &[], &message(name, WRONG)).await;
        assert_eq!((reply.code(), reply.reason().as_str()), (Code::Unavailable, "UNAVAILABLE"), "{name}");
    }
    connection.execute("drop trigger full_disk on attempts").await.unwrap();
    fail(&app, "alice", 10).await;
}

#[tokio::test]
async fn within_a_session_a_password_has_a_budget_of_its_own() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let change = async |current: &str| {
        let body = json!({ "current_password": current, "new_password": "another one altogether" });
        app.post_with("/v1/me:changePassword", &[("token", &token)], &body).await
    };
    // Failed logins of others do not delay a password change …
    fail(&app, "alice", 10).await;
    refused(&app, "alice").await;
    for failure in 1..=10 {
        assert_eq!(change(WRONG).await.status, StatusCode::BAD_REQUEST, "failure {failure}");
    }
    // … but failed changes do. They do not end the session.
    let answer = change(PASSWORD).await;
    assert_eq!((answer.status, retry_after(&answer)), (StatusCode::TOO_MANY_REQUESTS, 30), "{}", answer.json());
    assert_eq!(app.get("/api/auth/me", &[("token", &token)]).await.status, StatusCode::NO_CONTENT);
    app.clock.advance(30);
    let answer = change(PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
    // The password is new, so failures with the old one no longer count.
    assert_eq!(login(&app, "alice", "another one altogether").await.status, StatusCode::OK);
}
