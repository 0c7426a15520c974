//! Guesses by strangers do not lock out the owner, because a device that has signed in before has a count of failures
//! of its own. Strangers gain nothing by this: device values that the server did not issue are ignored, and an attacker
//! with every value that the account was ever given has the guesses of five devices.

use std::collections::HashSet;

use countersign::domain::{AccountStatus, Handle};
use countersign::pb;
use http::StatusCode;
use prost::Message as _;
use serde_json::{Value, json};
use tonic::Code;

use super::{WRONG, by, fail, login, refused};
use crate::forge;
use crate::support::postgres::Database;
use crate::support::{Answer, PASSWORD, TestApp};
use crate::wire;

/// An app on each engine, with its database.
async fn apps() -> Vec<(TestApp, Option<Database>)> {
    let mut apps = vec![(TestApp::start().await, None)];
    if let Some(database) = Database::create().await {
        apps.push((TestApp::with(&[&format!("--database-url={}", database.url())]).await, Some(database)));
    }
    apps
}

/// Advances both the time of day and the monotonic clock.
fn pass(app: &TestApp, seconds: u32) {
    app.clock.advance(seconds.into());
    app.clock.elapse(seconds.into());
}

/// A login over the username API with these headers.
async fn login_with(app: &TestApp, headers: &[(&str, &str)], name: &str, password: &str) -> Answer {
    app.post_with("/api/auth/login", headers, &json!({ "username": name, "password": password })).await
}

