//! A service without a secret: it verifies with given keys, and its layer mints nothing.

mod support;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::{Extension, Router, response::IntoResponse, routing::get};
use countersign_guard::clock::{Clock as _, ManualClock};
use countersign_guard::layer::{AuthLayer, Caller, FormerCaller, Refusal};
use countersign_guard::revocations::{Revocation, Revocations};
use countersign_guard::token::{Asymmetric, TokenError, Verifier};
use http::{HeaderMap, Request, StatusCode};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use support::{ALL, ISSUER, NOW, claims, issue, keyring, library, pair, session, signed, tokens};

#[test]
fn tokens_of_each_algorithm_are_verified_and_known_again() {
    let clock = ManualClock::at(NOW);
    let pairs = ALL.map(pair);
    let publics = pairs.iter().map(|pair| pair.ours.public().clone());
    let verifier = Verifier::from_keys(publics, ISSUER).with_clock(Arc::new(clock.clone()));
    for pair in pairs {
        let algorithm = library(pair.ours.public().algorithm());
        let header = json!({ "alg": algorithm, "kid": pair.id }).to_string();
        let foreign = signed(&header, &claims().to_string(), &pair.theirs, algorithm);
        assert_eq!(verifier.verify(&foreign).unwrap().sid, Uuid::from_u128(2));

        let ours = tokens(&clock, keyring().signing_with(pair.ours));
        let token = issue(&ours, session(2));
        assert_eq!(verifier.verify(&token), ours.verify(&token));
        for _ in 0..2 {
            verifier.verify(&token).unwrap();
        }
        assert!(Arc::ptr_eq(&verifier.verify(&token).unwrap(), &verifier.clone().verify(&token).unwrap()));
        clock.advance(600);
        assert_eq!(verifier.verify(&token), Err(TokenError::Expired), "to the second");
        verifier.verify_former(&token).unwrap();
        clock.advance(-661);
        let future = TokenError::FromTheFuture { ahead: Duration::from_secs(61) };
        assert_eq!(verifier.verify(&token), Err(future));
        clock.advance(61);
    }
}

#[test]
fn the_issuer_must_be_the_one_and_the_audience_too() {
    let (clock, pair) = (ManualClock::at(NOW), pair(Asymmetric::Es256));
    let header = json!({ "alg": "ES256", "kid": pair.id }).to_string();
    let any = Verifier::from_keys([pair.ours.public().clone()], ISSUER).with_clock(Arc::new(clock));
    let shop = any.clone().with_audience("shop");
    let judge = |verifier: &Verifier, iss: Value, aud: Value| {
        let mut claims = claims();
        for (name, value) in [("iss", iss), ("aud", aud)] {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value,
            }
        }
        verifier.verify(&signed(&header, &claims.to_string(), &pair.theirs, Algorithm::ES256)).map(drop)
    };
    let (good, refused) = (Ok(()), Err(TokenError::Invalid));
    for (name, iss, aud, without, with) in [
        ("no audience", json!(ISSUER), Value::Null, good, refused),
        ("the audience", json!(ISSUER), json!("shop"), refused, good),
        ("one of several", json!(ISSUER), json!(["till", "shop"]), refused, good),
        ("another one", json!(ISSUER), json!("shops"), refused, refused),
        ("an empty list", json!(ISSUER), json!([]), good, refused),
        ("no issuer", Value::Null, Value::Null, refused, refused),
        ("no issuer, the audience", Value::Null, json!("shop"), refused, refused),
        ("another issuer", json!("https://auth.example.org"), json!("shop"), refused, refused),
        ("a slash more", json!(format!("{ISSUER}/")), json!("shop"), refused, refused),
        ("the issuer in a list", json!([ISSUER]), json!("shop"), refused, refused),
    ] {
        // Twice, because a token that comes again is remembered.
        for _ in 0..3 {
            assert_eq!(judge(&any, iss.clone(), aud.clone()), without, "{name}, none asked for");
            assert_eq!(judge(&shop, iss.clone(), aud.clone()), with, "{name}, one asked for");
        }
    }
}

#[test]
fn neither_a_secret_nor_an_unknown_key_is_taken() {
    let clock = ManualClock::at(NOW);
    let [ours, other] = [(); 2].map(|()| pair(Asymmetric::EdDsa));
    let verifier = Verifier::from_keys([ours.ours.public().clone()], ISSUER).with_clock(Arc::new(clock.clone()));
    let none = Verifier::from_keys([], ISSUER).with_clock(Arc::new(clock.clone()));
    for keyring in [keyring(), keyring().signing_with(other.ours)] {
        let token = issue(&tokens(&clock, keyring), session(2));
        assert_eq!(verifier.verify(&token), Err(TokenError::Invalid));
        assert_eq!(none.verify(&token), Err(TokenError::Invalid));
    }
    let debug = format!("{verifier:?}");
    assert!(debug.contains(ISSUER) && debug.contains(&ours.id), "{debug}");
}

#[tokio::test]
async fn the_layer_admits_refuses_what_was_revoked_and_mints_nothing() {
    let clock = ManualClock::at(NOW);
    let pair = pair(Asymmetric::Es256);
    let verifier = Verifier::from_keys([pair.ours.public().clone()], ISSUER).with_clock(Arc::new(clock.clone()));
    let revocations = Arc::new(Revocations::fed(Arc::new(clock.clone()), Duration::from_secs(5)));
    let layer = AuthLayer::new(verifier, Arc::clone(&revocations), ["/healthz"], |refusal| match refusal {
        Refusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => StatusCode::UNAUTHORIZED.into_response(),
    });
    let layer = layer.unwrap().ending(["/leave"]).unwrap().on_fresh_token(|_| panic!("there is none"));
    let show = |headers: HeaderMap, Extension(caller): Extension<Caller>| async move {
        assert!(!headers.contains_key("token"), "the credential is removed");
        // What the server gave this service for its client.
        ([("token", "from the server")], caller.account_id().to_string())
    };
    let app = Router::new()
        .route("/", get(show))
        .route("/plain", get(|| async { "plain" }))
        .route(
            "/leave",
            get(|Extension(former): Extension<FormerCaller>| async move { former.claims().sid.to_string() }),
        )
        .route("/healthz", get(|| async { "ok" }))
        .layer(layer);
    let token = issue(&tokens(&clock, keyring().signing_with(pair.ours)), session(2));
    let call = async |path: &str, token: Option<&str>| {
        let mut request = Request::get(path);
        if let Some(token) = token {
            request = request.header("token", token);
        }
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        (response.status().as_u16(), response.headers().get("token").cloned())
    };
    let token = Some(token.as_str());

    assert_eq!(call("/", token).await, (503, None), "the set of revocations was never complete");
    revocations.mark_complete(clock.elapsed());
    let (status, passed_on) = call("/", token).await;
    assert_eq!((status, passed_on.unwrap().to_str().unwrap()), (200, "from the server"));
    assert_eq!(call("/plain", token).await, (200, None));
    assert_eq!(call("/healthz", None).await, (200, None));
    assert_eq!(call("/", None).await, (401, None));
    assert_eq!(call("/", Some("a.b.c")).await, (401, None));
    revocations.insert(Revocation::Session(Uuid::from_u128(2)), clock.now() + Duration::from_secs(600));
    assert_eq!(call("/plain", token).await, (401, None), "the session has ended");
    assert_eq!(call("/leave", token).await, (200, None));
}
