//! Refusals of the username API: `{"statusCode", "error", "message"}`, and never a token.

use http::StatusCode;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use countersign::domain::{AccountStatus, Handle};

use crate::support::app::START;
use crate::support::token::{claims, forge, sign, with};
use crate::support::{Answer, PASSWORD, SECRET, TestApp};

/// The whole body of a refusal.
fn error(status: u16, message: &str) -> Value {
    let reason = StatusCode::from_u16(status).unwrap().canonical_reason().unwrap();
    json!({ "statusCode": status, "error": reason, "message": message })
}

/// "401, one identical body for all". The challenge names an error only if the request had a credential.
#[track_caller]
fn assert_refused(name: &str, answer: &Answer, challenge: &str) {
    let body = error(401, "the token is missing, invalid or expired: log in again");
    answer.assert(name, 401, &[("www-authenticate", challenge)], &body);
}

const PRESENTED: &str = "Bearer error=\"invalid_token\"";

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_cannot_be_told_apart() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    let login = async |username: &str, password: &str| {
        app.post("/api/auth/login", &json!({ "username": username, "password": password })).await
    };
    let wrong = login("alice", "n0t her pass").await;
    wrong.assert("wrong", 401, &[("www-authenticate", "Bearer")], &error(401, "username or password incorrect"));
    for (name, answer) in [
        ("unknown user", login("nobody", PASSWORD).await),
        ("a space too many", login("alice", &format!("{PASSWORD} ")).await),
        ("a space before", login("alice", &format!(" {PASSWORD}")).await),
        ("another letter case", login("alice", &PASSWORD.to_uppercase()).await),
        ("a longer one", login("alice", &format!("{PASSWORD}{PASSWORD}")).await),
    ] {
        assert_eq!(answer.status, wrong.status, "{name}");
        assert_eq!(answer.body, wrong.body, "{name}");
        let names = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&answer), names(&wrong), "{name}");
        assert_eq!(answer.telling_headers(), wrong.telling_headers(), "{name}");
        assert_eq!(answer.header("content-length"), wrong.header("content-length"), "{name}");
    }
}

#[tokio::test]
async fn the_first_problem_of_a_login_is_named_and_the_username_comes_first() {
    let app = TestApp::start().await;
    for (name, body, message) in [
        ("nothing", json!({}), "\"username\" is required"),
        ("no username", json!({ "password": PASSWORD }), "\"username\" is required"),
        ("no password", json!({ "username": "alice" }), "\"password\" is required"),
        ("no password beside a bad name", json!({ "username": "a@b.cd" }), "\"password\" is required"),
        ("empty username", json!({ "username": "", "password": PASSWORD }), "\"username\" is required"),
        ("blank username", json!({ "username": " \t", "password": PASSWORD }), "\"username\" is required"),
        ("empty password", json!({ "username": "alice", "password": "" }), "\"password\" is required"),
        ("numeric username", json!({ "username": 12345, "password": PASSWORD }), "\"username\" must be a string"),
        ("null password", json!({ "username": "alice", "password": null }), "\"password\" must be a string"),
        ("a list", json!({ "username": ["alice"], "password": PASSWORD }), "\"username\" must be a string"),
        (
            "an unknown key",
            json!({ "username": "alice", "password": PASSWORD, "remember": true }),
            "\"remember\" is not allowed",
        ),
        (
            "an unknown key with a name to be careful with",
            json!({ "username": "alice", "password": PASSWORD, "<script>": 1 }),
            "an unknown key is not allowed",
        ),
        ("not an object: a list", json!([]), "\"username\" is required"),
        ("not an object: a string", json!("alice"), "\"username\" is required"),
        ("not an object: null", json!(null), "\"username\" is required"),
    ] {
        app.post("/api/auth/login", &body).await.assert(name, 422, &[], &error(422, message));
    }
}

