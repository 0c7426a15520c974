//! Successful calls of the username API, `/api/auth/…`. Its refusals are in `username_refusals`.

use std::collections::BTreeSet;

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::{START, request};
use crate::support::http::over_socket;
use crate::support::token::{claims, header};
use crate::support::{Answer, PASSWORD, TestApp};

/// Asserts a 204 with a fresh token and nothing else, and returns the token.
#[track_caller]
fn fresh(name: &str, me: &Answer) -> String {
    let token = me.token();
    me.assert(name, 204, &[("access-control-expose-headers", "Token"), ("token", &token)], &Value::Null);
    token
}

#[tokio::test]
async fn who_registers_is_signed_in() {
    let app = TestApp::start().await;
    let answer = app.post("/api/auth/register", &json!({ "username": "alice", "password": PASSWORD })).await;
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    answer.assert("no Token header on register", 200, &[], &json!({ "token": token }));
    fresh("signed in", &app.get("/api/auth/me", &[("token", &token)]).await);
}

#[tokio::test]
async fn login_answers_the_token_and_the_user() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    let answer = app.post("/api/auth/login", &json!({ "username": "alice", "password": PASSWORD })).await;
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    answer.assert("no Token header on login", 200, &[], &json!({ "token": token, "user": "alice" }));
    fresh("signed in", &app.get("/api/auth/me", &[("token", &token)]).await);
}

#[tokio::test]
async fn a_username_is_trimmed_and_lower_cased_wherever_it_is_typed() {
    let app = TestApp::start().await;
    let answer = app.post("/api/auth/register", &json!({ "username": "  Alice ", "password": PASSWORD })).await;
    assert_eq!(claims(answer.json()["token"].as_str().unwrap())["username"], "alice");
    for typed in ["alice", "ALICE", "aLiCe", " alice", "alice\n"] {
        let answer = app.post("/api/auth/login", &json!({ "username": typed, "password": PASSWORD })).await;
        let token = answer.json()["token"].as_str().unwrap_or_default().to_owned();
        answer.assert(&format!("{typed:?}"), 200, &[], &json!({ "token": token, "user": "alice" }));
        assert_eq!(claims(&token)["username"], "alice", "{typed:?}");
    }
}

#[tokio::test]
async fn any_visible_character_may_be_in_a_username() {
    let app = TestApp::start().await;
    for name in ["al ice", "🦀🦀🦀", "o'brien", "zoë", "日本語", "<b>", "fifteen letters"] {
        let token = app.sign_in_username(name).await;
        let answer = app.post("/api/auth/login", &json!({ "username": name, "password": PASSWORD })).await;
        answer.assert(name, 200, &[], &json!({ "token": answer.json()["token"], "user": name }));
        fresh(name, &app.get("/api/auth/me", &[("token", &token)]).await);
    }
}

#[tokio::test]
async fn the_limits_of_lengths_are_inclusive() {
    let app = TestApp::start().await;
    let longest = "p".repeat(1_024);
    for (username, password) in [("abc", "12345"), ("abcdefghijklmno", &longest), ("snowmen", "☃☃☃☃☃")] {
        let body = json!({ "username": username, "password": password });
        let answer = app.post("/api/auth/register", &body).await;
        answer.assert(username, 200, &[], &json!({ "token": answer.json()["token"] }));
        let answer = app.post("/api/auth/login", &body).await;
        answer.assert(username, 200, &[], &json!({ "token": answer.json()["token"], "user": username }));
    }
}

#[tokio::test]
async fn a_token_says_who_signed_in_and_lives_for_one_hour() {
    let app = TestApp::start().await;
    let first = app.sign_in_username("Alice").await;
    assert_eq!(header(&first), json!({ "alg": "HS256", "typ": "JWT" }));
    let said = claims(&first);
    assert_eq!(
        (&said["username"], &said["iat"], &said["exp"]),
        (&json!("alice"), &json!(START), &json!(START + 3_600))
    );
    let names: BTreeSet<_> = said.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["auth_time", "epoch", "exp", "iat", "session_exp", "sid", "sub", "username"]));
    for id in ["sub", "sid"] {
        assert!(said[id].as_str().unwrap().parse::<Uuid>().is_ok(), "{id}");
    }

    let login = app.post("/api/auth/login", &json!({ "username": "alice", "password": PASSWORD })).await.json();
    let second = claims(login["token"].as_str().unwrap());
    assert_eq!(second["sub"], said["sub"], "the same account");
    assert_ne!(second["sid"], said["sid"], "another sign-in");
}

