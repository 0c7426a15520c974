//! Refused changes of an address and a password over the email API: each bad field by its name in the contract, and
//! tokens, links and passwords that are not accepted.

use countersign::domain::TicketPurpose::{ChangeEmail, ResetPassword, VerifyEmail};
use serde_json::{Value, json};

use crate::support::ticket::sent;
use crate::support::{Answer, PASSWORD, TestApp};

const ADA: &str = "ada@example.com";
const CHANGES: [&str; 2] = ["/auth/password/change", "/auth/email/change"];
const NEW: &str = "an0ther-pass";

fn error(code: &str, detail: &str) -> Value {
    json!({ "detail": detail, "error_code": code, "error": code })
}

fn invalid(problems: &[(&str, &str, &str)]) -> Value {
    let detail: Vec<_> =
        problems.iter().map(|(field, msg, kind)| json!({ "loc": ["body", field], "msg": msg, "type": kind })).collect();
    json!({ "detail": detail, "error_code": "validation_error", "error": "validation_error" })
}

/// Asserts a refusal that carries a fresh token, because the caller has a valid session.
#[track_caller]
fn assert_signed_in(name: &str, answer: &Answer, status: u16, body: &Value) {
    let token = answer.token();
    answer.assert(name, status, &[("access-control-expose-headers", "Token"), ("token", &token)], body);
}

#[tokio::test]
async fn every_bad_field_is_named_as_the_body_has_it() {
    const CANARY: &str = "c4n4ry-b1rd";
    let app = TestApp::start().await;
    let session = app.sign_in_email(ADA).await;
    let authorization = format!("Bearer {session}");
    let required = |field| (field, "is required", "missing");
    let not_a_string = |field| (field, "must be a string", "string_type");
    let empty = |field| (field, "is required", "value_error");
    let no_email = ("email", "must be a valid email address", "value_error");
    let cases = [
        ("/auth/verify", &["token"][..]),
        ("/auth/verify/resend", &["email"]),
        ("/auth/password/forgot", &["email"]),
        ("/auth/password/reset", &["token", "password"]),
        ("/auth/password/change", &["current_password", "new_password"]),
        ("/auth/email/change", &["email", "password"]),
        ("/auth/invitations/accept", &["token", "name", "password"]),
    ];
    for (path, fields) in cases {
        let of = |problem: &dyn Fn(&'static str) -> (&'static str, &'static str, &'static str)| {
            invalid(&fields.iter().map(|field| problem(field)).collect::<Vec<_>>())
        };
        let all =
            |value: &Value| Value::Object(fields.iter().map(|field| ((*field).to_owned(), value.clone())).collect());
        for (name, body, expected) in [
            ("nothing", json!({}), of(&required)),
            ("the proto's names", json!({ "one_time_token": CANARY, "newEmail": CANARY }), of(&required)),
            ("a list", json!([CANARY]), of(&required)),
            ("a text", json!(CANARY), of(&required)),
            ("numbers", all(&json!(7)), of(&not_a_string)),
            ("nulls", all(&Value::Null), of(&not_a_string)),
            ("objects", all(&json!({ CANARY: CANARY })), of(&not_a_string)),
            ("empty", all(&json!("")), of(&empty)),
        ] {
            let answer = app.post_with(path, &[("authorization", &authorization)], &body).await;
            let name = format!("{path}: {name}");
            if CHANGES.contains(&path) {
                assert_signed_in(&name, &answer, 422, &expected);
            } else {
                answer.assert(&name, 422, &[], &expected);
            }
            assert!(!String::from_utf8_lossy(&answer.body).contains(CANARY), "{name}");
        }
    }
    for path in ["/auth/verify/resend", "/auth/password/forgot"] {
        app.post(path, &json!({ "email": CANARY })).await.assert(path, 422, &[], &invalid(&[no_email]));
    }
}

