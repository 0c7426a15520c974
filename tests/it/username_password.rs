//! `/api/auth/password`, which changes the password of a username account. The route is our addition to the username
//! API, in its style.

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use crate::support::app::request;
use crate::support::{Answer, PASSWORD, TestApp};

const PATH: &str = "/api/auth/password";
const NEW: &str = "f1ve!";

fn error(status: u16, reason: &str, message: &str) -> Value {
    json!({ "statusCode": status, "error": reason, "message": message })
}

async fn send(app: &TestApp, method: Method, headers: &[(&str, &str)], body: &Value) -> Answer {
    let headers = [headers, &[("content-type", "application/json")]].concat();
    app.send(request(method, PATH, &headers, Body::from(body.to_string()))).await
}

#[tokio::test]
async fn another_password_is_answered_with_the_token_alone_and_ends_the_other_sessions() {
    let app = TestApp::start().await;
    for (name, method) in [("alice", Method::PUT), ("bobby", Method::POST)] {
        let mine = app.sign_in_username(name).await;
        let log_in = async |password: &str| {
            app.post("/api/auth/login", &json!({ "username": name, "password": password })).await
        };
        let elsewhere = log_in(PASSWORD).await.json()["token"].as_str().unwrap().to_owned();
        let body = json!({ "currentPassword": PASSWORD, "newPassword": NEW });
        let answer = send(&app, method, &[("token", &mine)], &body).await;
        let token = answer.token();
        let headers = [("access-control-expose-headers", "Token"), ("token", &*token)];
        answer.assert(name, 204, &headers, &Value::Null);
        for (which, token, status) in [("fresh", &token, 204), ("mine", &mine, 204), ("elsewhere", &elsewhere, 401)] {
            assert_eq!(app.get("/api/auth/me", &[("token", token)]).await.status, status, "{name}: {which}");
        }
        assert_eq!((log_in(PASSWORD).await.status.as_u16(), log_in(NEW).await.status.as_u16()), (401, 200), "{name}");
    }
}

#[tokio::test]
async fn the_first_problem_is_named_and_the_current_password_comes_first() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let long = "p".repeat(1_025);
    for (name, body, message) in [
        ("nothing", json!({}), "\"currentPassword\" is required"),
        ("not an object", json!([1]), "\"currentPassword\" is required"),
        ("no current one", json!({ "newPassword": NEW }), "\"currentPassword\" is required"),
        ("no new one", json!({ "currentPassword": PASSWORD }), "\"newPassword\" is required"),
        ("numbers", json!({ "currentPassword": 1, "newPassword": 2 }), "\"currentPassword\" must be a string"),
        ("a null", json!({ "currentPassword": PASSWORD, "newPassword": null }), "\"newPassword\" must be a string"),
        ("empty", json!({ "currentPassword": "", "newPassword": "" }), "\"currentPassword\" is required"),
        (
            "too short",
            json!({ "currentPassword": PASSWORD, "newPassword": "four" }),
            "\"newPassword\" must have at least 5 characters",
        ),
        (
            "too long",
            json!({ "currentPassword": PASSWORD, "newPassword": long }),
            "\"newPassword\" must have at most 1024 bytes",
        ),
        (
            "wrong",
            json!({ "currentPassword": "wr0ng-pass", "newPassword": NEW }),
            "\"currentPassword\" is not the password of this account",
        ),
        (
            "an unknown key",
            json!({ "currentPassword": PASSWORD, "newPassword": NEW, "role": "admin" }),
            "\"role\" is not allowed",
        ),
        (
            "the proto's names",
            json!({ "current_password": PASSWORD, "new_password": NEW }),
            "\"current_password\" is not allowed",
        ),
    ] {
        for method in [Method::PUT, Method::POST] {
            let answer = send(&app, method.clone(), &[("token", &token)], &body).await;
            let fresh = answer.token();
            let headers = [("access-control-expose-headers", "Token"), ("token", &*fresh)];
            let expected = error(422, "Unprocessable Entity", message);
            answer.assert(&format!("{method}: {name}"), 422, &headers, &expected);
        }
    }
    let login = json!({ "username": "alice", "password": PASSWORD });
    assert_eq!(app.post("/api/auth/login", &login).await.status, 200, "nothing has changed");
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_the_answer_is_the_same() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    app.clock.advance(3_600);
    let presented = "Bearer error=\"invalid_token\"";
    let expected = error(401, "Unauthorized", "the token is missing, invalid or expired: log in again");
    let good = json!({ "currentPassword": PASSWORD, "newPassword": NEW });
    for (name, headers, challenge) in [
        ("none", &[][..], "Bearer"),
        ("garbage", &[("token", "garbage")], presented),
        ("expired", &[("token", &*token)], presented),
    ] {
        for body in [&good, &json!({}), &json!({ "extra": 1 })] {
            let answer = send(&app, Method::PUT, headers, body).await;
            answer.assert(name, 401, &[("www-authenticate", challenge)], &expected);
        }
    }
}

#[tokio::test]
async fn an_account_with_an_email_needs_eight_characters_here_too() {
    let app = TestApp::start().await;
    let token = app.sign_in_email("ada@example.com").await;
    let body = json!({ "currentPassword": PASSWORD, "newPassword": "7 chars" });
    let answer = send(&app, Method::PUT, &[("token", &token)], &body).await;
    let fresh = answer.token();
    let headers = [("access-control-expose-headers", "Token"), ("token", &*fresh)];
    let message = "\"newPassword\" must have at least 8 characters";
    answer.assert("short", 422, &headers, &error(422, "Unprocessable Entity", message));
}