#[tokio::test]
async fn a_login_with_what_nobody_can_have_is_a_wrong_one() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    let long = "a".repeat(1_025);
    for (username, password) in [
        ("a@b.cd", PASSWORD),
        ("al", PASSWORD),
        ("abcdefghijklmnop", PASSWORD),
        ("two  spaces", PASSWORD),
        ("ali\0ce", PASSWORD),
        ("ali\u{200b}ce", PASSWORD),
        (&long, PASSWORD),
        ("alice", "1234"),
        ("alice", &long),
        ("a@b.cd", "1"),
    ] {
        let answer = app.post("/api/auth/login", &json!({ "username": username, "password": password })).await;
        let wrong = error(401, "username or password incorrect");
        answer.assert(&format!("{username:.20} {password:.20}"), 401, &[("www-authenticate", "Bearer")], &wrong);
    }
}

#[tokio::test]
async fn the_first_problem_of_a_registration_is_named_and_the_password_comes_first() {
    let app = TestApp::start().await;
    let invisible = "\"username\" must not contain control or invisible characters";
    let with_name = |username: &str| json!({ "username": username, "password": PASSWORD });
    for (name, body, message) in [
        ("nothing", json!({}), "\"password\" is required"),
        ("no username", json!({ "password": PASSWORD }), "\"username\" is required"),
        ("no password", json!({ "username": "alice" }), "\"password\" is required"),
        ("both bad", json!({ "username": "al", "password": "1234" }), "\"password\" must have at least 5 characters"),
        ("empty password", json!({ "username": "alice", "password": "" }), "\"password\" is required"),
        ("numeric password", json!({ "username": "alice", "password": 12345678 }), "\"password\" must be a string"),
        (
            "long password",
            json!({ "username": "alice", "password": "é".repeat(513) }),
            "\"password\" must have at most 1024 bytes",
        ),
        ("empty username", with_name(""), "\"username\" is required"),
        ("short username", with_name(" al "), "\"username\" must have at least 3 characters"),
        ("long username", with_name("abcdefghijklmnop"), "\"username\" must have at most 15 characters"),
        ("a megabyte of a username", with_name(&"a".repeat(60_000)), "\"username\" must have at most 15 characters"),
        ("NUL", with_name("ali\0ce"), invisible),
        ("a control character", with_name("ali\u{7}ce"), invisible),
        ("zero-width space", with_name("ali\u{200b}ce"), invisible),
        (
            "an unknown key",
            json!({ "username": "alice", "password": PASSWORD, "is_admin": true }),
            "\"is_admin\" is not allowed",
        ),
        ("not an object", json!([PASSWORD]), "\"password\" is required"),
    ] {
        app.post("/api/auth/register", &body).await.assert(name, 422, &[], &error(422, message));
    }
    assert!(app.is_empty().await, "nothing was registered");
}

#[tokio::test]
async fn a_username_is_taken_in_any_letter_case() {
    let app = TestApp::start().await;
    app.sign_in_username("Zoë").await;
    for typed in ["zoë", "ZOË", " Zoë ", "zoe\u{308}"] {
        let answer = app.post("/api/auth/register", &json!({ "username": typed, "password": "another pass" })).await;
        answer.assert(typed, 409, &[], &error(409, "this username is taken: choose another"));
    }
    let answer = app.post("/api/auth/login", &json!({ "username": "zoë", "password": PASSWORD })).await;
    assert_eq!(answer.status, 200, "the password is still the first one's");
}

#[tokio::test]
async fn a_closed_registration_is_answered_before_anything_is_validated() {
    for setting in ["false", "TRUE", "True", "1", "yes", ""] {
        let app = TestApp::with(&[&format!("--allow-registration={setting}")]).await;
        for (name, body) in [
            ("good", json!({ "username": "alice", "password": PASSWORD })),
            ("nothing", json!({})),
            ("bad", json!({ "username": 1, "password": "x" })),
            ("an unknown key", json!({ "username": "alice", "password": PASSWORD, "extra": 1 })),
            ("not an object", json!([])),
        ] {
            let answer = app.post("/api/auth/register", &body).await;
            answer.assert(&format!("{setting:?}: {name}"), 403, &[], &error(403, "registration is closed"));
        }
    }
}

