//! Adding and removing second factors, by owners, administrators and the operator.

use std::time::Duration;

use countersign::domain::Handle;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Authenticator, PASSWORD, call, complete, enrol, login, reason, ticket, totp};
use crate::support::ticket::queued;
use crate::support::{SECRET, TestApp};
use crate::wire::eventually;

const ADA: &str = "ada@example.com";

async fn factors(app: &TestApp, token: &str) -> Value {
    let found = app.get("/v1/me/secondFactors", &[("token", token)]).await.json();
    // Proto's JSON leaves out what is false or 0.
    json!([found["totp"].as_bool().unwrap_or(false), found["recoveryCodesLeft"].as_u64().unwrap_or(0)])
}

/// The kinds of mail that wait for an address.
async fn mailed(app: &TestApp, address: &str) -> Vec<String> {
    let mut kinds: Vec<_> =
        queued(app).await.into_iter().filter(|(_, to)| to == address).map(|(kind, _)| kind).collect();
    kinds.sort();
    kinds
}

#[tokio::test]
async fn an_app_is_added_by_its_first_code_and_shown_in_three_forms() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let begun = call(&app, "/v1/me/totp:begin", &token, &json!({ "password": PASSWORD })).await;
    assert_eq!((begun.status, begun.header("cache-control")), (StatusCode::OK, Some("no-store")));
    let begun = begun.json();
    let secret = begun["secret"].as_str().unwrap();
    assert_eq!(secret.len(), 32, "160 bits");
    let uri = format!("otpauth://totp/Countersign:alice?secret={secret}&issuer=Countersign");
    assert_eq!(begun["otpauthUri"], uri);
    assert!(begun["qrSvg"].as_str().unwrap().contains("<svg "));
    // Nothing has changed yet.
    assert!(login(&app, PASSWORD).await.json()["token"].as_str().is_some_and(|token| !token.is_empty()));
    let authenticator = Authenticator::of(secret);
    let wrong = call(&app, "/v1/me/totp:confirm", &token, &json!({ "code": authenticator.wrong(&app) })).await;
    assert_eq!((wrong.status, &*reason(&wrong)), (StatusCode::BAD_REQUEST, "VALIDATION"));
    let code = json!({ "code": authenticator.code_in(&app, 0) });
    let confirmed = call(&app, "/v1/me/totp:confirm", &token, &code).await;
    assert_eq!(confirmed.json()["recoveryCodes"].as_array().unwrap().len(), 10, "{}", confirmed.json());
    assert_eq!(factors(&app, &token).await, json!([true, 10]));
    assert_eq!(reason(&call(&app, "/v1/me/totp:confirm", &token, &code).await), "VALIDATION", "once");
    // The session that added it goes on, and so does every other one.
    assert_eq!(app.get("/v1/me", &[("token", &token)]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_begun_secret_waits_a_quarter_of_an_hour_and_the_one_in_use_stays_until_the_next_is_confirmed() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let (old, _) = enrol(&app, &token).await;
    let begin = async || {
        let begun = call(&app, "/v1/me/totp:begin", &token, &json!({ "password": PASSWORD })).await.json();
        Authenticator::of(begun["secret"].as_str().unwrap())
    };
    let late = begin().await;
    app.clock.advance(900);
    let code = json!({ "code": late.code_in(&app, 0) });
    assert_eq!(reason(&call(&app, "/v1/me/totp:confirm", &token, &code).await), "VALIDATION", "late");
    let new = begin().await;
    assert_eq!(complete(&app, &ticket(&app).await, &totp(&new.next(&app))).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(complete(&app, &ticket(&app).await, &totp(&old.next(&app))).await.status, StatusCode::OK);
    let code = json!({ "code": new.next(&app) });
    let confirmed = call(&app, "/v1/me/totp:confirm", &token, &code).await.json();
    assert!(confirmed["recoveryCodes"].as_array().is_none_or(Vec::is_empty), "the account has some: {confirmed}");
    assert_eq!(complete(&app, &ticket(&app).await, &totp(&old.next(&app))).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(complete(&app, &ticket(&app).await, &totp(&new.next(&app))).await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_change_asks_for_the_password_and_is_told_by_mail_and_in_the_audit_trail() {
    let mut app = TestApp::start().await;
    let _served = app.serve().await;
    let token = app.sign_in_email(ADA).await;
    for path in ["/v1/me/totp:begin", "/v1/me/totp:delete", "/v1/me/recoveryCodes:make"] {
        let refused = call(&app, path, &token, &json!({ "password": "not the password" })).await;
        assert_eq!((refused.status, &*reason(&refused)), (StatusCode::BAD_REQUEST, "VALIDATION"), "{path}");
    }
    let password = json!({ "password": PASSWORD });
    for path in ["/v1/me/totp:delete", "/v1/me/recoveryCodes:make"] {
        assert_eq!(reason(&call(&app, path, &token, &password).await), "NO_SECOND_FACTOR", "{path}");
    }
    let (_, codes) = enrol(&app, &token).await;
    assert_eq!(mailed(&app, ADA).await, ["second_factor_added", "verify_email"]);
    let made = call(&app, "/v1/me/recoveryCodes:make", &token, &password).await.json();
    assert_ne!(made["recoveryCodes"][0], json!(codes[0]));
    // Ten codes, the last three of which are few.
    for (used, code) in made["recoveryCodes"].as_array().unwrap().iter().take(7).enumerate() {
        assert!(!mailed(&app, ADA).await.contains(&"recovery_codes_few".to_owned()), "{used}");
        let login = app.post("/v1/sessions:login", &json!({ "email": ADA, "password": PASSWORD })).await.json();
        let ticket = login["secondFactor"]["ticket"].as_str().unwrap();
        assert_eq!(
            complete(&app, ticket, &json!({ "recoveryCode": code })).await.json()["recoveryCodesLeft"],
            9 - used
        );
    }
    assert_eq!(call(&app, "/v1/me/totp:delete", &token, &password).await.status, StatusCode::OK);
    assert_eq!(factors(&app, &token).await, json!([false, 0]));
    let told =
        ["recovery_codes_few", "recovery_codes_made", "second_factor_added", "second_factor_removed", "verify_email"];
    assert_eq!(mailed(&app, ADA).await, told);
    let login = app.post("/v1/sessions:login", &json!({ "email": ADA, "password": PASSWORD })).await.json();
    assert!(login["token"].as_str().is_some_and(|token| !token.is_empty()), "{login}");
    for (action, times) in
        [("totp_added", 1), ("recovery_codes_made", 1), ("recovery_code_used", 7), ("totp_removed", 1)]
    {
        let path = format!("/v1/admin/auditEvents?action={action}");
        let written = async || {
            let events = app.get(&path, &[("token", &token)]).await.json()["events"].clone();
            let ok = events.as_array().into_iter().flatten().filter(|event| event["result"] == "ok").count();
            ok == times
        };
        assert!(eventually(Duration::from_secs(10), written).await, "{action}");
    }
}

#[tokio::test]
async fn administrators_and_the_operator_remove_the_factors_of_others_and_see_who_has_one() {
    let app = TestApp::start().await;
    let root = app.sign_in_username("root1").await;
    let operator = app.operator().await;
    let id = async |name: &str| operator.find(&Handle::parse(name).unwrap()).await.unwrap().unwrap().id;
    assert!(operator.set_platform_admin(id("root1").await, true).await.unwrap());
    let (alice, token) = (id_of(&app, "alice").await, app_token(&app).await);
    enrol(&app, &token).await;
    enrol(&app, &root).await;
    let record = async || {
        let found = app.get(&format!("/v1/admin/accounts/{alice}"), &[("token", &root)]).await.json();
        found["account"]["secondFactor"].as_bool().unwrap_or(false)
    };
    assert!(record().await);
    let remove = async |id: &str, token: &str| {
        call(&app, &format!("/v1/admin/accounts/{id}:removeSecondFactors"), token, &json!({})).await
    };
    assert_eq!(reason(&remove(&alice, &token).await), "INSUFFICIENT_PERMISSIONS");
    let own = id("root1").await.to_string();
    assert_eq!(reason(&remove(&own, &root).await), "VALIDATION", "a stolen token is not enough");
    let before = ticket(&app).await;
    assert_eq!(remove(&alice, &root).await.status, StatusCode::OK);
    assert_eq!(reason(&remove(&alice, &root).await), "NO_SECOND_FACTOR");
    assert!(!record().await);
    assert_eq!(reason(&complete(&app, &before, &totp("123456")).await), "TICKET_INVALID");
    assert!(login(&app, PASSWORD).await.json()["token"].as_str().is_some_and(|token| !token.is_empty()));
    enrol(&app, &token).await;
    assert!(operator.remove_second_factors(id("alice").await).await.unwrap());
    assert!(!operator.remove_second_factors(id("alice").await).await.unwrap());
}

/// Registers `alice` and keeps nothing of the session.
async fn id_of(app: &TestApp, name: &str) -> String {
    app.sign_in_username(name).await;
    let account = app.operator().await.find(&Handle::parse(name).unwrap()).await.unwrap().unwrap();
    account.id.to_string()
}

/// A token of `alice`.
async fn app_token(app: &TestApp) -> String {
    login(app, PASSWORD).await.json()["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_secret_is_encrypted_and_a_server_without_the_right_master_secret_accepts_recovery_codes_only() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let (authenticator, codes) = enrol(&app, &token).await;
    let secret = authenticator.0.get_secret_base32();
    for file in std::fs::read_dir(app.database().parent().unwrap()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!holds(&secret) && codes.iter().all(|code| !holds(code) && !holds(&code.replace('-', ""))));
    }
    let other = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(other.path(), format!("{SECRET} as another master secret")).unwrap();
    let app = app.restart(&[&format!("--master-secret-file={}", other.path().display())]).await;
    let refused = complete(&app, &ticket(&app).await, &totp(&authenticator.next(&app))).await;
    assert_eq!((refused.status, &*reason(&refused)), (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"));
    assert_eq!(complete(&app, &ticket(&app).await, &json!({ "recoveryCode": codes[0] })).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_stolen_token_cannot_guess_the_code_that_confirms() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let begun = call(&app, "/v1/me/totp:begin", &token, &json!({ "password": PASSWORD })).await.json();
    let authenticator = Authenticator::of(begun["secret"].as_str().unwrap());
    let confirm = async |code: String| call(&app, "/v1/me/totp:confirm", &token, &json!({ "code": code })).await;
    for guess in 0..10 {
        assert_eq!(reason(&confirm(authenticator.wrong(&app)).await), "VALIDATION", "{guess}");
    }
    let refused = confirm(authenticator.code_in(&app, 0)).await;
    assert_eq!((refused.status, &*reason(&refused)), (StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_ATTEMPTS"));
    assert_eq!(factors(&app, &token).await, json!([false, 0]));
}
