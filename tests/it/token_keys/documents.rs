//! The documents by which other services find the keys, as they ask for them.

use countersign::pb::ListKeysRequest;
use countersign::pb::key_service_client::KeyServiceClient;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ES256, ISSUER, jwks, started};
use crate::support::TestApp;
use crate::support::app::request;

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

fn metadata(issuer: &str, jwks: &str) -> Value {
    json!({ "issuer": issuer, "jwks_uri": jwks, "id_token_signing_alg_values_supported": ["ES256"] })
}

#[tokio::test]
async fn the_key_set_has_what_every_library_needs_and_nothing_else() {
    let app = TestApp::with(&ES256).await;
    let set = jwks(&app).await;
    let keys = set["keys"].as_array().unwrap();
    assert_eq!((set.as_object().unwrap().len(), keys.len()), (1, 2), "the current and the next key: {set}");
    assert_ne!(keys[0]["kid"], keys[1]["kid"]);
    for key in keys {
        let mut names: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        assert_eq!((&key["alg"], &key["use"]), (&json!("ES256"), &json!("sig")));
    }
    let token = app.sign_in_username("alice").await;
    assert_eq!(super::kid(&token), keys[0]["kid"].as_str().unwrap(), "the key that signs is the first");
}

#[tokio::test]
async fn the_documents_are_public_may_be_kept_for_a_while_and_are_no_redirect() {
    let app = TestApp::with(&ES256).await;
    for path in ["/.well-known/jwks.json", OPENID, OAUTH] {
        for headers in [&[][..], &[("origin", "https://any.example")], &[("origin", "http://localhost:3000")]] {
            let answer = app.get(path, headers).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            assert_eq!(answer.header("cache-control"), Some("public, max-age=300"), "{path}");
            assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
            assert!(answer.header("token").is_none() && answer.body.len() < 50 * 1_024, "{path}");
            let allowed = answer.header("access-control-allow-origin");
            let credentials = answer.header("access-control-allow-credentials");
            assert!(allowed != Some("*") || credentials.is_none(), "{path}: {answer:?}");
            assert!(
                allowed == Some("*") || allowed == headers.first().map(|(_, origin)| *origin),
                "{path}: {allowed:?}"
            );
        }
        let head = app.send(request(Method::HEAD, path, &[], axum::body::Body::empty())).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{path}");
        assert_eq!(app.post_empty(path, &[]).await.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    assert_eq!(app.get(OPENID, &[]).await.json(), metadata(ISSUER, &format!("{ISSUER}/.well-known/jwks.json")));
    assert_eq!(app.get(OAUTH, &[]).await.json(), app.get(OPENID, &[]).await.json());
    // Every other answer stays what it was.
    assert_eq!(app.get("/readyz", &[]).await.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn an_issuer_with_a_path_has_its_documents_there_and_is_spelt_as_it_was_given() {
    for issuer in ["https://example.com/auth", "https://example.com/auth/"] {
        let app = TestApp::with(&[ES256[0], &format!("--issuer={issuer}")]).await;
        let expected = metadata(issuer, "https://example.com/auth/.well-known/jwks.json");
        for path in [
            format!("/auth{OPENID}"),
            format!("{OPENID}/auth"),
            format!("{OAUTH}/auth"),
            format!("/auth{OAUTH}"),
            OPENID.to_owned(),
        ] {
            let answer = app.get(&path, &[]).await;
            assert_eq!((answer.status, answer.json()), (StatusCode::OK, expected.clone()), "{issuer} {path}");
        }
        assert_eq!(app.get("/auth/.well-known/jwks.json", &[]).await.json(), jwks(&app).await);
        assert_eq!(app.get(&format!("/other{OPENID}"), &[]).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn without_an_issuer_it_is_the_public_url() {
    let app = TestApp::with(&[ES256[0], "--public-url=https://example.com/x/"]).await;
    let answer = app.get("/x/.well-known/openid-configuration", &[]).await;
    assert_eq!(answer.json(), metadata("https://example.com/x", "https://example.com/x/.well-known/jwks.json"));
}

#[tokio::test]
async fn grpc_and_rest_list_the_same_keys() {
    for flags in [&ES256[..], &["--token-algorithm=RS256", ES256[1]], &["--token-algorithm=EdDSA", ES256[1]], &[]] {
        let (app, _served) = started(flags).await;
        let set = jwks(&app).await;
        let listed = app.get("/v1/keys", &[]).await.json();
        let keys = listed.get("keys").cloned().unwrap_or(json!([]));
        assert_eq!((&keys, &listed["maxAge"]), (&set["keys"], &json!("300s")), "{flags:?}");
        let answer = KeyServiceClient::new(app.service.clone()).list_keys(ListKeysRequest {}).await.unwrap();
        assert!(answer.metadata().get("token").is_none());
        let listed: Vec<_> = answer.into_inner().keys.into_iter().map(|key| (key.kid, key.x, key.n)).collect();
        let expected = set["keys"].as_array().unwrap().iter().map(|key| {
            let text = |name: &str| key[name].as_str().map(str::to_owned);
            (text("kid").unwrap(), text("x"), text("n"))
        });
        assert_eq!(listed, expected.collect::<Vec<_>>());
    }
}