/// Signs in, and returns the device value of the answer.
async fn device(app: &TestApp, name: &str) -> String {
    let answer = login(app, name, PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
    answer.header("device").expect("what a device keeps").to_owned()
}

/// Uses up the free failures of a name.
async fn lock_out(app: &TestApp, name: &str) {
    fail(app, name, 10).await;
    refused(app, name).await;
}

/// Asserts that these headers do not lift the delay that strangers have caused.
async fn is_no_device(app: &TestApp, headers: &[(&str, &str)], name: &str, what: &str) {
    let before = app.hasher.runs();
    let answer = login_with(app, headers, name, PASSWORD).await;
    assert_eq!((answer.status, app.hasher.runs()), (StatusCode::TOO_MANY_REQUESTS, before), "{what}");
}

#[tokio::test]
async fn strangers_who_guess_do_not_keep_a_device_out_that_has_signed_in_before() {
    for (app, _database) in apps().await {
        app.sign_in_username("alice").await;
        let known = device(&app, "alice").await;
        lock_out(&app, "alice").await;
        let answer = login_with(&app, &[("device", &known)], "ALICE", PASSWORD).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
        let token = answer.json()["token"].as_str().unwrap().to_owned();
        let me = app.get("/api/auth/me", &[("token", &token)]).await;
        assert!(me.header("device").is_none(), "it is an answer to sign-ins only");
        let fresh = answer.header("device").unwrap().to_owned();
        // The strangers' count is unchanged, and can still grow until the account is locked.
        assert!(refused(&app, "alice").await <= 30);
        for _ in 10..100 {
            pass(&app, 3_600);
            fail(&app, "alice", 1).await;
        }
        assert_eq!(refused(&app, "alice").await, 3_600, "it is locked");
        assert_eq!(login_with(&app, &[("device", &fresh)], "alice", PASSWORD).await.status, StatusCode::OK);
        assert_eq!(refused(&app, "alice").await, 3_600, "for everybody else, it still is");
    }
}

#[tokio::test]
async fn every_protocol_takes_the_device_as_a_field_or_a_header_and_gives_it() {
    let app = TestApp::start().await;
    app.sign_in_email("ada@example.com").await;
    let handle = || Some(pb::login_request::Handle::Email("ada@example.com".to_owned()));
    let message =
        |device: &str| pb::LoginRequest { handle: handle(), password: PASSWORD.to_owned(), device: device.to_owned() };
    let reply = wire::call(&app, wire::LOGIN, &[], &message("").encode_to_vec()).await;
    let known = pb::LoginResponse::decode(reply.message.unwrap()).unwrap().device;
    for _ in 0..10 {
        assert_eq!(by(&app, "gRPC", "ada@example.com", WRONG).await, "INVALID_CREDENTIALS");
    }
    assert_eq!(by(&app, "gRPC", "ada@example.com", PASSWORD).await, "TOO_MANY_ATTEMPTS");

    let by_field = wire::call(&app, wire::LOGIN, &[], &message(&known).encode_to_vec()).await;
    let by_metadata = wire::call(&app, wire::LOGIN, &[("device", &known)], &message("").encode_to_vec()).await;
    for reply in [by_field, by_metadata] {
        assert_eq!(reply.code(), Code::Ok);
        assert!(!pb::LoginResponse::decode(reply.message.unwrap()).unwrap().device.is_empty());
    }
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    let mut with_field = body.clone();
    with_field["device"] = known.as_str().into();
    let by_header = [("device", known.as_str())];
    let of_rest = app.post_with("/v1/sessions:login", &by_header, &body).await;
    let of_rest_field = app.post("/v1/sessions:login", &with_field).await;
    for answer in [of_rest, of_rest_field] {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
        assert!(answer.json()["device"].is_string());
    }
    let of_email = app.post_with("/auth/login", &by_header, &body).await;
    assert_eq!(of_email.status, StatusCode::OK, "{}", of_email.json());
    assert!(of_email.header("device").is_some());
    let keys: Vec<_> = of_email.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["access_token", "token_type", "expires_in", "user"], "as the contract has it");
    // Without the device value, the delay still applies.
    assert_eq!(app.post("/auth/login", &body).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn what_is_no_device_of_this_account_is_ignored() {
    for (app, _database) in apps().await {
        for name in ["alice", "mallory"] {
            app.sign_in_username(name).await;
        }
        let (known, of_mallory) = (device(&app, "alice").await, device(&app, "mallory").await);
        lock_out(&app, "alice").await;
        let (payload, signature) = known.split_once('.').unwrap();
        let other_payload = of_mallory.split_once('.').unwrap().0;
        for (what, sent) in [
            ("another account's", of_mallory.clone()),
            ("another account's with this one's signature", format!("{other_payload}.{signature}")),
            ("a signature alone", format!(".{signature}")),
            ("no signature", payload.to_owned()),
            ("one character more", format!("{known}A")),
            ("one character less", known[..known.len() - 1].to_owned()),
            ("nothing", String::new()),
            ("very long", "A".repeat(4_000)),
        ] {
            is_no_device(&app, &[("device", &sent)], "alice", what).await;
        }
        // A bad device value does not prevent a sign-in with the right password.
        let answer = login_with(&app, &[("device", "no device at all")], "mallory", PASSWORD).await;
        assert_eq!(answer.status, StatusCode::OK);
        // The field of the body takes precedence over the header.
        let body = json!({ "username": "alice", "password": PASSWORD, "device": of_mallory });
        let answer = app.post_with("/v1/sessions:login", &[("device", &known)], &body).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    }
}

#[tokio::test]
async fn a_device_is_good_for_180_days_after_its_last_sign_in() {
    const DAY: i64 = 86_400;
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    let known = device(&app, "alice").await;
    app.clock.advance(180 * DAY - 1);
    lock_out(&app, "alice").await;
    let answer = login_with(&app, &[("device", &known)], "alice", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK);
    let renewed = answer.header("device").unwrap().to_owned();
    app.clock.advance(1);
    is_no_device(&app, &[("device", &known)], "alice", "after 180 days").await;
    assert_eq!(login_with(&app, &[("device", &renewed)], "alice", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn another_password_makes_every_device_void() {
    const NEW: &str = "another one altogether";
    for (app, _database) in apps().await {
        let token = app.sign_in_username("alice").await;
        let known = device(&app, "alice").await;
        let body = json!({ "current_password": PASSWORD, "new_password": NEW });
        let answer = app.post_with("/v1/me:changePassword", &[("token", &token)], &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
        lock_out(&app, "alice").await;
        let answer = login_with(&app, &[("device", &known)], "alice", NEW).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    }
}

#[tokio::test]
async fn a_token_of_a_session_that_has_not_ended_shows_the_device_too_also_an_expired_one() {
    for (app, _database) in apps().await {
        let (token, another) = (app.sign_in_username("alice").await, app.sign_in_username("mallory").await);
        let ended = login(&app, "alice", PASSWORD).await.json()["token"].as_str().unwrap().to_owned();
        assert_eq!(app.post_empty("/auth/logout", &[("token", &ended)]).await.status, StatusCode::OK);
        lock_out(&app, "alice").await;
        let bearer = format!("Bearer {token}");
        for headers in [[("token", token.as_str())], [("authorization", bearer.as_str())]] {
            assert_eq!(login_with(&app, &headers, "alice", PASSWORD).await.status, StatusCode::OK);
        }
        pass(&app, 2 * 3_600);
        assert_eq!(app.get("/api/auth/me", &[("token", &token)]).await.status, StatusCode::UNAUTHORIZED);
        lock_out_again(&app, "alice").await;
        assert_eq!(login_with(&app, &[("token", &token)], "alice", PASSWORD).await.status, StatusCode::OK, "expired");
        let mut claims = forge::claims(&token);
        claims["sub"] = forge::claims(&another)["sub"].clone();
        let forged =
            forge::signed_with(&"x".repeat(40), jsonwebtoken::Algorithm::HS256, token.rsplit_once('.').unwrap().0);
        for (what, sent) in [
            ("another account's", another.as_str()),
            ("of a session that has ended", &ended),
            ("of a session of another account", &forge::token(&claims)),
            ("signed with another key", &forged),
            ("garbage", "undefined"),
        ] {
            is_no_device(&app, &[("token", sent)], "alice", what).await;
        }
        // The session has reached its greatest age, so its token no longer counts as a device.
        pass(&app, 40 * 86_400);
        lock_out_again(&app, "alice").await;
        is_no_device(&app, &[("token", &token)], "alice", "of a session that is over").await;
    }
}

/// Fails until the name is delayed again.
async fn lock_out_again(app: &TestApp, name: &str) {
    fail(app, name, 1).await;
    refused(app, name).await;
}

#[tokio::test]
async fn a_device_that_guesses_has_a_schedule_of_its_own_and_no_count_of_others_is_changed() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    let known = device(&app, "alice").await;
    let headers = [("device", known.as_str())];
    fail(&app, "alice", 3).await;
    for failure in 1..=10 {
        let before = app.hasher.runs();
        let answer = login_with(&app, &headers, "alice", WRONG).await;
        assert_eq!((answer.status, app.hasher.runs() - before), (StatusCode::UNAUTHORIZED, 1), "failure {failure}");
    }
    is_no_device(&app, &headers, "alice", "it has to wait, as anybody who guesses").await;
    // For other callers the name has seven free failures left. The device's failures have taken none of them.
    fail(&app, "alice", 7).await;
    assert_eq!(refused(&app, "alice").await, 30);
    // An administrator sees both counts, and clears both.
    let (operator, handle) = (app.operator().await, Handle::parse("alice").unwrap());
    let tried: Vec<_> =
        operator.list_attempts(None, 10).await.unwrap().found.iter().map(|spent| spent.tried()).collect();
    assert_eq!(HashSet::from_iter(tried), HashSet::from([Some("login"), Some("device")]));
    assert!(operator.clear_attempts(&handle).await.unwrap());
    assert_eq!(login_with(&app, &headers, "alice", PASSWORD).await.status, StatusCode::OK);
    assert_eq!(operator.list_attempts(None, 10).await.unwrap().found, []);
}

#[tokio::test]
async fn whoever_holds_a_hundred_devices_of_an_account_has_the_guesses_of_five() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    let mut devices = Vec::new();
    for _ in 0..100 {
        devices.push(device(&app, "alice").await);
    }
    let before = app.hasher.runs();
    for _ in 0..10 {
        for device in &devices {
            login_with(&app, &[("device", device)], "alice", WRONG).await;
        }
    }
    // A hundred sign-ins without a device value miss one of the five devices once in a thousand million runs.
    assert_eq!(app.hasher.runs() - before, 50, "ten a device");
    // After a hundred failures each device is locked. An hour allows one more guess of each of the five. The first hour
    // shows that no other value is tried. Later hours stop after five tries, until all five are locked.
    for hour in 0..100 {
        app.clock.advance(3_600);
        let tried = app.hasher.runs();
        for device in &devices {
            login_with(&app, &[("device", device)], "alice", WRONG).await;
            if (1..90).contains(&hour) && app.hasher.runs() - tried == 5 {
                break;
            }
        }
        assert_eq!(app.hasher.runs() - tried, if hour < 90 { 5 } else { 0 }, "hour {hour}");
    }
    assert_eq!(app.hasher.runs() - before, 500);
    assert_eq!(login(&app, "alice", PASSWORD).await.status, StatusCode::OK, "the name is not locked by that");
}

#[tokio::test]
async fn of_guesses_at_once_from_one_device_no_more_are_tried_than_may_fail() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    let known = device(&app, "alice").await;
    let before = app.hasher.runs();
    let headers = [("device", known.as_str())];
    let guesses = (0..50).map(|_| login_with(&app, &headers, "alice", WRONG));
    let answers = futures_util::future::join_all(guesses).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == StatusCode::UNAUTHORIZED).count(), 10);
    assert_eq!(app.hasher.runs() - before, 10);
}

#[tokio::test]
async fn a_device_of_a_disabled_account_learns_no_more_than_anybody() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    let known = device(&app, "alice").await;
    let operator = app.operator().await;
    let alice = operator.find(&Handle::parse("alice").unwrap()).await.unwrap().unwrap();
    operator.set_status(alice.id, AccountStatus::Inactive, false).await.unwrap();
    let answers =
        [login_with(&app, &[("device", &known)], "alice", PASSWORD).await, login(&app, "nobody", WRONG).await];
    let bodies: Vec<Value> = answers.iter().map(Answer::json).collect();
    assert_eq!((answers[0].status, &bodies[0]), (answers[1].status, &bodies[1]));
}
