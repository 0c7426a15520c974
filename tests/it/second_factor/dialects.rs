//! Second factors over the two documented APIs. A client that knows nothing of them is refused in the error body that
//! it knows, and one that does finishes there.

use countersign::domain::TicketPurpose;
use http::StatusCode;
use serde_json::{Value, json};

use super::{PASSWORD, enrol};
use crate::support::TestApp;
use crate::support::ticket::sent;

const ADA: &str = "ada@example.com";

/// The fields of a refusal whose values differ from call to call.
fn ticket_of(body: &Value) -> String {
    body["ticket"].as_str().expect("a ticket").to_owned()
}

#[tokio::test]
async fn over_the_username_api_a_right_password_is_refused_with_a_ticket_and_a_code_finishes() {
    let app = TestApp::start().await;
    let (authenticator, codes) = enrol(&app, &app.sign_in_username("alice").await).await;
    let login = async || app.post("/api/auth/login", &json!({ "username": "alice", "password": PASSWORD })).await;
    let refused = login().await;
    let ticket = ticket_of(&refused.json());
    let text = "the password is right: finish with a code of your second factor and this ticket";
    let body = json!({
        "statusCode": 401,
        "error": "Unauthorized",
        "message": text,
        "error_code": "second_factor_required",
        "ticket": ticket,
        "expires_in": 300,
        "methods": ["totp", "recovery_code"],
    });
    refused.assert("login", 401, &[("www-authenticate", "Bearer")], &body);
    let finish = async |body: &Value| app.post("/api/auth/login/second-factor", body).await;
    let error = |message: &str, code: &str| json!({ "statusCode": 401, "error": "Unauthorized", "message": message, "error_code": code });
    let wrong = finish(&json!({ "ticket": ticket, "totp_code": authenticator.wrong(&app) })).await;
    let body = error("this code is wrong or was used before: try another", "second_factor_invalid");
    wrong.assert("wrong", 401, &[("www-authenticate", "Bearer")], &body);
    let finished = finish(&json!({ "ticket": ticket, "totp_code": authenticator.next(&app) })).await;
    assert_eq!(finished.status, StatusCode::OK, "{}", finished.json());
    let token = finished.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(finished.json(), json!({ "token": token, "user": "alice" }));
    assert!(finished.header("device").is_some_and(|device| !device.is_empty()));
    assert_eq!(app.get("/api/auth/me", &[("token", &token)]).await.status, StatusCode::NO_CONTENT);
    let used = finish(&json!({ "ticket": ticket, "totp_code": authenticator.next(&app) })).await;
    let body = error("this login has expired or was finished: log in again", "ticket_invalid");
    used.assert("used", 401, &[("www-authenticate", "Bearer")], &body);
    let ticket = ticket_of(&login().await.json());
    assert_eq!(finish(&json!({ "ticket": ticket, "recovery_code": codes[0] })).await.status, StatusCode::OK);
    for (body, message) in [
        (json!({}), "\"ticket\" is required"),
        (json!({ "ticket": ticket, "totp_code": 1 }), "\"totp_code\" must be a string"),
        (json!({ "ticket": ticket }), "\"proof\" is required: send a totp_code or a recovery_code"),
        (
            json!({ "ticket": ticket, "totp_code": "123456", "recovery_code": codes[0] }),
            "\"proof\" must be a totp_code or a recovery_code, not both",
        ),
        (json!({ "ticket": ticket, "totp_code": "12345" }), "\"totp_code\" must have six digits"),
        (json!({ "ticket": ticket, "totp_code": "123456", "more": 1 }), "\"more\" is not allowed"),
    ] {
        let answer = finish(&body).await;
        let expected = json!({ "statusCode": 422, "error": "Unprocessable Entity", "message": message });
        assert_eq!((answer.status.as_u16(), answer.json()), (422, expected), "{body}");
    }
}

#[tokio::test]
async fn over_the_email_api_a_right_password_is_refused_with_a_ticket_and_a_code_finishes() {
    let app = TestApp::start().await;
    let first = app.sign_in_email(ADA).await;
    let (authenticator, _) = enrol(&app, &first).await;
    // Refreshing and sliding sessions goes on without a code.
    let refreshed = app.post_empty("/auth/refresh", &[("authorization", &format!("Bearer {first}"))]).await;
    assert_eq!(refreshed.status, StatusCode::OK);
    let refused = app.post("/auth/login", &json!({ "email": ADA, "password": PASSWORD })).await;
    let ticket = ticket_of(&refused.json());
    let body = json!({
        "detail": "the password is right: finish with a code of your second factor and this ticket",
        "error_code": "second_factor_required",
        "error": "second_factor_required",
        "ticket": ticket,
        "expires_in": 300,
        "methods": ["totp", "recovery_code"],
    });
    refused.assert("login", 401, &[("www-authenticate", "Bearer")], &body);
    let finish = async |body: &Value| app.post("/auth/login/second-factor", body).await;
    let error = |code: &str, detail: &str| json!({ "detail": detail, "error_code": code, "error": code });
    let wrong = finish(&json!({ "ticket": ticket, "totp_code": authenticator.wrong(&app) })).await;
    let body = error("second_factor_invalid", "this code is wrong or was used before: try another");
    wrong.assert("wrong", 401, &[("www-authenticate", "Bearer")], &body);
    let finished = finish(&json!({ "ticket": ticket, "totp_code": authenticator.next(&app) })).await.json();
    assert_eq!((&finished["token_type"], &finished["user"]["email"]), (&json!("bearer"), &json!(ADA)), "{finished}");
    assert_eq!((&finished["user"]["role"], &finished["expires_in"]), (&json!("admin"), &json!(86_400)));
    let bearer = format!("Bearer {}", finished["access_token"].as_str().unwrap());
    assert_eq!(app.get("/auth/me", &[("authorization", &bearer)]).await.status, StatusCode::OK);
    let used = finish(&json!({ "ticket": ticket, "totp_code": authenticator.next(&app) })).await;
    let body = error("ticket_invalid", "this login has expired or was finished: log in again");
    used.assert("used", 401, &[("www-authenticate", "Bearer")], &body);
    let bad = finish(&json!({ "ticket": ticket })).await;
    let detail = json!([{
        "loc": ["body", "proof"],
        "msg": "is required: send a totp_code or a recovery_code",
        "type": "value_error",
    }]);
    assert_eq!(bad.json(), json!({ "detail": detail, "error_code": "validation_error", "error": "validation_error" }));
}

#[tokio::test]
async fn no_link_in_a_mail_leads_around_the_second_factor() {
    let app = TestApp::start().await;
    enrol(&app, &app.sign_in_email(ADA).await).await;
    let link = sent(&app, TicketPurpose::ResetPassword, ADA, ADA).await;
    let reset = app.post("/auth/password/reset", &json!({ "token": link, "password": "an0ther-pass" })).await;
    let message = "Password set successfully. Please log in with it.";
    assert_eq!((reset.status, reset.json()), (StatusCode::OK, json!({ "message": message })));
    assert_eq!(reset.header("token"), None);
    let refused = app.post("/auth/login", &json!({ "email": ADA, "password": "an0ther-pass" })).await;
    let code = refused.json()["error_code"].clone();
    assert_eq!((refused.status, code), (StatusCode::UNAUTHORIZED, json!("second_factor_required")));
}
