//! The keys of an issuer over a real socket.
#![cfg(feature = "jwks")]
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare has failed")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Response};
use axum::routing::get;
use countersign_guard::clock::ManualClock;
use countersign_guard::token::{Asymmetric, TokenError, Verifier};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use support::{ALL, ISSUER, NOW, Pair, claims, issue, keyring, library, pair, session, signed, tokens};

/// Asks again and again until the answer is the expected one.
async fn until(expected: impl Fn() -> bool) {
    let asking = async {
        while !expected() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(Duration::from_secs(20), asking).await.unwrap();
}

/// A token of now, which only a running clock accepts.
fn token(pair: &Pair) -> String {
    issue(&tokens(&ManualClock::running(), keyring().signing_with(pair.again())), session(2))
}

/// Serves what `answer` makes of each request, and returns the address of the key set.
async fn serve<A: Future<Output = Response<Body>> + Send>(
    answer: impl Fn(HeaderMap) -> A + Clone + Send + Sync + 'static,
) -> String {
    let app = Router::new().route("/.well-known/jwks.json", get(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/.well-known/jwks.json")
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn jwk(pair: &Pair) -> Value {
    serde_json::to_value(pair.ours.public().jwk()).unwrap()
}

#[tokio::test]
async fn keys_come_over_http_and_new_ones_when_a_token_has_one() {
    let pairs = Arc::new(ALL.map(pair));
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (body, noted) = (set(&pairs.each_ref().map(jwk)), Arc::clone(&requests));
    let url = serve(move |headers: HeaderMap| {
        noted.lock().unwrap().push(headers);
        let body = Body::from(body.clone());
        async move { Response::builder().header("cache-control", "public, max-age=900").body(body).unwrap() }
    })
    .await;
    let verifier = Verifier::from_jwks(&url, ISSUER).unwrap();
    let tokens: Vec<_> = pairs.iter().map(token).collect();
    assert_eq!(verifier.verify(&tokens[0]), Err(TokenError::UnknownKey), "no answer yet");
    until(|| verifier.verify(&tokens[0]).is_ok()).await;
    tokens.iter().for_each(|token| drop(verifier.verify(token).unwrap()));
    let requests = requests.lock().unwrap();
    let [headers] = requests.as_slice() else { panic!("one request: {requests:?}") };
    let mut names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "cache-control", "host", "user-agent"]);
    assert!(url.contains(headers["host"].to_str().unwrap()), "{headers:?}");
}

/// The attacker's own key signs, and the header says where it is.
#[tokio::test]
async fn an_address_or_a_key_in_the_header_of_a_token_is_never_followed() {
    let (good, evil) = (pair(Asymmetric::Es256), pair(Asymmetric::Es256));
    let trapped = Arc::new(AtomicUsize::new(0));
    let serving = |keys: String, requests: Arc<AtomicUsize>| {
        serve(move |_| {
            requests.fetch_add(1, Ordering::SeqCst);
            let body = Body::from(keys.clone());
            async move { Response::new(body) }
        })
    };
    let trap = serving(set(&[jwk(&evil)]), Arc::clone(&trapped)).await;
    let url = serving(set(&[jwk(&good)]), Arc::default()).await;
    let verifier = Verifier::from_jwks(&url, ISSUER).unwrap().with_clock(Arc::new(ManualClock::at(NOW)));
    let token = issue(&tokens(&ManualClock::at(NOW), keyring().signing_with(good.again())), session(2));
    until(|| verifier.verify(&token).is_ok()).await;
    for (name, value) in [("jku", json!(trap)), ("x5u", json!(trap)), ("jwk", jwk(&evil)), ("x5c", json!([trap]))] {
        for id in [&evil.id, &good.id] {
            let mut header = json!({ "alg": "ES256", "typ": "JWT", "kid": id });
            header[name] = value.clone();
            let forged = signed(&header.to_string(), &claims().to_string(), &evil.theirs, library(Asymmetric::Es256));
            assert_eq!(verifier.verify(&forged), Err(TokenError::Invalid), "{header}");
        }
    }
    // Nor is the issuer asked again, as it is for a token of an unknown key: that would be another error.
    assert_eq!(trapped.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn other_keys_in_the_set_do_no_harm() {
    let (good, other) = (pair(Asymmetric::Es256), pair(Asymmetric::Es256));
    let with = |name: &str, value: Value| {
        let mut jwk = jwk(&other);
        jwk[name] = value;
        jwk
    };
    let mut keys = vec![
        json!(null),
        json!(1),
        json!("key"),
        json!([]),
        json!({}),
        json!({ "kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA", "kid": "a" }),
        json!({ "kty": "OKP", "crv": "X25519", "x": "A".repeat(43), "kid": "b" }),
        json!({ "kty": "OKP", "crv": "P-256", "x": "A".repeat(43), "kid": "b" }),
        json!({ "kty": "OKP", "crv": "Ed448", "x": "A".repeat(76), "kid": "c" }),
        json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "d" }),
        json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": good.id }),
        json!({ "kty": "EC", "crv": "P-256", "x": "A".repeat(43), "y": "A".repeat(43), "kid": "not on the curve" }),
        json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "e" }),
        json!({ "kty": "RSA", "n": "_".repeat(200_000), "e": "AQAB", "kid": "f" }),
        json!({ "kty": "oct", "k": "A".repeat(64), "kid": good.id, "alg": "HS256" }),
        with("use", json!("enc")),
        with("alg", json!("ES512")),
        with("kty", json!(["EC"])),
        with("x", json!(7)),
    ];
    keys.push(jwk(&good));
    keys.extend((0..1_000).map(|_| json!({ "kty": "unknown", "kid": good.id })));
    let body = set(&keys);
    let url = serve(move |_| {
        let body = Body::from(body.clone());
        async move { Response::new(body) }
    })
    .await;
    let verifier = Verifier::from_jwks(&url, ISSUER).unwrap();
    let token = token(&good);
    until(|| verifier.verify(&token).is_ok()).await;
    let debug = format!("{verifier:?}");
    assert_eq!(debug.matches("ES256").count(), 1, "{debug}");
}

#[tokio::test]
async fn two_keys_of_one_name_are_left_out_and_the_others_stay() {
    let [one, two, good] = [(); 3].map(|()| pair(Asymmetric::EdDsa));
    let mut named = jwk(&two);
    named["kid"] = json!(one.id);
    // The same key twice is one key, and a key without a name is called by its thumbprint.
    let mut nameless = jwk(&good);
    nameless.as_object_mut().unwrap().remove("kid");
    let body = set(&[jwk(&one), named.clone(), named, nameless, jwk(&good)]);
    let url = serve(move |_| {
        let body = Body::from(body.clone());
        async move { Response::new(body) }
    })
    .await;
    let verifier = Verifier::from_jwks(&url, ISSUER).unwrap();
    let good = token(&good);
    until(|| verifier.verify(&good).is_ok()).await;
    for other in [&one, &two] {
        verifier.verify(&token(other)).unwrap_err();
    }
}
