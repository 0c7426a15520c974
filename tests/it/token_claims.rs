//! The claims of a token and their times, the headers in which it may travel, and the change of the secret.

use axum::body::Body;
use http::{Method, StatusCode};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tonic::Code;

use crate::support::app::{START, request};
use crate::support::{SECRET, TestApp};
use crate::token::judge;
use crate::{forge, wire};

#[tokio::test]
async fn a_claim_that_is_missing_or_of_the_wrong_type_is_refused() {
    let app = TestApp::start().await;
    let claims = forge::claims(&app.sign_in_username("alice").await);
    for name in ["exp", "iat", "sub", "sid"] {
        let good = &claims[name];
        let number = good.as_i64();
        let mut missing = claims.clone();
        missing.as_object_mut().unwrap().remove(name);
        let mut rows = vec![("missing".to_owned(), missing)];
        let wrong = [
            Value::Null,
            json!([good]),
            json!({ "value": good }),
            json!(true),
            json!(""),
            number.map_or(json!(7), |number| json!(number.to_string())),
            number.map_or(json!(7.5), |number| json!(number as f64)),
            number.map_or(json!("alice"), |number| json!(number as f64 + 0.5)),
            number.map_or(json!("0"), |_| json!(u64::MAX)),
        ];
        for value in wrong {
            let mut claims = claims.clone();
            claims[name] = value.clone();
            rows.push((value.to_string(), claims));
        }
        for (row, claims) in rows {
            let name = format!("{name}: {row}");
            assert_eq!(judge(&app, &name, &forge::token(&claims)).await, "TOKEN_INVALID", "{name}");
        }
    }
}

