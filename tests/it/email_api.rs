//! Successful calls of the email API, `/auth/…`. Its refusals are in `email_refusals`.

use std::collections::BTreeSet;

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use uuid::Uuid;

use crate::support::app::{START, request};
use crate::support::http::over_socket;
use crate::support::token::{claims, header};
use crate::support::{Answer, PASSWORD, TestApp};

fn ada() -> Value {
    json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada Lovelace", "firm_name": "Engines" })
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

async fn me(app: &TestApp, token: &str) -> Answer {
    app.get("/auth/me", &[("authorization", &bearer(token))]).await
}

async fn refresh(app: &TestApp, token: &str) -> Answer {
    app.post_empty("/auth/refresh", &[("authorization", &bearer(token))]).await
}

/// Asserts a 200 with this body and a fresh token in the header. Returns the token.
#[track_caller]
fn fresh(name: &str, answer: &Answer, body: &Value) -> String {
    let token = answer.token();
    answer.assert(name, 200, &[("access-control-expose-headers", "Token"), ("token", &token)], body);
    token
}

#[tokio::test]
async fn registration_answers_who_was_registered_and_no_token() {
    let app = TestApp::start().await;
    let mut body = ada();
    body["email"] = json!(" Ada@Example.COM ");
    body["name"] = json!(" Ada Lovelace ");
    let answer = app.post("/auth/register", &body).await;
    let id = answer.json()["user"]["id"].clone();
    assert!(id.as_str().unwrap().parse::<Uuid>().is_ok());
    let message = "Account created successfully. Please check your email to verify.";
    let user = json!({ "id": id, "email": "ada@example.com", "name": "Ada Lovelace" });
    answer.assert("register", 201, &[], &json!({ "user": user, "message": message }));
}

#[tokio::test]
async fn login_answers_the_token_and_the_user_in_any_letter_case_of_the_email() {
    let app = TestApp::start().await;
    let id = app.post("/auth/register", &ada()).await.json()["user"]["id"].clone();
    for email in ["ada@example.com", "ADA@EXAMPLE.COM", " Ada@example.com "] {
        let answer = app.post("/auth/login", &json!({ "email": email, "password": PASSWORD })).await;
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        let firm_id = claims(&token)["firm_id"].clone();
        let body = json!({
            "access_token": token,
            "token_type": "bearer",
            "expires_in": 86_400,
            "user": {
                "id": id,
                "email": "ada@example.com",
                "name": "Ada Lovelace",
                "firm_id": firm_id,
                "role": "admin",
            },
        });
        answer.assert(email, 200, &[], &body);
    }
}

#[tokio::test]
async fn a_token_says_who_signed_in_and_lives_for_twenty_four_hours() {
    let app = TestApp::start().await;
    let id = app.post("/auth/register", &ada()).await.json()["user"]["id"].clone();
    let login = app.post("/auth/login", &json!({ "email": "Ada@example.com", "password": PASSWORD })).await.json();
    let token = login["access_token"].as_str().unwrap();
    assert_eq!(header(token), json!({ "alg": "HS256", "typ": "JWT" }));
    let said = claims(token);
    let names: BTreeSet<_> = said.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        BTreeSet::from(["auth_time", "email", "epoch", "exp", "firm_id", "iat", "role", "session_exp", "sid", "sub"])
    );
    for (name, expected) in [
        ("sub", id),
        ("email", json!("ada@example.com")),
        ("firm_id", login["user"]["firm_id"].clone()),
        ("role", json!("admin")),
        ("iat", json!(START)),
        ("exp", json!(START + 86_400)),
    ] {
        assert_eq!(said[name], expected, "{name}");
    }
    for name in ["sub", "firm_id", "sid"] {
        assert!(said[name].as_str().unwrap().parse::<Uuid>().is_ok(), "{name}");
    }
}

#[tokio::test]
async fn me_answers_the_whole_account_and_a_fresh_token() {
    let app = TestApp::start().await;
    let id = app.post("/auth/register", &ada()).await.json()["user"]["id"].clone();
    app.clock.advance(90);
    let login = app.post("/auth/login", &json!({ "email": "ada@example.com", "password": PASSWORD })).await.json();
    let token = login["access_token"].as_str().unwrap();
    let body = json!({
        "id": id,
        "email": "ada@example.com",
        "name": "Ada Lovelace",
        "firm_id": claims(token)["firm_id"],
        "firm_name": "Engines",
        "role": "admin",
        "created_at": "2027-01-15T08:00:00Z",
    });
    let lower = format!("bearer {token}");
    fresh("Bearer", &me(&app, token).await, &body);
    fresh("bearer", &app.get("/auth/me", &[("authorization", &lower)]).await, &body);
    fresh("the other carrier", &app.get("/auth/me", &[("token", token)]).await, &body);
}

