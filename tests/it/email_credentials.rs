//! Successful changes of an address and a password over the email API: `/auth/verify`, `/auth/password/…`,
//! `/auth/email/change`. The refusals are in `email_credentials_refused`. These tests send no mail.

use axum::body::Body;
use countersign::domain::TicketPurpose::{ChangeEmail, ResetPassword, VerifyEmail};
use http::Method;
use serde_json::{Value, json};

use crate::support::app::request;
use crate::support::http::over_socket;
use crate::support::ticket::{queued, sent};
use crate::support::{Answer, PASSWORD, TestApp};

const ADA: &str = "ada@example.com";
const ANOTHER: &str = "an0ther-pass";

fn said(message: &str) -> Value {
    json!({ "message": message })
}

fn error(code: &str, detail: &str) -> Value {
    json!({ "detail": detail, "error_code": code, "error": code })
}

async fn log_in(app: &TestApp, email: &str, password: &str) -> Answer {
    app.post("/auth/login", &json!({ "email": email, "password": password })).await
}

async fn me(app: &TestApp, token: &str) -> Answer {
    app.get("/auth/me", &[("authorization", &format!("Bearer {token}"))]).await
}

async fn post_as(app: &TestApp, token: &str, path: &str, body: &Value) -> Answer {
    app.post_with(path, &[("authorization", &format!("Bearer {token}"))], body).await
}

/// Asserts a 200 with this message and a fresh, valid token.
async fn assert_fresh(app: &TestApp, name: &str, answer: &Answer, message: &str) {
    let token = answer.token();
    let headers = [("access-control-expose-headers", "Token"), ("token", &*token)];
    answer.assert(name, 200, &headers, &said(message));
    assert_eq!(me(app, &token).await.status, 200, "{name}");
}

