//! Signing in with a second factor. A right password opens no session and forgets no failures; a code with the ticket
//! of the password does, once. Enrolment and removal are in `second_factor/credentials`, the documented APIs in
//! `second_factor/dialects`, and races and replicas in `second_factor/races`.

mod credentials;
mod dialects;
mod races;

use countersign::domain::Handle;
use countersign_guard::clock::Clock as _;
use http::StatusCode;
use serde_json::{Value, json};
use totp_rs::{Algorithm, Secret, TOTP};

use crate::support::{Answer, PASSWORD, TestApp};

const WRONG: &str = "not the password";

/// An authenticator app, which is another implementation than the one under test.
struct Authenticator(TOTP);

impl Authenticator {
    fn of(secret: &str) -> Self {
        let bytes = Secret::Encoded(secret.to_owned()).to_bytes().unwrap();
        Self(TOTP::new(Algorithm::SHA1, 6, 1, 30, bytes).unwrap())
    }

    /// The code that the app shows so many seconds from now.
    fn code_in(&self, app: &TestApp, seconds: i64) -> String {
        self.0.generate((app.clock.now().unix_timestamp() + seconds).try_into().unwrap())
    }

    /// A code that was not used yet, if the one before was made by this function or by [`enrol`].
    fn next(&self, app: &TestApp) -> String {
        app.clock.advance(30);
        self.code_in(app, 0)
    }

    /// Six digits that are no code of these minutes.
    fn wrong(&self, app: &TestApp) -> String {
        let near: Vec<_> = (-4..=4).map(|step| self.code_in(app, 30 * step)).collect();
        (0..).map(|number| format!("{number:06}")).find(|code| !near.contains(code)).unwrap()
    }
}

/// Calls an RPC over REST with a token.
async fn call(app: &TestApp, path: &str, token: &str, body: &Value) -> Answer {
    app.post_with(path, &[("token", token)], body).await
}

/// Adds an authenticator app to the account of a token. Returns it and the recovery codes.
async fn enrol(app: &TestApp, token: &str) -> (Authenticator, Vec<String>) {
    let begun = call(app, "/v1/me/totp:begin", token, &json!({ "password": PASSWORD })).await.json();
    let authenticator = Authenticator::of(begun["secret"].as_str().expect("begun"));
    let code = authenticator.code_in(app, 0);
    let confirmed = call(app, "/v1/me/totp:confirm", token, &json!({ "code": code })).await.json();
    let codes = confirmed["recoveryCodes"].as_array().expect("confirmed").iter();
    (authenticator, codes.map(|code| code.as_str().unwrap().to_owned()).collect())
}

async fn login(app: &TestApp, password: &str) -> Answer {
    app.post("/v1/sessions:login", &json!({ "username": "alice", "password": password })).await
}

/// Signs in with the right password and returns the ticket.
async fn ticket(app: &TestApp) -> String {
    login(app, PASSWORD).await.json()["secondFactor"]["ticket"].as_str().expect("a ticket").to_owned()
}

async fn complete(app: &TestApp, ticket: &str, proof: &Value) -> Answer {
    let mut body = proof.clone();
    body["ticket"] = ticket.into();
    app.post("/v1/sessions:completeLogin", &body).await
}

fn totp(code: &str) -> Value {
    json!({ "totpCode": code })
}

fn reason(answer: &Answer) -> String {
    let details = answer.json()["details"].as_array().cloned().unwrap_or_default();
    details.iter().find_map(|detail| detail["reason"].as_str()).unwrap_or_default().to_owned()
}

async fn failures(app: &TestApp) -> u32 {
    app.operator().await.attempt_state(&Handle::parse("alice").unwrap()).await.unwrap().failures
}