#[tokio::test]
async fn a_new_password_must_be_one() {
    let app = TestApp::start().await;
    let session = app.sign_in_email(ADA).await;
    let reset = sent(&app, ResetPassword, ADA, ADA).await;
    let short = "must have at least 8 characters";
    let long = "must have at most 1024 bytes";
    for (password, problem) in [("7 chars", short), (&*"x".repeat(1_025), long)] {
        let body = json!({ "token": reset, "password": password });
        let expected = invalid(&[("password", problem, "value_error")]);
        app.post("/auth/password/reset", &body).await.assert(problem, 422, &[], &expected);
        let body = json!({ "current_password": PASSWORD, "new_password": password });
        let answer = app.post_with("/auth/password/change", &[("token", &session)], &body).await;
        assert_signed_in(problem, &answer, 422, &invalid(&[("new_password", problem, "value_error")]));
    }
    let body = json!({ "token": reset, "password": NEW });
    assert_eq!(app.post("/auth/password/reset", &body).await.status, 200, "none of that used the link up");
}

#[tokio::test]
async fn a_password_that_is_not_the_accounts_is_a_bad_field_and_ends_no_session() {
    let app = TestApp::start().await;
    let session = app.sign_in_email(ADA).await;
    for (path, body, field) in [
        (CHANGES[0], json!({ "current_password": "wr0ng-pass", "new_password": NEW }), "current_password"),
        (CHANGES[1], json!({ "email": "new@example.com", "password": "wr0ng-pass" }), "password"),
    ] {
        let answer = app.post_with(path, &[("token", &session)], &body).await;
        let problem = (field, "is not the password of this account", "value_error");
        assert_signed_in(path, &answer, 422, &invalid(&[problem]));
        assert_eq!(app.get("/auth/me", &[("token", &session)]).await.status, 200);
    }
}

#[tokio::test]
async fn a_link_is_good_for_what_it_is_for_and_for_its_time() {
    let app = TestApp::start().await;
    app.sign_in_email(ADA).await;
    let refused = error("invalid_one_time_token", "this link was used already, or has expired: ask for another");
    let (verify, reset) = (sent(&app, VerifyEmail, ADA, ADA).await, sent(&app, ResetPassword, ADA, ADA).await);
    let change = sent(&app, ChangeEmail, ADA, "new@example.com").await;
    let paths = ["/auth/verify", "/auth/password/reset", "/auth/invitations/accept"];
    let wrong = [("nobody's", "x"), ("a reset's", &reset), ("a verification's", &verify), ("a change's", &change)];
    for (path, good) in paths.into_iter().zip([&[2, 3][..], &[1], &[]]) {
        for (name, token) in wrong.iter().enumerate().filter(|(index, _)| !good.contains(index)).map(|(_, case)| *case)
        {
            let body = json!({ "token": token, "password": NEW, "name": "Ada" });
            app.post(path, &body).await.assert(&format!("{path}: {name}"), 400, &[], &refused);
        }
    }
    app.clock.advance(1_800);
    for (path, token) in [(paths[0], &verify), (paths[0], &change), (paths[1], &reset)] {
        let body = json!({ "token": token, "password": NEW });
        app.post(path, &body).await.assert("expired", 400, &[], &refused);
    }
    let too_long = json!({ "token": "x".repeat(65) });
    let expected = invalid(&[("token", "must have at most 64 characters", "value_error")]);
    app.post("/auth/verify", &too_long).await.assert("too long", 422, &[], &expected);
}

#[tokio::test]
async fn what_needs_a_token_is_refused_without_a_good_one() {
    let app = TestApp::start().await;
    let session = app.sign_in_email(ADA).await;
    app.clock.advance(86_400);
    let missing = error("invalid_token", "the token is missing or invalid: log in again");
    let expired = error("token_expired", "the token has expired: log in again");
    let presented = "Bearer error=\"invalid_token\"";
    for path in CHANGES {
        let bearer = format!("Bearer {session}");
        for (name, headers, challenge, body) in [
            ("none", &[][..], "Bearer", &missing),
            ("garbage", &[("authorization", "Bearer garbage")], presented, &missing),
            ("expired", &[("authorization", &bearer)], presented, &expired),
        ] {
            let answer = app.post_with(path, headers, &json!({})).await;
            answer.assert(&format!("{path}: {name}"), 401, &[("www-authenticate", challenge)], body);
        }
    }
}

#[tokio::test]
async fn an_account_with_a_username_has_no_email_to_change() {
    let app = TestApp::start().await;
    let session = app.sign_in_username("alice").await;
    let body = json!({ "email": ADA, "password": PASSWORD });
    let answer = app.post_with("/auth/email/change", &[("token", &session)], &body).await;
    let text = "this account has no email: it signs in with a username";
    assert_signed_in("change", &answer, 403, &error("insufficient_permissions", text));
}
