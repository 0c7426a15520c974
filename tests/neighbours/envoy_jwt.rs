//! Envoy that asks nothing, and verifies tokens with the keys that Countersign publishes.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_guard::clock::{Clock as _, SystemClock};
use countersign_guard::token::{Asymmetric, SigningKey};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Value, json};

use crate::envoy::{port, start};
use crate::proxy::Server;
use crate::service::{identity, over_http, received};
use crate::support::token::{claims, header, with};

const LIFETIME: Duration = Duration::from_secs(6);
const ISSUER: &str = "https://auth.example.com";

/// A private key in PKCS#8.
fn key() -> Vec<u8> {
    SigningKey::generate(Asymmetric::Es256).unwrap().1
}

/// A token with this header and these claims.
fn signed(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

#[tokio::test]
async fn envoy_verifies_tokens_with_the_published_keys_and_asks_nothing() {
    let (own, folder) = (key(), tempfile::tempdir().unwrap());
    let file = folder.path().join("key.pem");
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(&own));
    std::fs::write(&file, pem).unwrap();
    let settings = [("TOKEN_ALGORITHM", "ES256"), ("ISSUER", ISSUER), ("SIGNING_KEY_FILE", file.to_str().unwrap())];
    let (server, app) = (Server::with(LIFETIME, &settings), over_http().await);
    let addresses = [
        ("127.0.0.1:3008", server.address().to_string()),
        ("port_value: 9000", port(app)),
        // Envoy fetches the keys several times before the token expires.
        ("cache_duration: 300s", "cache_duration: 1s".to_owned()),
    ];
    let Some(proxy) = start(&server, "envoy-jwt.yaml", &addresses).await else { return };
    let token = server.sign_in("alice").await;
    let (head, told) = (header(&token), claims(&token));
    let bearer = format!("Bearer {token}");
    for own in [("token", &*token), ("authorization", &bearer)] {
        let forged =
            [("x-auth-account", "1"), ("x-auth-role", "admin"), ("x_auth_session", "1"), ("X-AUTH-SESSION", "1")];
        let answer = proxy.get("/accounts", &[&[own][..], &forged].concat()).await;
        assert_eq!(answer.status, 200);
        let received = received(&answer.json());
        let expected = [told["sub"].as_str().unwrap(), told["sid"].as_str().unwrap(), "", "", "", ""];
        assert_eq!(identity(&received), expected);
        assert!(!received.iter().any(|(_, value)| value.contains(&token)), "the service does not get the token");
        assert_eq!(answer.header("token"), None, "nothing slides");
    }

    let second = server.sign_in("bob").await;
    let both = [("token", &*token), ("token", &second), ("authorization", &format!("Bearer {second}"))];
    let told_of_both = identity(&received(&proxy.get("/", &both).await.json()));
    let one = |token: &str| ["sub", "sid"].map(|name| claims(token)[name].as_str().unwrap().to_owned());
    assert!(
        [one(&token), one(&second)].contains(&[0, 1].map(|at| told_of_both[at].clone())),
        "the service is told of one"
    );

    let (own, other) = (EncodingKey::from_ec_der(&own), EncodingKey::from_ec_der(&key()));
    let set =
        crate::support::http::call(server.address(), http::Method::GET, "/.well-known/jwks.json", &[], &Value::Null);
    let set = set.await.unwrap().json();
    let x = URL_SAFE_NO_PAD.decode(set["keys"][0]["x"].as_str().unwrap()).unwrap();
    let public = EncodingKey::from_secret(&x).unwrap();
    let now = SystemClock.now().unix_timestamp();
    let es256 = |head: &Value, claims: &Value| signed(head, claims, &own, Algorithm::ES256);
    assert_eq!(proxy.get("/", &[("token", &es256(&head, &told))]).await.status, 200, "the next ones are no bad form");
    for (name, forged) in [
        ("another key", signed(&head, &told, &other, Algorithm::ES256)),
        ("another kid", es256(&with(&head, "kid", json!("another")), &told)),
        ("another issuer", es256(&head, &with(&told, "iss", json!("https://auth.example.net")))),
        ("no issuer", es256(&head, &with(&told, "iss", Value::Null))),
        ("expired", es256(&head, &with(&told, "exp", json!(now - 5)))),
        ("the public key as a secret", signed(&with(&head, "alg", json!("HS256")), &told, &public, Algorithm::HS256)),
        ("no signature", format!("{}.", token.rsplit_once('.').unwrap().0)),
        ("the algorithm none", {
            let head = URL_SAFE_NO_PAD.encode(with(&head, "alg", json!("none")).to_string());
            format!("{head}.{}.", token.split('.').nth(1).unwrap())
        }),
        ("no token", "garbage".to_owned()),
    ] {
        let answer = proxy.get("/", &[("token", &forged)]).await;
        assert_eq!(answer.status, 401, "{name}: {answer:?}");
        let both = proxy.get("/", &[("token", &token), ("authorization", &format!("Bearer {forged}"))]).await;
        assert_eq!(both.status, 401, "{name}, beside a good one");
    }

    server.log_out(&token).await;
    assert_eq!(proxy.get("/", &[("token", &token)]).await.status, 200, "a logout is not felt");
    drop(server);
    let refused = loop {
        let answer = proxy.get("/", &[("token", &token)]).await;
        if answer.status != 200 {
            break answer;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(refused.status, 401);
    let late = SystemClock.now().unix_timestamp() - told["exp"].as_i64().unwrap();
    assert!((0..5).contains(&late), "it goes on without Countersign until the token expires, and not longer: {late}");
}