#[tokio::test]
async fn who_registered_before_registration_closed_still_logs_in() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    let app = app.restart(&["--allow-registration=false"]).await;
    let answer = app.post("/api/auth/login", &json!({ "username": "alice", "password": PASSWORD })).await;
    answer.assert("login", 200, &[], &json!({ "token": answer.json()["token"], "user": "alice" }));
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_the_answer_is_the_same() {
    let app = TestApp::start().await;
    let good = app.sign_in_username("alice").await;
    let other = app.sign_in_username("bobby").await;
    let said = claims(&good);
    let unsigned = good.rsplit_once('.').unwrap().0;
    let tampered = format!("{unsigned}.{}", other.rsplit_once('.').unwrap().1);
    let hs256 = Some((SECRET, Algorithm::HS256));
    assert_eq!(app.get("/api/auth/me", &[("token", &sign(&said, SECRET))]).await.status, 204, "forging works at all");

    for (name, token) in [
        ("empty", String::new()),
        ("garbage", "garbage".to_owned()),
        ("what a careless client stores", "undefined".to_owned()),
        ("two dots", "..".to_owned()),
        ("another one's signature", tampered),
        ("no signature", format!("{unsigned}.")),
        ("two segments", unsigned.to_owned()),
        ("another key", sign(&said, "another secret, just as long as the first")),
        ("alg none", forge("none", &said, None)),
        ("alg none, signed", forge("none", &said, hs256)),
        ("alg NONE", forge("NONE", &said, None)),
        ("HS384", forge("HS384", &said, Some((SECRET, Algorithm::HS384)))),
        ("HS512", forge("HS512", &said, Some((SECRET, Algorithm::HS512)))),
        ("RS256 signed with the secret", forge("RS256", &said, hs256)),
        ("no exp", sign(&with(&said, "exp", Value::Null), SECRET)),
        ("exp as a text", sign(&with(&said, "exp", json!("9999999999")), SECRET)),
        ("expired", sign(&with(&with(&said, "iat", json!(START - 3_600)), "exp", json!(START)), SECRET)),
        (
            "only the claims of the real server",
            sign(&json!({ "username": "alice", "iat": START, "exp": START + 3_600 }), SECRET),
        ),
        ("of nobody", sign(&with(&said, "sub", json!("01936f2a-0000-7000-8000-000000000000")), SECRET)),
    ] {
        assert_refused(name, &app.get("/api/auth/me", &[("token", &token)]).await, PRESENTED);
        if !token.is_empty() {
            let bearer = format!("Bearer {token}");
            assert_refused(name, &app.get("/api/auth/me", &[("authorization", &bearer)]).await, PRESENTED);
        }
    }
    for (name, headers, challenge) in [
        ("none", &[][..], "Bearer"),
        ("two different ones", &[("token", &*good), ("authorization", &*format!("Bearer {other}"))], PRESENTED),
        ("twice", &[("token", &good), ("token", &good)], PRESENTED),
        ("the scheme alone", &[("authorization", "Bearer")], PRESENTED),
        ("no scheme", &[("authorization", &good)], PRESENTED),
        ("in a cookie", &[("cookie", &*format!("token={good}"))], "Bearer"),
    ] {
        assert_refused(name, &app.get("/api/auth/me", headers).await, challenge);
    }
    assert_refused("in the query", &app.get(&format!("/api/auth/me?token={good}"), &[]).await, "Bearer");
}

#[tokio::test]
async fn a_token_is_good_for_its_last_second_and_not_one_more() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    app.clock.advance(3_599);
    assert_eq!(app.get("/api/auth/me", &[("token", &token)]).await.status, 204);
    app.clock.advance(1);
    assert_refused("expired", &app.get("/api/auth/me", &[("token", &token)]).await, PRESENTED);
}

#[tokio::test]
async fn the_token_of_an_account_that_is_gone_is_refused() {
    let app = TestApp::start().await;
    let operator = app.operator().await;
    for (name, deleted) in [("deleted", true), ("disabled", false)] {
        let token = app.sign_in_username(name).await;
        let account = operator.find(&Handle::parse(name).unwrap()).await.unwrap().unwrap();
        if deleted {
            assert!(operator.delete(account.id, false).await.unwrap());
        } else {
            assert!(operator.set_status(account.id, AccountStatus::Inactive, false).await.unwrap());
        }
        assert_refused(name, &app.get("/api/auth/me", &[("token", &token)]).await, PRESENTED);
        let login = app.post("/api/auth/login", &json!({ "username": name, "password": PASSWORD })).await;
        login.assert(name, 401, &[("www-authenticate", "Bearer")], &error(401, "username or password incorrect"));
    }
}
