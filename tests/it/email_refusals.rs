//! Refusals of the email API: `{"detail", "error_code", "error"}`, without anything of the request.

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use countersign::domain::{AccountStatus, Handle};

use crate::support::app::{START, request};
use crate::support::token::{claims, forge, sign, with};
use crate::support::{Answer, PASSWORD, SECRET, TestApp};

/// The whole body of a refusal.
fn error(code: &str, detail: &str) -> Value {
    json!({ "detail": detail, "error_code": code, "error": code })
}

/// The whole body of a 422: location, message and type of every bad field.
fn invalid(problems: &[(&str, &str, &str)]) -> Value {
    let detail: Vec<_> =
        problems.iter().map(|(field, msg, kind)| json!({ "loc": ["body", field], "msg": msg, "type": kind })).collect();
    json!({ "detail": detail, "error_code": "validation_error", "error": "validation_error" })
}

/// Calls each guarded route with this credential.
async fn guarded(app: &TestApp, headers: &[(&str, &str)]) -> [(&'static str, Answer); 3] {
    let call = async |method, path| app.send(request(method, path, headers, Body::empty())).await;
    [
        ("me", call(Method::GET, "/auth/me").await),
        ("refresh", call(Method::POST, "/auth/refresh").await),
        ("logout", call(Method::POST, "/auth/logout").await),
    ]
}

const PRESENTED: &str = "Bearer error=\"invalid_token\"";

#[tokio::test]
async fn a_wrong_password_and_an_unknown_email_cannot_be_told_apart() {
    let app = TestApp::start().await;
    app.sign_in_email("ada@example.com").await;
    app.sign_in_email("disabled@example.com").await;
    let operator = app.operator().await;
    let disabled = operator.find(&Handle::parse("disabled@example.com").unwrap()).await.unwrap().unwrap();
    operator.set_status(disabled.id, AccountStatus::Inactive, false).await.unwrap();
    for (name, email, password) in [
        ("wrong password", "ada@example.com", "n0t her pass"),
        ("shorter than any password may be", "ada@example.com", "x"),
        ("unknown email", "nobody@example.com", PASSWORD),
        ("disabled", "disabled@example.com", PASSWORD),
        ("trimmed", "ada@example.com", " s3cur3pass"),
    ] {
        let answer = app.post("/auth/login", &json!({ "email": email, "password": password })).await;
        answer.assert(name, 400, &[], &error("invalid_credentials", "email or password incorrect"));
    }
}

#[tokio::test]
async fn an_email_is_taken_in_any_letter_case_and_across_firms() {
    let app = TestApp::start().await;
    app.sign_in_email("ada@example.com").await;
    for email in ["ada@example.com", "Ada@Example.com", "ADA@EXAMPLE.COM", " ada@example.com "] {
        let body = json!({ "email": email, "password": "another pass", "name": "Eve", "firm_name": "Another" });
        let answer = app.post("/auth/register", &body).await;
        let refused = error("email_already_exists", "this email is already registered: log in");
        answer.assert(email, 400, &[], &refused);
    }
    let login = json!({ "email": "ada@example.com", "password": PASSWORD });
    assert_eq!(app.post("/auth/login", &login).await.status, 200, "the password is still the first one's");
}

#[tokio::test]
async fn every_bad_field_is_named_at_once_and_no_input_comes_back() {
    const CANARY: &str = "c4n4ry-b1rd";
    let app = TestApp::start().await;
    let too_long = format!("{CANARY}{}", "p".repeat(1_024));
    let required = |field| (field, "is required", "missing");
    let no_email = ("email", "must be a valid email address", "value_error");
    let not_ascii = ("email", "must be in ASCII before the @", "value_error");
    let short = ("password", "must have at least 8 characters", "value_error");
    let new =
        |email: &str, password: &str| json!({ "email": email, "password": password, "name": "N", "firm_name": "F" });
    let good = "ada@example.com";
    for (name, path, body, problems) in [
        ("login: nothing", "/auth/login", json!({}), vec![required("email"), required("password")]),
        ("login: a list", "/auth/login", json!([CANARY]), vec![required("email"), required("password")]),
        ("login: a text", "/auth/login", json!(CANARY), vec![required("email"), required("password")]),
        ("login: not an email", "/auth/login", json!({ "email": "c4n4ry-b1rd", "password": CANARY }), vec![no_email]),
        (
            "login: empty",
            "/auth/login",
            json!({ "email": "", "password": "" }),
            vec![("email", "is required", "value_error"), ("password", "is required", "value_error")],
        ),
        (
            "login: too long",
            "/auth/login",
            json!({ "email": format!("{CANARY}@{}.com", "a.".repeat(130)), "password": too_long }),
            vec![
                ("email", "must have at most 254 bytes", "value_error"),
                ("password", "must have at most 1024 bytes", "value_error"),
            ],
        ),
        (
            "register: nothing",
            "/auth/register",
            json!({}),
            vec![required("email"), required("password"), required("name"), required("firm_name")],
        ),
        (
            "register: nothing is a text",
            "/auth/register",
            json!({ "email": [CANARY], "password": { CANARY: CANARY }, "name": null, "firm_name": 7 }),
            ["email", "password", "name", "firm_name"].map(|field| (field, "must be a string", "string_type")).into(),
        ),
        (
            "register: one of each",
            "/auth/register",
            json!({ "email": "c4n4ry-b1rd", "password": "7 chars", "name": "", "firm_name": "c4n4ry-b1rd\0" }),
            vec![
                no_email,
                short,
                ("name", "is required", "value_error"),
                ("firm_name", "must not contain control or invisible characters", "value_error"),
            ],
        ),
        ("register: short password", "/auth/register", new(good, "7 chars"), vec![short]),
        (
            "register: long password",
            "/auth/register",
            new(good, &too_long),
            vec![("password", "must have at most 1024 bytes", "value_error")],
        ),
        ("register: a NUL", "/auth/register", new("c4n4ry-b1rd\0@example.com", CANARY), vec![no_email]),
        ("register: an invisible character", "/auth/register", new("a\u{200b}b@example.com", CANARY), vec![not_ascii]),
    ] {
        let answer = app.post(path, &body).await;
        answer.assert(name, 422, &[], &invalid(&problems));
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains(CANARY) && !text.contains("7 chars"), "{name}: {text}");
    }
    assert!(app.is_empty().await, "nothing was registered");
}