#[tokio::test]
async fn a_right_password_gives_a_ticket_and_nothing_else_and_a_code_with_it_signs_in() {
    let app = TestApp::start().await;
    let (authenticator, codes) = enrol(&app, &app.sign_in_username("alice").await).await;
    assert_eq!(codes.len(), 10);
    let answer = login(&app, PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK);
    let body = answer.json();
    let asked = &body["secondFactor"];
    let methods = json!(["SECOND_FACTOR_METHOD_TOTP", "SECOND_FACTOR_METHOD_RECOVERY_CODE"]);
    assert_eq!((&asked["methods"], &asked["expiresIn"]), (&methods, &json!(300)));
    for empty in ["token", "device"] {
        assert!(body.get(empty).is_none_or(|text| text == ""), "{empty}");
    }
    assert!(body.get("account").is_none_or(Value::is_null) && answer.header("token").is_none(), "{body}");
    // A ticket is no token.
    let ticket = asked["ticket"].as_str().unwrap();
    assert_eq!(app.get("/v1/me", &[("token", ticket)]).await.status, StatusCode::UNAUTHORIZED);

    let completed = complete(&app, ticket, &totp(&authenticator.next(&app))).await;
    assert_eq!(completed.status, StatusCode::OK, "{}", completed.json());
    let body = completed.json();
    assert_eq!((&body["recoveryCodesLeft"], &body["expiresIn"]), (&json!(10), &json!(3_600)));
    let token = body["token"].as_str().unwrap();
    assert_eq!(app.get("/v1/me", &[("token", token)]).await.status, StatusCode::OK);
    assert!(!body["device"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn a_wrong_code_leaves_the_ticket_and_a_right_one_uses_it_up() {
    let app = TestApp::start().await;
    let (authenticator, codes) = enrol(&app, &app.sign_in_username("alice").await).await;
    let ticket = ticket(&app).await;
    for proof in [totp(&authenticator.wrong(&app)), json!({ "recoveryCode": "aaaa-aaaa-aaaa-aaaa" })] {
        let refused = complete(&app, &ticket, &proof).await;
        assert_eq!((refused.status, &*reason(&refused)), (StatusCode::UNAUTHORIZED, "SECOND_FACTOR_INVALID"));
    }
    let code = authenticator.next(&app);
    assert_eq!(complete(&app, &ticket, &totp(&code)).await.status, StatusCode::OK);
    for proof in [totp(&authenticator.next(&app)), json!({ "recoveryCode": codes[0] })] {
        let refused = complete(&app, &ticket, &proof).await;
        assert_eq!((refused.status, &*reason(&refused)), (StatusCode::UNAUTHORIZED, "TICKET_INVALID"));
    }
}

#[tokio::test]
async fn each_code_signs_in_once_and_the_one_that_confirmed_never() {
    let app = TestApp::start().await;
    let (authenticator, codes) = enrol(&app, &app.sign_in_username("alice").await).await;
    let confirmed = authenticator.code_in(&app, 0);
    assert_eq!(reason(&complete(&app, &ticket(&app).await, &totp(&confirmed)).await), "SECOND_FACTOR_INVALID");
    let code = authenticator.next(&app);
    assert_eq!(complete(&app, &ticket(&app).await, &totp(&code)).await.status, StatusCode::OK);
    assert_eq!(reason(&complete(&app, &ticket(&app).await, &totp(&code)).await), "SECOND_FACTOR_INVALID");
    // Typed as people type it.
    let typed = codes[3].to_uppercase().replace('-', " ");
    let completed = complete(&app, &ticket(&app).await, &json!({ "recoveryCode": typed })).await.json();
    assert_eq!(completed["recoveryCodesLeft"], 9);
    let again = complete(&app, &ticket(&app).await, &json!({ "recoveryCode": codes[3] })).await;
    assert_eq!(reason(&again), "SECOND_FACTOR_INVALID");
}

#[tokio::test]
async fn a_code_is_good_one_step_either_way() {
    let app = TestApp::start().await;
    let (authenticator, _) = enrol(&app, &app.sign_in_username("alice").await).await;
    for (seconds, expected) in [(-60, false), (-30, true), (60, false), (30, true), (90, false)] {
        app.clock.advance(300);
        let answer = complete(&app, &ticket(&app).await, &totp(&authenticator.code_in(&app, seconds))).await;
        assert_eq!(answer.status == StatusCode::OK, expected, "{seconds}: {}", answer.json());
    }
}

#[tokio::test]
async fn a_right_password_forgets_no_failures_and_a_finished_sign_in_forgets_all() {
    let app = TestApp::start().await;
    let (authenticator, _) = enrol(&app, &app.sign_in_username("alice").await).await;
    for _ in 0..4 {
        assert_eq!(reason(&login(&app, WRONG).await), "INVALID_CREDENTIALS");
    }
    let ticket = ticket(&app).await;
    assert_eq!(failures(&app).await, 4);
    for _ in 0..6 {
        assert_eq!(complete(&app, &ticket, &totp(&authenticator.wrong(&app))).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(failures(&app).await, 6, "of codes, which are counted apart");
    assert_eq!(complete(&app, &ticket, &totp(&authenticator.next(&app))).await.status, StatusCode::OK);
    assert_eq!(failures(&app).await, 0);
}

#[tokio::test]
async fn codes_are_counted_for_the_account_whatever_the_ticket_and_a_new_password_forgets_none() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let (authenticator, codes) = enrol(&app, &token).await;
    for guess in 0..10 {
        let proof = totp(&authenticator.wrong(&app));
        assert_eq!(reason(&complete(&app, &ticket(&app).await, &proof).await), "SECOND_FACTOR_INVALID", "{guess}");
    }
    // With a new password, which a mailed link could set as well, a new ticket and a right code.
    let change = json!({ "currentPassword": PASSWORD, "newPassword": "an0ther-pass" });
    assert_eq!(call(&app, "/v1/me:changePassword", &token, &change).await.status, StatusCode::OK);
    let back = json!({ "currentPassword": "an0ther-pass", "newPassword": PASSWORD });
    assert_eq!(call(&app, "/v1/me:changePassword", &token, &back).await.status, StatusCode::OK);
    let refused = complete(&app, &ticket(&app).await, &json!({ "recoveryCode": codes[0] })).await;
    assert_eq!((refused.status, &*reason(&refused)), (StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_ATTEMPTS"));
    assert_eq!(refused.header("retry-after"), Some("30"));
    app.clock.advance(30);
    assert_eq!(complete(&app, &ticket(&app).await, &totp(&authenticator.next(&app))).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_ticket_is_void_after_five_minutes_and_when_the_account_has_changed() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let (authenticator, codes) = enrol(&app, &token).await;
    let recovery = |number: usize| json!({ "recoveryCode": codes[number] });
    let late = ticket(&app).await;
    app.clock.advance(300);
    assert_eq!(reason(&complete(&app, &late, &recovery(0)).await), "TICKET_INVALID");

    let before = ticket(&app).await;
    let change = json!({ "currentPassword": PASSWORD, "newPassword": "an0ther-pass" });
    assert_eq!(call(&app, "/v1/me:changePassword", &token, &change).await.status, StatusCode::OK);
    assert_eq!(reason(&complete(&app, &before, &recovery(0)).await), "TICKET_INVALID");
    let back = json!({ "currentPassword": "an0ther-pass", "newPassword": PASSWORD });
    assert_eq!(call(&app, "/v1/me:changePassword", &token, &back).await.status, StatusCode::OK);

    let before = ticket(&app).await;
    let made = call(&app, "/v1/me/recoveryCodes:make", &token, &json!({ "password": PASSWORD })).await.json();
    let made = json!({ "recoveryCode": made["recoveryCodes"][0] });
    assert_eq!(reason(&complete(&app, &before, &made).await), "TICKET_INVALID", "other factors");
    assert_eq!(reason(&complete(&app, &ticket(&app).await, &recovery(0)).await), "SECOND_FACTOR_INVALID", "void");

    let before = ticket(&app).await;
    let operator = app.operator().await;
    let alice = operator.find(&Handle::parse("alice").unwrap()).await.unwrap().unwrap();
    for status in ["inactive", "active"] {
        let status = countersign::domain::AccountStatus::parse(status).unwrap();
        assert!(operator.set_status(alice.id, status, false).await.unwrap());
        assert_eq!(reason(&complete(&app, &before, &made).await), "TICKET_INVALID", "{status:?}");
    }
    assert_eq!(complete(&app, &ticket(&app).await, &totp(&authenticator.next(&app))).await.status, StatusCode::OK);
    let before = ticket(&app).await;
    assert!(operator.delete(alice.id, false).await.unwrap());
    assert_eq!(reason(&complete(&app, &before, &made).await), "TICKET_INVALID", "deleted");
}

#[tokio::test]
async fn only_a_whole_ticket_of_this_service_is_one() {
    let app = TestApp::start().await;
    let (authenticator, _) = enrol(&app, &app.sign_in_username("alice").await).await;
    let (good, code) = (ticket(&app).await, totp(&authenticator.next(&app)));
    let device = complete(&app, &good, &code).await.json()["device"].as_str().unwrap().to_owned();
    let good = ticket(&app).await;
    let mut others = vec![device, "x".to_owned(), ".".to_owned(), "x".repeat(1_024), format!("{good}A")];
    for at in (0..good.len()).step_by(7) {
        let mut bent = good.clone().into_bytes();
        bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
        others.push(String::from_utf8(bent).unwrap());
    }
    for other in others {
        let refused = complete(&app, &other, &totp(&authenticator.code_in(&app, 30))).await;
        assert_eq!((refused.status, &*reason(&refused)), (StatusCode::UNAUTHORIZED, "TICKET_INVALID"), "{other}");
    }
    for body in [
        json!({}),
        json!({ "ticket": good }),
        json!({ "totpCode": "123456" }),
        json!({ "ticket": good, "totpCode": "12345" }),
    ] {
        let refused = app.post("/v1/sessions:completeLogin", &body).await;
        assert_eq!((refused.status, &*reason(&refused)), (StatusCode::BAD_REQUEST, "VALIDATION"), "{body}");
    }
}

#[tokio::test]
async fn until_the_password_is_right_nothing_tells_who_has_a_second_factor() {
    let app = TestApp::start().await;
    enrol(&app, &app.sign_in_username("alice").await).await;
    app.sign_in_username("bobby").await;
    let mut answers = Vec::new();
    for name in ["alice", "bobby", "nobody"] {
        let before = app.hasher.runs();
        let answer = app.post("/v1/sessions:login", &json!({ "username": name, "password": WRONG })).await;
        assert_eq!(app.hasher.runs() - before, 1, "{name}");
        answers.push((answer.status, answer.json(), answer.headers.len()));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
}
