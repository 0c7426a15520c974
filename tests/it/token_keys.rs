//! Tokens of asymmetric algorithms: their keys are published, rotate and are revoked, and a change of the algorithm
//! signs nobody out.

mod administration;
mod documents;
mod files;
mod killed;
mod lookup;
mod replicas;
mod rotation;
mod switch;
mod verifiers;

use std::time::Duration;

use countersign::accounts::Rotation;
use countersign::domain::{KeyId, KeyState};
use http::StatusCode;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};

use crate::support::app::Served;
use crate::support::{TestApp, token};
use crate::wire::eventually;

pub const ISSUER: &str = "https://auth.example.com";
pub const ES256: [&str; 2] = ["--token-algorithm=ES256", "--issuer=https://auth.example.com"];

/// How long a change of the keys may take.
pub const SOON: Duration = Duration::from_secs(20);

/// An app with these flags, and with its jobs running.
pub async fn started(flags: &[&str]) -> (TestApp, Served) {
    let mut app = TestApp::with(flags).await;
    let served = app.serve().await;
    (app, served)
}

pub async fn me(app: &TestApp, token: &str) -> StatusCode {
    app.get("/api/auth/me", &[("token", token)]).await.status
}

/// The fresh token of a call with `token`, which must be accepted.
pub async fn slide(app: &TestApp, token: &str) -> String {
    let answer = app.get("/api/auth/me", &[("token", token)]).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    answer.token()
}

pub async fn jwks(app: &TestApp) -> Value {
    app.get("/.well-known/jwks.json", &[]).await.json()
}

/// The ids of the published keys.
pub async fn published(app: &TestApp) -> Vec<String> {
    jwks(app).await["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// The id of the key that signed a token.
pub fn kid(text: &str) -> String {
    token::header(text)["kid"].as_str().expect("a token of a key").to_owned()
}

/// Verifies a token as another service does: by the published keys alone, with a library.
pub async fn verified(app: &TestApp, text: &str, validation: &Validation) -> Result<Value, String> {
    let set: JwkSet = serde_json::from_value(jwks(app).await).unwrap();
    let key = set.find(&kid(text)).ok_or("the key of the token is not published")?;
    let key = DecodingKey::from_jwk(key).map_err(|error| error.to_string())?;
    let data = jsonwebtoken::decode::<Value>(text, &key, validation).map_err(|error| error.to_string())?;
    Ok(data.claims)
}

/// Asks for a rotation as the command line does, by the clock of the app.
pub async fn rotate(app: &TestApp, immediately: bool) -> Rotation {
    let operator = app.operator().await;
    let rotation = operator.rotate_keys(Duration::from_secs(24 * 3_600), immediately).await.unwrap();
    operator.settle().await.unwrap();
    rotation
}

/// Revokes a key as the command line does.
pub async fn revoke(app: &TestApp, id: &str) {
    let operator = app.operator().await;
    operator.revoke_key(KeyId::parse(id).unwrap()).await.unwrap();
    operator.settle().await.unwrap();
}

/// The states of all keys, as a key goes through them.
pub async fn states(app: &TestApp) -> Vec<KeyState> {
    let mut states: Vec<_> = app.operator().await.signing_keys().await.unwrap().iter().map(|key| key.state).collect();
    let order = [KeyState::Revoked, KeyState::Former, KeyState::Current, KeyState::Next];
    states.sort_by_key(|state| order.iter().position(|other| other == state));
    states
}

/// Waits until the keys have these states.
pub async fn until_states(app: &TestApp, expected: &[KeyState]) {
    let are = eventually(SOON, async || states(app).await == expected).await;
    assert!(are, "{:?} in place of {expected:?}", states(app).await);
}

/// Waits until exactly these keys are published, in any order.
pub async fn until_published(app: &TestApp, expected: &[&str]) {
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    let are = eventually(SOON, async || {
        let mut ids = published(app).await;
        ids.sort_unstable();
        ids == expected
    });
    assert!(are.await, "{:?} in place of {expected:?}", published(app).await);
}

#[tokio::test]
async fn whoever_has_the_public_keys_verifies_the_token_that_the_client_has() {
    for (algorithm, known) in [
        ("ES256", jsonwebtoken::Algorithm::ES256),
        ("RS256", jsonwebtoken::Algorithm::RS256),
        ("EdDSA", jsonwebtoken::Algorithm::EdDSA),
    ] {
        let flags = [&format!("--token-algorithm={algorithm}"), ES256[1], "--token-audience=orders"];
        let app = TestApp::with(&flags).await;
        let first = app.sign_in_email("ada@example.com").await;
        let answer = app.get("/auth/me", &[("authorization", &format!("Bearer {first}"))]).await;
        for text in [first, answer.token()] {
            let header = token::header(&text);
            assert_eq!(header, json!({ "alg": algorithm, "typ": "JWT", "kid": header["kid"] }));
            let mut validation = Validation::new(known);
            // The clock of the app is not the machine's.
            (validation.validate_exp, validation.validate_nbf) = (false, false);
            validation.set_issuer(&[ISSUER]);
            validation.set_audience(&["orders"]);
            let claims = verified(&app, &text, &validation).await.unwrap();
            assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!("orders")));
            assert_eq!(claims["email"], "ada@example.com");
            validation.set_audience(&["other"]);
            assert!(verified(&app, &text, &validation).await.unwrap_err().contains("Audience"));
            validation.set_audience(&["orders"]);
            validation.set_issuer(&["https://other.example.com"]);
            assert!(verified(&app, &text, &validation).await.unwrap_err().contains("Issuer"));
        }
    }
}

#[tokio::test]
async fn with_the_secret_alone_nothing_is_stored_published_or_claimed() {
    let (app, _served) = started(&["--issuer=https://auth.example.com", "--token-audience=orders"]).await;
    let text = app.sign_in_username("alice").await;
    assert_eq!(token::header(&text), json!({ "alg": "HS256", "typ": "JWT" }));
    let claims = token::claims(&text);
    assert!(claims.get("iss").is_none() && claims.get("aud").is_none(), "{claims}");
    assert_eq!(jwks(&app).await, json!({ "keys": [] }));
    assert_eq!(app.get("/.well-known/openid-configuration", &[]).await.status, StatusCode::NOT_FOUND);
    assert!(states(&app).await.is_empty());
}

/// A token of another `iss` or `aud` that our own key signed is ours: the setting was changed meanwhile.
#[tokio::test]
async fn a_changed_issuer_or_audience_signs_nobody_out() {
    let app = TestApp::with(&ES256).await;
    let old = app.sign_in_username("alice").await;
    let app = app.restart(&[ES256[0], "--issuer=https://login.example.com", "--token-audience=a"]).await;
    let new = slide(&app, &old).await;
    assert_eq!((token::claims(&new)["iss"].as_str(), kid(&new)), (Some("https://login.example.com"), kid(&old)));
}