#[tokio::test]
async fn the_token_of_a_link_verifies_an_email_once() {
    let app = TestApp::with(&["--require-verified-email=true"]).await;
    let new = json!({ "email": ADA, "password": PASSWORD, "name": "Ada", "firm_name": "Engines" });
    assert_eq!(app.post("/auth/register", &new).await.status, 201);
    let first = error("email_not_verified", "verify your email first: use the link that was sent to you");
    log_in(&app, ADA, PASSWORD).await.assert("not verified", 400, &[], &first);
    let wrong = error("invalid_credentials", "email or password incorrect");
    log_in(&app, ADA, ANOTHER).await.assert("after the password check only", 400, &[], &wrong);

    let token = sent(&app, VerifyEmail, ADA, ADA).await;
    let body = json!({ "token": token });
    app.post("/auth/verify", &body).await.assert("verify", 200, &[], &said("Email verified successfully."));
    let used = error("invalid_one_time_token", "this link was used already, or has expired: ask for another");
    app.post("/auth/verify", &body).await.assert("twice", 400, &[], &used);
    assert_eq!(log_in(&app, ADA, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn me_tells_what_the_contract_has_and_nothing_of_verification() {
    let app = TestApp::start().await;
    let token = app.sign_in_email(ADA).await;
    let body = json!({ "token": sent(&app, VerifyEmail, ADA, ADA).await });
    assert_eq!(app.post("/auth/verify", &body).await.status, 200);
    let account = me(&app, &token).await.json();
    let names: Vec<_> = account.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["id", "email", "name", "firm_id", "firm_name", "role", "created_at"]);
}

#[tokio::test]
async fn who_asks_for_a_link_is_not_told_whether_there_is_such_an_account() {
    let app = TestApp::start().await;
    app.sign_in_email(ADA).await;
    app.sign_in_email("verified@example.com").await;
    let token = sent(&app, VerifyEmail, "verified@example.com", "verified@example.com").await;
    assert_eq!(app.post("/auth/verify", &json!({ "token": token })).await.status, 200);
    for (path, message) in [
        ("/auth/verify/resend", "If this email is still to be verified, a link is on its way to it."),
        ("/auth/password/forgot", "If this email is registered, a link to set a new password is on its way to it."),
    ] {
        for email in [ADA, " ADA@Example.com", "nobody@example.com", "verified@example.com"] {
            let answer = app.post(path, &json!({ "email": email })).await;
            answer.assert(&format!("{path}: {email}"), 200, &[], &said(message));
        }
    }
    let asked = queued(&app).await;
    for kind in ["verify_email", "reset_password"] {
        for recipient in [ADA, "nobody@example.com", "verified@example.com"] {
            assert!(asked.contains(&(kind.to_owned(), recipient.to_owned())), "{kind} to {recipient}: {asked:?}");
        }
    }
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_and_ends_every_session() {
    let app = TestApp::with(&["--allow-registration=true"]).await;
    let session = app.sign_in_email(ADA).await;
    let body = json!({ "token": sent(&app, ResetPassword, ADA, ADA).await, "password": ANOTHER, "role": "viewer" });
    let done = said("Password set successfully. Please log in with it.");
    app.post("/auth/password/reset", &body).await.assert("reset", 200, &[], &done);
    let used = error("invalid_one_time_token", "this link was used already, or has expired: ask for another");
    app.post("/auth/password/reset", &body).await.assert("twice", 400, &[], &used);
    assert_eq!(me(&app, &session).await.status, 401);
    assert_eq!(log_in(&app, ADA, PASSWORD).await.status, 400);
    assert_eq!(log_in(&app, ADA, ANOTHER).await.json()["user"]["role"], "admin", "no key sets a role");
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions() {
    let app = TestApp::start().await;
    let mine = app.sign_in_email(ADA).await;
    let elsewhere = log_in(&app, ADA, PASSWORD).await.json()["access_token"].as_str().unwrap().to_owned();
    let body = json!({ "current_password": PASSWORD, "new_password": ANOTHER, "extra": 1 });
    let answer = post_as(&app, &mine, "/auth/password/change", &body).await;
    let message = "Password changed successfully. All other sessions have ended.";
    assert_fresh(&app, "change", &answer, message).await;
    assert_eq!((me(&app, &mine).await.status.as_u16(), me(&app, &elsewhere).await.status.as_u16()), (200, 401));
    assert_eq!(log_in(&app, ADA, PASSWORD).await.status, 400);
    assert_eq!(log_in(&app, ADA, ANOTHER).await.status, 200);
}

#[tokio::test]
async fn an_account_of_the_other_api_changes_its_password_here_too() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let body = json!({ "current_password": PASSWORD, "new_password": "f1ve!" });
    let answer = app.post_with("/auth/password/change", &[("token", &token)], &body).await;
    assert_eq!((answer.status.as_u16(), answer.header("token").is_some()), (200, true), "{answer:?}");
    let login = json!({ "username": "alice", "password": "f1ve!" });
    assert_eq!(app.post("/api/auth/login", &login).await.status, 200);
}

#[tokio::test]
async fn another_email_counts_once_its_link_was_used_and_no_session_ends() {
    const NEW: &str = "ada.lovelace@example.com";
    let app = TestApp::start().await;
    let session = app.sign_in_email(ADA).await;
    app.sign_in_email("grace@example.com").await;
    let message = "Please check the new email: it counts once its link was used.";
    for email in [NEW, "grace@example.com"] {
        let body = json!({ "email": email, "password": PASSWORD });
        let answer = post_as(&app, &session, "/auth/email/change", &body).await;
        assert_fresh(&app, "free or not", &answer, message).await;
    }
    assert_eq!(me(&app, &session).await.json()["email"], ADA);

    let body = json!({ "token": sent(&app, ChangeEmail, ADA, NEW).await });
    app.post("/auth/verify", &body).await.assert("verify", 200, &[], &said("Email verified successfully."));
    assert_eq!(me(&app, &session).await.json()["email"], NEW);
    assert_eq!(
        (log_in(&app, ADA, PASSWORD).await.status.as_u16(), log_in(&app, NEW, PASSWORD).await.status.as_u16()),
        (400, 200)
    );

    let taken = json!({ "token": sent(&app, ChangeEmail, NEW, "grace@example.com").await });
    let refused = error("email_already_exists", "this email is already registered: log in");
    app.post("/auth/verify", &taken).await.assert("somebody else's by now", 400, &[], &refused);
}

#[tokio::test]
async fn every_route_answers_alike_over_a_real_connection() {
    let mut app = TestApp::start().await;
    let session = app.sign_in_email(ADA).await;
    let (verify, reset) = (sent(&app, VerifyEmail, ADA, ADA).await, sent(&app, ResetPassword, ADA, ADA).await);
    let served = app.serve().await;
    let authorization = format!("Bearer {session}");
    for (path, body) in [
        ("/auth/verify", json!({ "token": verify })),
        ("/auth/verify/resend", json!({ "email": ADA })),
        ("/auth/password/forgot", json!({ "email": ADA })),
        ("/auth/email/change", json!({ "email": "new@example.com", "password": PASSWORD })),
        ("/auth/password/reset", json!({ "token": reset, "password": ANOTHER })),
    ] {
        let headers = [("content-type", "application/json; charset=utf-8"), ("authorization", &*authorization)];
        let sent = request(Method::POST, path, &headers, Body::from(body.to_string()));
        let answer = over_socket(served.address, sent).await;
        assert_eq!((answer.status.as_u16(), answer.json()["message"].is_string()), (200, true), "{path}: {answer:?}");
    }
    served.stop().await;
}
