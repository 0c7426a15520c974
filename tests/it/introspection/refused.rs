//! What introspection and revocation refuse: requests without a right credential, malformed ones, guesses beyond the
//! budget, and everything while revocations cannot be read.

use std::time::Duration;

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use super::{CREDENTIAL, FORM, basic, bearer, form, introspect, revoke, start};
use crate::support::app::request;
use crate::support::http::over_socket;
use crate::support::{Answer, SECRET, TestApp, token};
use crate::{forge, watch, wire};

const PATHS: [&str; 2] = ["/oauth2/introspect", "/oauth2/revoke"];

fn code(answer: &Answer) -> Value {
    let body = answer.json();
    let description = body["error_description"].as_str().unwrap_or_else(|| panic!("{body}"));
    assert!(!description.is_empty() && body.as_object().unwrap().len() == 2, "{body}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{body}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{body}");
    body["error"].clone()
}

fn challenges(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn without_a_right_credential_a_service_is_told_nothing() {
    const BASIC: &str = "Basic realm=\"countersign\"";
    const INVALID: &str = "Bearer error=\"invalid_token\"";
    let watches = format!("--watch-credentials={}", watch::CREDENTIAL);
    let (app, served) = start(&[&watches]).await;
    let token = app.sign_in_username("alice").await;
    let about = format!("token={token}");
    let too_long = format!("{CREDENTIAL}x");
    for (name, headers, body, expected) in [
        ("none", vec![], about.clone(), vec!["Bearer", BASIC]),
        ("of another scheme", vec![("authorization", "Digest x".to_owned())], about.clone(), vec!["Bearer", BASIC]),
        ("a token in its header", vec![("token", token.clone())], about.clone(), vec!["Bearer", BASIC]),
        ("a token", vec![("authorization", format!("Bearer {token}"))], about.clone(), vec![INVALID]),
        ("the secret", vec![("authorization", format!("Bearer {SECRET}"))], about.clone(), vec![INVALID]),
        ("too long", vec![("authorization", format!("Bearer {too_long}"))], about.clone(), vec![INVALID]),
        ("of a watch", vec![("authorization", format!("Bearer {}", watch::CREDENTIAL))], about.clone(), vec![INVALID]),
        ("two", vec![("authorization", bearer()), ("authorization", bearer())], about.clone(), vec![INVALID]),
        ("a wrong password", vec![("authorization", basic(&format!("app:{too_long}")))], about.clone(), vec![BASIC]),
        ("as the name", vec![("authorization", basic(&format!("{CREDENTIAL}:")))], about.clone(), vec![BASIC]),
        ("no base64", vec![("authorization", "Basic !".to_owned())], about.clone(), vec![BASIC]),
        ("wrong in the body", vec![], format!("client_secret=a+wrong+one&{about}"), vec![BASIC]),
        ("unfit for a header", vec![], format!("client_secret=%0a&{about}"), vec![BASIC]),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        for path in PATHS {
            let answer = over_socket(served.address, form(path, &headers, &body)).await;
            assert_eq!((answer.status.as_u16(), code(&answer)), (401, json!("invalid_client")), "{name} at {path}");
            assert_eq!(challenges(&answer), expected, "{name} at {path}");
        }
    }
    assert_eq!(app.get("/api/auth/me", &[("token", &token)]).await.status, 204, "nothing was revoked");
    let without = TestApp::start().await;
    let answer = without.send(form(PATHS[0], &[("authorization", &*bearer())], "token=x")).await;
    assert_eq!((answer.status.as_u16(), code(&answer)), (401, json!("invalid_client")), "no service may");
}

#[tokio::test]
async fn a_malformed_request_is_refused_in_the_form_of_the_rfcs() {
    let (app, served) = start(&[]).await;
    let token = app.sign_in_username("alice").await;
    let about = format!("token={token}");
    let authorized = bearer();
    let json_type = ("content-type", "application/json");
    let long = format!("token={}", "x".repeat(70_000));
    for (name, method, headers, query, body, status) in [
        ("no token", Method::POST, vec![FORM], "", "", 400),
        ("an empty token", Method::POST, vec![FORM], "", "token=", 400),
        ("a token in the query", Method::POST, vec![FORM], &*about, "x=y", 400),
        ("a token twice", Method::POST, vec![FORM], "", &format!("{about}&{about}"), 400),
        ("a hint twice", Method::POST, vec![FORM], "", &format!("{about}&token_type_hint=a&token_type_hint=b"), 400),
        (
            "a secret in the body, too",
            Method::POST,
            vec![FORM],
            "",
            &format!("{about}&client_secret={CREDENTIAL}"),
            400,
        ),
        ("an unfinished escape", Method::POST, vec![FORM], "", "token=%4", 400),
        ("no UTF-8", Method::POST, vec![FORM], "", "token=%ff", 400),
        ("JSON", Method::POST, vec![json_type], "", &json!({ "token": token }).to_string(), 415),
        ("no type", Method::POST, vec![], "", &about, 415),
        ("gzip", Method::POST, vec![FORM, ("content-encoding", "gzip")], "", &about, 415),
        ("too long", Method::POST, vec![FORM], "", &long, 413),
        ("GET", Method::GET, vec![], &about, "", 405),
    ] {
        let headers = [&headers[..], &[("authorization", &authorized)]].concat();
        for path in PATHS {
            let uri = format!("{path}?{query}");
            let sent = request(method.clone(), &uri, &headers, Body::from(body.to_owned()));
            let answer = over_socket(served.address, sent).await;
            assert_eq!((answer.status.as_u16(), code(&answer)), (status, json!("invalid_request")), "{name} at {path}");
        }
    }
    let answer = over_socket(served.address, form("/oauth2/token", &[], "grant_type=password")).await;
    assert_eq!((answer.status.as_u16(), code(&answer)), (404, json!("invalid_request")));
    assert_eq!(app.get("/api/auth/me", &[("token", &token)]).await.status, 204, "nothing was revoked");
}

#[tokio::test]
async fn a_device_is_no_token_that_can_be_revoked() {
    let (app, served) = start(&[]).await;
    app.sign_in_username("alice").await;
    let account = json!({ "username": "alice", "password": "s3cur3pass" });
    let device = app.post("/api/auth/login", &account).await.header("device").unwrap().to_owned();
    let answer = revoke(&served, &device).await;
    assert_eq!((answer.status.as_u16(), code(&answer)), (400, json!("unsupported_token_type")));
    assert_eq!(introspect(&served, &device).await.json(), json!({ "active": false }));
}

#[tokio::test]
async fn an_address_has_a_budget_of_wrong_credentials_which_right_ones_cost_nothing_of() {
    let (app, served) = start(&["--introspection-failures-per-address=3"]).await;
    let token = app.sign_in_username("alice").await;
    let wrong = [("authorization", "Bearer a credential that no service has been given")];
    let asked = async |headers| over_socket(served.address, form(PATHS[0], headers, &format!("token={token}"))).await;
    for _ in 0..3 {
        assert_eq!(introspect(&served, &token).await.status, 200);
        assert_eq!(asked(&[]).await.status, 401, "no guess");
        assert_eq!(asked(&wrong).await.status, 401);
    }
    for (name, answer) in [("wrong", asked(&wrong).await), ("right", introspect(&served, &token).await)] {
        assert_eq!((answer.status.as_u16(), code(&answer)), (429, json!("temporarily_unavailable")), "{name}");
        assert_eq!(answer.header("retry-after"), Some("1200"), "{name}");
    }
    assert_eq!(app.get("/api/auth/me", &[("token", &token)]).await.status, 204, "only services are refused");
    app.clock.elapse(1_200);
    let right = async || introspect(&served, &token).await.status == 200;
    assert!(wire::eventually(Duration::from_secs(5), right).await, "the set of revocations is fresh again");
}

#[tokio::test]
async fn beyond_the_budget_of_wrong_tokens_only_wrong_tokens_are_refused() {
    let (app, served) = start(&["--introspection-failures-per-address=3"]).await;
    let good = app.sign_in_username("alice").await;
    let claims = forge::claims(&good);
    let revoked = app.sign_in_username("bobby").await;
    assert_eq!(revoke(&served, &revoked).await.status, 200);
    let forged = token::sign(&claims, "another secret of at least thirty-two bytes");
    for _ in 0..2 {
        assert_eq!(introspect(&served, &revoked).await.json(), json!({ "active": false }), "it was ours: no guess");
    }
    for wrong in [&forged, "garbage", &forged] {
        assert_eq!(introspect(&served, wrong).await.json(), json!({ "active": false }));
    }
    for answer in [introspect(&served, &forged).await, revoke(&served, &forged).await] {
        assert_eq!((answer.status.as_u16(), code(&answer)), (429, json!("temporarily_unavailable")));
        assert_eq!(answer.header("retry-after"), Some("1200"));
    }
    assert_eq!(introspect(&served, &good).await.json()["active"], true, "strangers shut nobody out");
    assert_eq!(introspect(&served, &revoked).await.json(), json!({ "active": false }));
    assert_eq!(revoke(&served, &good).await.status, 200);
}

#[tokio::test]
async fn while_revocations_are_stale_no_token_is_called_active_or_inactive() {
    let credentials = format!("--introspection-credentials={CREDENTIAL}");
    let app = TestApp::with(&[&credentials]).await;
    let token = app.sign_in_username("alice").await;
    let authorized = [("authorization", &*bearer())];
    let ask = async |path| app.send(form(path, &authorized, &format!("token={token}"))).await;
    assert_eq!(ask(PATHS[0]).await.json()["active"], true);
    // No feed runs, because the app is not served.
    app.clock.elapse(5);
    for path in PATHS {
        let answer = ask(path).await;
        assert_eq!((answer.status.as_u16(), code(&answer)), (503, json!("temporarily_unavailable")), "{path}");
    }
}
