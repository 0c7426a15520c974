//! A change of `TOKEN_ALGORITHM` signs nobody out, in either direction, and what was given up mints nothing afterwards.

use countersign::domain::KeyState;
use http::StatusCode;
use serde_json::{Value, json};

use super::{ES256, kid, me, published, slide, started, states, until_published};
use crate::support::app::START;
use crate::support::{SECRET, TestApp, token};
use crate::wire::eventually;

/// A token that who has the secret makes of another one, minted at `iat`.
fn forged(text: &str, iat: i64) -> String {
    let claims = token::with(&token::claims(text), "iat", json!(iat));
    token::sign(&token::with(&claims, "exp", json!(iat + 3_600)), SECRET)
}

#[tokio::test]
async fn from_the_secret_to_keys_and_the_secret_mints_nothing_afterwards() {
    let app = TestApp::start().await;
    let [old, other] = [app.sign_in_username("alice").await, app.sign_in_email("ada@example.com").await];
    app.clock.advance(60);
    let app = app.restart(&ES256).await;
    let new = slide(&app, &old).await;
    assert!(published(&app).await.contains(&kid(&new)));
    assert_eq!(token::claims(&new)["iss"], super::ISSUER);

    assert_eq!(me(&app, &forged(&old, START + 60)).await, StatusCode::NO_CONTENT, "minted before the switch");
    assert_eq!(me(&app, &forged(&old, START + 61)).await, StatusCode::UNAUTHORIZED, "minted after the switch");

    // A restart does not move the time of the switch.
    app.clock.advance(600);
    let app = app.restart(&ES256).await;
    assert_eq!(me(&app, &forged(&old, START + 61)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(app.get("/auth/me", &[("token", &other)]).await.status, StatusCode::OK);

    // After the longest token lifetime and ten minutes, the secret verifies nothing, whatever a token claims.
    app.clock.advance(24 * 3_600 + 600 - 601);
    let eternal = token::with(&token::claims(&other), "exp", json!(START + 20 * 86_400));
    let eternal = token::sign(&eternal, SECRET);
    assert_eq!(app.get("/auth/me", &[("token", &eternal)]).await.status, StatusCode::OK);
    app.clock.advance(2);
    assert_eq!(app.get("/auth/me", &[("token", &eternal)]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn from_keys_to_the_secret_and_the_keys_go() {
    let app = TestApp::with(&ES256).await;
    let old = app.sign_in_email("ada@example.com").await;
    let keys = published(&app).await;
    app.clock.advance(60);
    let mut app = app.restart(&[]).await;
    let _served = app.serve().await;
    let answer = app.get("/auth/me", &[("token", &old)]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(token::header(&answer.token()), json!({ "alg": "HS256", "typ": "JWT" }));
    // Who verifies with public keys still meets tokens of them.
    until_published(&app, &[&keys[0], &keys[1]]).await;
    app.clock.advance(24 * 3_600 + 600);
    until_published(&app, &[]).await;
    assert!(states(&app).await.is_empty());
    let fresh = app.sign_in_username("alice").await;
    assert_eq!(me(&app, &fresh).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn there_and_back_again_within_the_life_of_a_token() {
    let app = TestApp::start().await;
    let first = app.sign_in_username("alice").await;
    app.clock.advance(60);
    let app = app.restart(&ES256).await;
    let second = slide(&app, &first).await;
    let key = kid(&second);
    app.clock.advance(60);
    let app = app.restart(&[]).await;
    let third = slide(&app, &second).await;
    assert_eq!(token::header(&third)["alg"], "HS256");
    app.clock.advance(60);
    let app = app.restart(&ES256).await;
    for old in [&first, &second, &third] {
        assert_eq!(kid(&slide(&app, old).await), key, "the key is still there");
    }
}

/// Keys of another algorithm are published for an hour before they sign, because verifiers keep the keys.
#[tokio::test]
async fn from_one_algorithm_of_keys_to_another_after_an_hour() {
    let app = TestApp::with(&ES256).await;
    let old = app.sign_in_username("alice").await;
    let mut app = app.restart(&["--token-algorithm=EdDSA", ES256[1]]).await;
    let _served = app.serve().await;
    assert_eq!(kid(&slide(&app, &old).await), kid(&old));
    let algorithms = async || {
        let keys = super::jwks(&app).await["keys"].as_array().unwrap().clone();
        keys.iter().map(|key| key["alg"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(algorithms().await, ["ES256", "EdDSA"]);
    let metadata = app.get("/.well-known/openid-configuration", &[]).await.json();
    assert_eq!(metadata["id_token_signing_alg_values_supported"], json!(["ES256", "EdDSA"]));
    app.clock.advance(3_599);
    let kept = slide(&app, &app.sign_in_username("bobby").await).await;
    assert_eq!(token::header(&kept)["alg"], "ES256");
    app.clock.advance(1);
    let signs = async || token::header(&slide(&app, &kept).await)["alg"] == "EdDSA";
    assert!(eventually(super::SOON, signs).await);
    let expected = [KeyState::Former, KeyState::Current, KeyState::Next];
    super::until_states(&app, &expected).await;
}

/// A database that keys were used on from the beginning has no token of the secret.
#[tokio::test]
async fn on_a_new_database_the_secret_signs_nothing() {
    let (app, _served) = started(&ES256).await;
    let text = app.sign_in_username("alice").await;
    let mut claims: Value = token::claims(&text);
    claims.as_object_mut().unwrap().retain(|name, _| name != "iss");
    assert_eq!(me(&app, &token::sign(&claims, SECRET)).await, StatusCode::UNAUTHORIZED);
}