#[tokio::test]
async fn a_slash_at_the_end_and_the_letter_case_of_a_path_make_no_difference() {
    let app = TestApp::start().await;
    let body = json!({ "username": "alice", "password": PASSWORD });
    assert_eq!(app.post("/API/Auth/REGISTER/", &body).await.status, 200);
    for path in ["/api/auth/login/", "/api/auth/LOGIN", "/Api/Auth/Login/?from=app"] {
        let login = app.post(path, &body).await;
        assert_eq!((login.status.as_u16(), &login.json()["user"]), (200, &json!("alice")), "{path}");
    }
    let token = app.post("/api/auth/login", &body).await.json()["token"].as_str().unwrap().to_owned();
    for path in ["/api/auth/me/", "/API/AUTH/ME", "/api/auth/mE/"] {
        fresh(path, &app.get(path, &[("token", &token)]).await);
    }
    let refused = app.get("/API/auth/login/", &[]).await;
    assert_eq!((refused.status.as_u16(), refused.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn head_me_answers_as_get_does() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let head = request(Method::HEAD, "/api/auth/me", &[("token", &token)], Body::empty());
    fresh("HEAD", &app.send(head).await);
}

#[tokio::test]
async fn both_carriers_are_read_whatever_the_case_of_their_names() {
    let app = TestApp::start().await;
    let token = &app.sign_in_username("alice").await;
    let bearer = |scheme: &str| format!("{scheme} {token}");
    for (name, headers) in [
        ("token", vec![("token", token.clone())]),
        ("Token", vec![("Token", token.clone())]),
        ("Bearer", vec![("Authorization", bearer("Bearer"))]),
        ("bearer", vec![("authorization", bearer("bearer"))]),
        ("BEARER", vec![("authorization", bearer("BEARER"))]),
        ("the same in both", vec![("token", token.clone()), ("authorization", bearer("Bearer"))]),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fresh(name, &app.get("/api/auth/me", &headers).await);
    }
}

#[tokio::test]
async fn a_second_later_the_fresh_token_is_another_one_and_lives_longer() {
    let app = TestApp::start().await;
    let first = app.sign_in_username("alice").await;
    app.clock.advance(1);
    let second = fresh("me", &app.get("/api/auth/me", &[("token", &first)]).await);
    assert_ne!(first, second);
    let mut expected = claims(&first);
    expected["iat"] = json!(START + 1);
    expected["exp"] = json!(START + 3_601);
    assert_eq!(claims(&second), expected, "but for the times, the same");
    fresh("the first one is still good", &app.get("/api/auth/me", &[("token", &first)]).await);
}

#[tokio::test]
async fn a_client_that_keeps_calling_stays_signed_in() {
    let app = TestApp::start().await;
    let mut token = app.sign_in_username("alice").await;
    for call in 0..24 {
        app.clock.advance(3_599);
        token = fresh(&format!("call {call}"), &app.get("/api/auth/me", &[("token", &token)]).await);
    }
}

#[tokio::test]
async fn a_username_session_ends_with_the_logout_of_the_other_api_by_either_carrier() {
    let app = TestApp::start().await;
    for carrier in ["token", "authorization"] {
        let token = app.sign_in_username(carrier).await;
        app.clock.advance(1);
        let slid = fresh("me", &app.get("/api/auth/me", &[("token", &token)]).await);
        let credential = if carrier == "token" { token.clone() } else { format!("bearer {token}") };
        let answer = app.post_empty("/auth/logout", &[(carrier, &credential)]).await;
        answer.assert(carrier, 200, &[], &json!({ "message": "Logged out successfully" }));
        for token in [&token, &slid] {
            assert_eq!(app.get("/api/auth/me", &[("token", token)]).await.status, 401, "{carrier}");
        }
    }
}

#[tokio::test]
async fn every_route_answers_alike_over_a_real_connection() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    let json = [("content-type", "application/json")];
    let body = || Body::from(json!({ "username": "Alice", "password": PASSWORD }).to_string());

    let answer = over_socket(served.address, request(Method::POST, "/api/auth/register", &json, body())).await;
    answer.assert("register", 200, &[], &json!({ "token": answer.json()["token"] }));
    let answer = over_socket(served.address, request(Method::POST, "/api/auth/login", &json, body())).await;
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    answer.assert("login", 200, &[], &json!({ "token": token, "user": "alice" }));
    for method in [Method::GET, Method::HEAD] {
        let me = request(method.clone(), "/api/auth/me", &[("token", &token)], Body::empty());
        fresh(method.as_str(), &over_socket(served.address, me).await);
    }
    served.stop().await;
}