#[tokio::test]
async fn times_are_judged_to_the_second() {
    let app = TestApp::start().await;
    let claims = forge::claims(&app.sign_in_username("alice").await);
    assert_eq!((claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(START), Some(START + 3_600)));
    for (name, auth_time, iat, exp, nbf, expected) in [
        ("good for a second", START, START, START + 1, None, ""),
        ("exactly at its expiry", START - 60, START - 60, START, None, "TOKEN_EXPIRED"),
        ("a second after it", START - 60, START - 60, START - 1, None, "TOKEN_EXPIRED"),
        ("long after it", START - 9_999, START - 9_999, START - 7_200, None, "TOKEN_EXPIRED"),
        // Clocks may differ by a minute. A larger difference says that a clock is wrong, and nothing about the token.
        ("minted a second from now", START, START + 1, START + 3_600, None, ""),
        ("minted as far from now as may be", START, START + 60, START + 3_600, None, ""),
        ("minted a second further", START, START + 61, START + 3_600, None, "UNAVAILABLE"),
        ("minted a year from now", START, START + 31_536_000, START + 31_539_600, None, "UNAVAILABLE"),
        ("signed in a minute after it was minted", START, START - 60, START + 3_600, None, ""),
        ("signed in a second later still", START, START - 61, START + 3_600, None, "UNAVAILABLE"),
        ("signed in from now", START + 60, START + 60, START + 3_600, None, ""),
        ("signed in further from now", START + 61, START + 61, START + 3_600, None, "UNAVAILABLE"),
        ("signed in from now, expired", START + 61, START - 1, START, None, "TOKEN_EXPIRED"),
        ("minted from now, at the end of integers", START, i64::MAX - 1, i64::MAX, None, "UNAVAILABLE"),
        ("not before now", START, START, START + 3_600, Some(START), ""),
        ("not before a minute from now", START, START, START + 3_600, Some(START + 60), ""),
        ("not before a second later", START, START, START + 3_600, Some(START + 61), "UNAVAILABLE"),
        ("not before the end of integers", START, START, START + 3_600, Some(i64::MAX), "UNAVAILABLE"),
        ("expires as it is minted", START, START, START, None, "TOKEN_INVALID"),
        ("expires before it is minted", START - 60, START - 60, START - 120, None, "TOKEN_INVALID"),
        ("at the ceiling of its session", START - 2_592_000, START - 60, START + 3_540, None, "TOKEN_EXPIRED"),
        ("a second below it", START - 2_591_999, START - 60, START + 3_540, None, ""),
        ("before time began", -62_135_596_800, START, START + 3_600, None, "TOKEN_EXPIRED"),
        ("at the end of integers", i64::MIN, i64::MIN, i64::MAX, None, "TOKEN_INVALID"),
        ("for as long as any may", START, START, START + 7_776_000, None, ""),
        ("for a second longer", START, START, START + 7_776_001, None, "TOKEN_INVALID"),
        ("for ever", START, START, i64::MAX, None, "TOKEN_INVALID"),
    ] {
        let mut claims = claims.clone();
        claims["auth_time"] = json!(auth_time);
        claims["iat"] = json!(iat);
        claims["exp"] = json!(exp);
        if let Some(nbf) = nbf {
            claims["nbf"] = json!(nbf);
        }
        assert_eq!(judge(&app, name, &forge::token(&claims)).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_not_before_of_the_wrong_type_is_refused() {
    let app = TestApp::start().await;
    let mut claims = forge::claims(&app.sign_in_username("alice").await);
    for nbf in [json!("0"), json!(0.5), json!([0]), json!({}), json!(true)] {
        claims["nbf"] = nbf;
        assert_eq!(judge(&app, &claims["nbf"].to_string(), &forge::token(&claims)).await, "TOKEN_INVALID");
    }
}

#[tokio::test]
async fn a_token_is_read_from_its_two_headers_and_from_nowhere_else() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    let cookie = format!("token={token}; access_token={token}; authorization=Bearer {token}");
    let bearer = format!("Bearer {token}");
    let query = format!("?token={token}&access_token={token}&authorization={token}");
    let headers: [(&str, &str); 8] = [
        ("cookie", &cookie),
        ("x-token", &token),
        ("x-access-token", &token),
        ("x-auth-token", &token),
        ("proxy-authorization", &bearer),
        ("x-authorization", &bearer),
        ("token-bin", &token),
        ("sec-websocket-protocol", &bearer),
    ];
    let me = wire::call(&app, &format!("{}{query}", wire::ME), &headers, token.as_bytes()).await;
    assert_eq!((me.code(), me.reason().as_str(), me.token()), (Code::Unauthenticated, "TOKEN_MISSING", None));

    let form = format!("token={token}&access_token={token}");
    let json = json!({ "token": token, "access_token": token, "authorization": bearer }).to_string();
    for (method, path, content_type, body) in [
        (Method::GET, "/api/auth/me", "text/plain", ""),
        (Method::GET, "/auth/me", "text/plain", ""),
        (Method::POST, "/auth/refresh", "application/x-www-form-urlencoded", form.as_str()),
        (Method::POST, "/auth/refresh", "application/json", json.as_str()),
        (Method::POST, "/auth/logout", "application/x-www-form-urlencoded", form.as_str()),
        (Method::POST, "/auth/logout", "application/json", json.as_str()),
    ] {
        let headers = [&headers[..], &[("content-type", content_type)]].concat();
        let request = request(method, &format!("{path}{query}"), &headers, Body::from(body.to_owned()));
        let answer = app.send(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{path}: no credential was presented");
        assert_eq!(answer.header("token"), None, "{path}");
    }
    assert_eq!(wire::me(&app, &[("token", &token)]).await.code(), Code::Ok, "nobody was logged out");
}

#[tokio::test]
async fn exactly_one_credential_is_presented() {
    let app = TestApp::start().await;
    let (one, other) = (app.sign_in_username("alice").await, app.sign_in_username("bob").await);
    let bearer = format!("Bearer {one}");
    let [shout, mixed] = [format!("BEARER {one}"), format!("bEaReR   {one}")];
    let refused = "TOKEN_INVALID";
    let rows: [(&str, wire::Headers, &str); 17] = [
        ("none", &[], "TOKEN_MISSING"),
        ("the token header", &[("token", &one)], ""),
        ("the token header, shouted", &[("TOKEN", &one)], ""),
        ("the bearer header", &[("authorization", &bearer)], ""),
        ("the scheme, shouted", &[("authorization", &shout)], ""),
        ("the scheme in any case, and spaces", &[("Authorization", &mixed)], ""),
        ("the same in both", &[("token", &one), ("authorization", &bearer)], ""),
        ("another in each", &[("token", &other), ("authorization", &bearer)], refused),
        ("the token header twice", &[("token", &one), ("token", &one)], refused),
        ("the bearer header twice", &[("authorization", &bearer), ("authorization", &bearer)], refused),
        ("a good one and a broken one", &[("token", &one), ("authorization", "Bearer x")], refused),
        // The header may hold the password of a proxy in front, or a ticket of the firm's network.
        ("a good one and another scheme", &[("token", &one), ("authorization", "Basic YTpi")], ""),
        ("another scheme first", &[("authorization", "Negotiate YIIJ"), ("token", &one)], ""),
        ("another scheme, and bearer", &[("authorization", "Basic YTpi"), ("authorization", &bearer)], ""),
        ("another scheme alone", &[("authorization", "Basic YTpi")], "TOKEN_MISSING"),
        ("a good one and an empty one", &[("token", ""), ("authorization", &bearer)], refused),
        ("no scheme", &[("authorization", &one)], refused),
    ];
    for (name, headers, expected) in rows {
        let me = wire::me(&app, headers).await;
        assert_eq!(me.reason(), expected, "{name}");
        let status = if expected.is_empty() { StatusCode::NO_CONTENT } else { StatusCode::UNAUTHORIZED };
        assert_eq!(app.get("/api/auth/me", headers).await.status, status, "{name}");
        assert_eq!(
            app.get("/auth/me", headers).await.status == StatusCode::UNAUTHORIZED,
            !expected.is_empty(),
            "{name}"
        );
    }
    let other_scheme = app.get("/v1/me", &[("authorization", "Basic YTpi")]).await;
    assert_eq!(other_scheme.header("www-authenticate"), Some("Bearer"), "no credential of ours was presented");
    let two = app.get("/v1/me", &[("token", &other), ("authorization", &bearer)]).await;
    assert_eq!(two.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    let said = "two different tokens were sent: send one, as `token` or as `authorization: Bearer`";
    assert_eq!(two.json()["message"], said);
}

#[tokio::test]
async fn a_token_of_the_previous_secret_is_accepted_and_slides_to_the_current_one() {
    let app = TestApp::start().await;
    let old = app.sign_in_username("alice").await;
    const NEW: &str = "the secret that came after it, long enough";
    let (new, previous) = (format!("--jwt-secret={NEW}"), format!("--jwt-secret-previous={SECRET}"));

    let app = app.restart(&[&new, &previous]).await;
    let me = wire::me(&app, &[("token", &old)]).await;
    assert_eq!(me.code(), Code::Ok);
    let slid = me.token().unwrap().to_owned();
    let message = slid.rsplit_once('.').unwrap().0;
    assert_eq!(slid, forge::signed_with(NEW, Algorithm::HS256, message), "signed with the current secret");
    let forged = forge::signed_with("", Algorithm::HS256, message);
    assert_eq!(judge(&app, "the empty secret", &forged).await, "TOKEN_INVALID");

    let app = app.restart(&[&new]).await;
    assert_eq!(judge(&app, "of the secret that was dropped", &old).await, "TOKEN_INVALID");
    assert_eq!(judge(&app, "of the current secret", &slid).await, "");
}