#[tokio::test]
async fn refresh_answers_a_fresh_token_of_the_same_session_and_the_old_one_stays_good() {
    let app = TestApp::start().await;
    let first = app.sign_in_email("ada@example.com").await;
    app.clock.advance(86_399);
    let answer = refresh(&app, &first).await;
    let second = answer.json()["access_token"].as_str().unwrap().to_owned();
    let body = json!({ "access_token": second, "token_type": "bearer", "expires_in": 86_400 });
    assert_eq!(fresh("refresh", &answer, &body), second, "the header carries the same one");

    let mut expected = claims(&first);
    expected["iat"] = json!(START + 86_399);
    expected["exp"] = json!(START + 86_399 + 86_400);
    assert_eq!(claims(&second), expected, "but for the times, the same");
    assert_eq!(refresh(&app, &first).await.status, 200, "two tabs may refresh");
    app.clock.advance(1);
    assert_eq!(refresh(&app, &first).await.status, 401, "expired");
    assert_eq!(refresh(&app, &second).await.status, 200);
}

#[tokio::test]
async fn a_changed_role_shows_in_the_next_token() {
    let app = TestApp::start().await;
    let token = app.sign_in_email("ada@example.com").await;
    let options = SqliteConnectOptions::new().filename(app.database());
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("update accounts set role = 'viewer'").execute(&mut database).await.unwrap();

    let answer = refresh(&app, &token).await.json();
    assert_eq!(claims(answer["access_token"].as_str().unwrap())["role"], "viewer");
    let answer = me(&app, &token).await;
    assert_eq!((&answer.json()["role"], &claims(&answer.token())["role"]), (&json!("viewer"), &json!("viewer")));
}

#[tokio::test]
async fn logout_ends_every_token_of_its_sign_in_and_of_no_other() {
    let app = TestApp::start().await;
    let first = app.sign_in_email("ada@example.com").await;
    let login = json!({ "email": "ada@example.com", "password": PASSWORD });
    let elsewhere = app.post("/auth/login", &login).await.json()["access_token"].as_str().unwrap().to_owned();
    let stranger = app.sign_in_email("grace@example.com").await;
    let mut slid = vec![first];
    for _ in 0..3 {
        app.clock.advance(60);
        let newest = slid.last().unwrap();
        let refreshed = refresh(&app, newest).await.json()["access_token"].as_str().unwrap().to_owned();
        slid.extend([me(&app, newest).await.token(), refreshed]);
    }
    let answer = app.post_empty("/auth/logout", &[("authorization", &bearer(&slid[2]))]).await;
    answer.assert("no token on logout", 200, &[], &json!({ "message": "Logged out successfully" }));

    let challenge = [("www-authenticate", "Bearer error=\"invalid_token\"")];
    let detail = "the token is missing or invalid: log in again";
    let refused = json!({ "detail": detail, "error_code": "invalid_token", "error": "invalid_token" });
    let dead = async |app: &TestApp| {
        for (index, token) in slid.iter().enumerate() {
            let name = format!("token {index}");
            me(app, token).await.assert(&name, 401, &challenge, &refused);
            refresh(app, token).await.assert(&name, 401, &challenge, &refused);
            let again = app.post_empty("/auth/logout", &[("authorization", &bearer(token))]).await;
            again.assert(&name, 200, &[], &json!({ "message": "Logged out successfully" }));
            assert_eq!(app.get("/api/auth/me", &[("token", token)]).await.status, 401, "{name}");
        }
    };
    dead(&app).await;
    for (name, token) in [("another sign-in", &elsewhere), ("another account", &stranger)] {
        assert_eq!(me(&app, token).await.status, 200, "{name}");
    }
    let app = app.restart(&[]).await;
    dead(&app).await;
    assert_eq!(me(&app, &elsewhere).await.status, 200);
}

#[tokio::test]
async fn logout_takes_either_carrier() {
    let app = TestApp::start().await;
    for carrier in ["token", "authorization"] {
        let token = app.sign_in_email(&format!("{carrier}@example.com")).await;
        let credential = if carrier == "token" { token.clone() } else { format!("BEARER {token}") };
        let answer = app.post_empty("/auth/logout", &[(carrier, &credential)]).await;
        answer.assert(carrier, 200, &[], &json!({ "message": "Logged out successfully" }));
        assert_eq!(me(&app, &token).await.status, 401, "{carrier}");
    }
}

#[tokio::test]
async fn an_email_token_is_good_on_the_other_api() {
    let app = TestApp::start().await;
    let token = app.sign_in_email("ada@example.com").await;
    let answer = app.get("/api/auth/me", &[("token", &token)]).await;
    let slid = answer.token();
    answer.assert("me", 204, &[("access-control-expose-headers", "Token"), ("token", &slid)], &Value::Null);
    assert_eq!(claims(&slid)["exp"], json!(START + 86_400), "the lifetime is the sign-in's, whatever path is called");
}