#[tokio::test]
async fn a_closed_registration_is_answered_before_anything_is_validated() {
    let app = TestApp::with(&["--allow-registration=TRUE"]).await;
    for body in [
        json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada", "firm_name": "Engines" }),
        json!({}),
        json!({ "email": 1, "password": "x" }),
        json!([]),
    ] {
        let answer = app.post("/auth/register", &body).await;
        answer.assert(&body.to_string(), 403, &[], &error("registration_closed", "registration is closed"));
    }
}

#[tokio::test]
async fn an_expired_token_says_so() {
    let app = TestApp::start().await;
    let token = app.sign_in_email("ada@example.com").await;
    app.clock.advance(86_400);
    for (name, answer) in guarded(&app, &[("authorization", &format!("Bearer {token}"))]).await {
        if name == "logout" {
            answer.assert(name, 200, &[], &json!({ "message": "Logged out successfully" }));
            continue;
        }
        let body = error("token_expired", "the token has expired: log in again");
        answer.assert(name, 401, &[("www-authenticate", PRESENTED)], &body);
    }
}

#[tokio::test]
async fn a_missing_or_malformed_or_forged_token_is_invalid() {
    let app = TestApp::start().await;
    let token = app.sign_in_email("ada@example.com").await;
    let said = claims(&token);
    let bearer = |token: &str| format!("Bearer {token}");
    for (name, headers, challenge) in [
        ("none", vec![], "Bearer"),
        ("garbage", vec![("authorization", bearer("garbage"))], PRESENTED),
        ("no scheme", vec![("authorization", token.clone())], PRESENTED),
        ("the scheme alone", vec![("authorization", "Bearer ".to_owned())], PRESENTED),
        ("two different ones", vec![("authorization", bearer(&token)), ("token", "a.b.c".to_owned())], PRESENTED),
        (
            "another key",
            vec![("authorization", bearer(&sign(&said, "another secret of the tests, also long")))],
            PRESENTED,
        ),
        ("alg none", vec![("authorization", bearer(&forge("none", &said, None)))], PRESENTED),
        ("no exp", vec![("authorization", bearer(&sign(&with(&said, "exp", Value::Null), SECRET)))], PRESENTED),
        (
            "another key, and expired besides",
            vec![(
                "authorization",
                bearer(&sign(&with(&said, "exp", json!(START - 1)), "another secret, and a long one")),
            )],
            PRESENTED,
        ),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for (route, answer) in guarded(&app, &headers).await {
            let body = error("invalid_token", "the token is missing or invalid: log in again");
            answer.assert(&format!("{route}: {name}"), 401, &[("www-authenticate", challenge)], &body);
        }
    }
}

#[tokio::test]
async fn the_token_of_an_account_that_is_gone_is_invalid() {
    let app = TestApp::start().await;
    let operator = app.operator().await;
    for (email, deleted) in [("deleted@example.com", true), ("disabled@example.com", false)] {
        let token = app.sign_in_email(email).await;
        let account = operator.find(&Handle::parse(email).unwrap()).await.unwrap().unwrap();
        if deleted {
            assert!(operator.delete(account.id, false).await.unwrap());
        } else {
            assert!(operator.set_status(account.id, AccountStatus::Inactive, false).await.unwrap());
        }
        for path in ["/auth/me", "/auth/refresh"] {
            let method = if path == "/auth/me" { Method::GET } else { Method::POST };
            let headers = [("authorization", &*format!("Bearer {token}"))];
            let answer = app.send(request(method, path, &headers, Body::empty())).await;
            let body = error("invalid_token", "the token is missing or invalid: log in again");
            answer.assert(&format!("{path}: {email}"), 401, &[("www-authenticate", PRESENTED)], &body);
        }
    }
}

#[tokio::test]
async fn a_username_account_has_no_email_to_tell_and_gets_a_fresh_token_all_the_same() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let answer = app.get("/auth/me", &[("authorization", &format!("Bearer {token}"))]).await;
    let fresh = answer.token();
    let headers = [("access-control-expose-headers", "Token"), ("token", &*fresh)];
    let body = error("insufficient_permissions", "this account has no email: ask /api/auth/me");
    answer.assert("me", 403, &headers, &body);
    assert_eq!(app.get("/api/auth/me", &[("token", &fresh)]).await.status, 204);
}

#[tokio::test]
async fn neither_api_signs_in_accounts_of_the_other() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    app.sign_in_email("ada@example.com").await;
    let answer = app.post("/api/auth/login", &json!({ "username": "ada@example.com", "password": PASSWORD })).await;
    let message = "username or password incorrect";
    let body = json!({ "statusCode": 401, "error": "Unauthorized", "message": message });
    answer.assert("an email is no username", 401, &[("www-authenticate", "Bearer")], &body);
    let answer = app.post("/auth/login", &json!({ "email": "alice", "password": PASSWORD })).await;
    let problem = ("email", "must be a valid email address", "value_error");
    answer.assert("a username is no email", 422, &[], &invalid(&[problem]));
}