#[tokio::test]
async fn a_username_token_is_refreshed_for_its_own_hour() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let answer = refresh(&app, &token).await;
    let body = json!({ "access_token": answer.token(), "token_type": "bearer", "expires_in": 3_600 });
    fresh("refresh", &answer, &body);
}

#[tokio::test]
async fn every_registration_makes_a_new_firm_whatever_it_is_called() {
    let app = TestApp::start().await;
    let mut firms = BTreeSet::new();
    for email in ["ada@example.com", "grace@example.com", "joan@example.com"] {
        let account = me(&app, &app.sign_in_email(email).await).await.json();
        assert_eq!((&account["firm_name"], &account["role"]), (&json!("Engines"), &json!("admin")), "{email}");
        firms.insert(account["firm_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(firms.len(), 3);
}

#[tokio::test]
async fn unknown_keys_are_ignored_and_set_nothing() {
    let app = TestApp::start().await;
    let victim = me(&app, &app.sign_in_email("victim@example.com").await).await.json();
    let mut body = ada();
    let forged = json!({
        "id": victim["id"], "sub": victim["id"], "firm_id": victim["firm_id"], "role": "viewer", "status": "inactive",
        "verified": true, "email_verified": true, "created_at": "1970-01-01T00:00:00Z", "username": "ada", "epoch": 7,
    });
    body.as_object_mut().unwrap().extend(forged.as_object().unwrap().clone());
    let registered = app.post("/auth/register", &body).await;
    let message = "Account created successfully. Please check your email to verify.";
    let id = registered.json()["user"]["id"].clone();
    let user = json!({ "id": id, "email": "ada@example.com", "name": "Ada Lovelace" });
    registered.assert("register", 201, &[], &json!({ "user": user, "message": message }));

    let login = app.post("/auth/login", &body).await;
    assert_eq!(login.status, 200, "ignored at login too");
    let account = me(&app, login.json()["access_token"].as_str().unwrap()).await.json();
    assert_ne!(account["id"], victim["id"]);
    assert_ne!(account["firm_id"], victim["firm_id"]);
    assert_eq!((&account["role"], &account["created_at"]), (&json!("admin"), &json!("2027-01-15T08:00:00Z")));
}

#[tokio::test]
async fn a_password_counts_to_its_last_byte() {
    let app = TestApp::start().await;
    let long = "p".repeat(1_023);
    for (name, password, others) in [
        ("1,024 bytes", format!("{long}a"), vec![format!("{long}b"), long.clone(), "p".repeat(72)]),
        ("eight characters", "8 chars!".to_owned(), vec!["8 chars!!".to_owned(), "8 chars".to_owned()]),
        ("white space around", "  spaces  ".to_owned(), vec!["spaces".to_owned(), "  spaces ".to_owned()]),
        ("NUL", "before\0after".to_owned(), vec!["before\0other".to_owned(), "before".to_owned()]),
    ] {
        let email = format!("{}@example.com", name.replace([' ', ','], "."));
        let body = json!({ "email": email, "password": password, "name": "N", "firm_name": "F" });
        assert_eq!(app.post("/auth/register", &body).await.status, 201, "{name}");
        assert_eq!(app.post("/auth/login", &body).await.status, 200, "{name}");
        for other in others {
            let answer = app.post("/auth/login", &json!({ "email": email, "password": other })).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.json()["error"]),
                (400, &json!("invalid_credentials")),
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn every_route_answers_alike_over_a_real_connection() {
    let mut app = TestApp::start().await;
    let served = app.serve().await;
    let call = async |method, path, headers: &[(&str, &str)], body: String| {
        over_socket(served.address, request(method, path, headers, Body::from(body))).await
    };
    let json = [("content-type", "application/json; charset=utf-8")];
    let answer = call(Method::POST, "/auth/register", &json, ada().to_string()).await;
    let message = "Account created successfully. Please check your email to verify.";
    let user = json!({ "id": answer.json()["user"]["id"], "email": "ada@example.com", "name": "Ada Lovelace" });
    answer.assert("register", 201, &[], &json!({ "user": user, "message": message }));

    let answer = call(Method::POST, "/auth/login", &json, ada().to_string()).await;
    let login = answer.json();
    answer.assert("login", 200, &[], &login);
    let authorization = bearer(login["access_token"].as_str().unwrap());
    let credential = [("authorization", &*authorization)];

    let answer = call(Method::POST, "/auth/refresh", &credential, String::new()).await;
    let body = json!({ "access_token": answer.token(), "token_type": "bearer", "expires_in": 86_400 });
    fresh("refresh", &answer, &body);
    let answer = call(Method::GET, "/auth/me", &credential, String::new()).await;
    let mut account = login["user"].clone();
    account["firm_name"] = json!("Engines");
    account["created_at"] = json!("2027-01-15T08:00:00Z");
    fresh("me", &answer, &account);
    let answer = call(Method::POST, "/auth/logout", &credential, String::new()).await;
    answer.assert("logout", 200, &[], &json!({ "message": "Logged out successfully" }));
    served.stop().await;
}
