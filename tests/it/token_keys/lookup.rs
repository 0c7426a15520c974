//! A server that gets a token of a key that it has not heard of looks before it refuses: bounded, however many tokens
//! name keys that do not exist.

use std::sync::Arc;
use std::time::Duration;

use countersign::domain::KeyState::{Current, Former, Next};
use countersign::pb::{IntrospectTokenRequest, session_service_client::SessionServiceClient};
use http::StatusCode;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::Request;

use super::replicas::Replicas;
use super::{ES256, SOON, kid, me, published, rotate, slide, states, until_states};
use crate::introspection::CREDENTIAL;
use crate::support::postgres::Database;
use crate::support::{TestApp, token};
use crate::wire::eventually;

/// The shortest time between two reads that tokens cause.
const COOLDOWN: Duration = Duration::from_millis(100);

async fn introspected(app: &TestApp, text: &str) -> bool {
    let mut request = Request::new(IntrospectTokenRequest { token: text.to_owned() });
    request.metadata_mut().insert("authorization", format!("Bearer {CREDENTIAL}").parse().unwrap());
    SessionServiceClient::new(app.service.clone())
        .introspect_token(request)
        .await
        .unwrap()
        .into_inner()
        .active
        .is_some()
}

/// A token of a key that was published after the last key that this replica knows, and that signs already.
async fn token_of_a_new_key(other: &TestApp, name: &str, replica: &TestApp) -> String {
    let token = other.sign_in_username(name).await;
    let former = states(other).await.len() - 2;
    for rotations in 1..=2 {
        rotate(other, true).await;
        until_states(other, &[vec![Former; former + rotations], vec![Current, Next]].concat()).await;
    }
    let token = slide(other, &token).await;
    assert!(!published(replica).await.contains(&kid(&token)), "it has not heard");
    token
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_has_not_heard_of_a_key_looks_for_it_before_it_refuses_a_token() {
    let Some(database) = Database::create().await else { return };
    let replicas = Replicas::on(database.url());
    let (other, _other) = replicas.one().await;
    // Each way to present a token has a replica of its own, because the first look teaches it the key.
    for way in ["call", "logout", "proxy", "service"] {
        let deaf = replicas.deaf_at(&database.url()).await;
        let token = token_of_a_new_key(&other, way, &deaf).await;
        let status = match way {
            "call" => me(&deaf, &token).await,
            "logout" => deaf.post_empty("/auth/logout", &[("token", &token)]).await.status,
            "proxy" => deaf.get("/v1/forward-auth/account", &[("token", &token)]).await.status,
            _ => {
                assert!(introspected(&deaf, &token).await);
                StatusCode::NO_CONTENT
            }
        };
        assert!(status.is_success(), "{way}: {status}");
        assert!(published(&deaf).await.contains(&kid(&token)), "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_cannot_look_says_so_and_refuses_nobody() {
    let Some(database) = Database::create().await else { return };
    let replicas = Replicas::on(database.url());
    let (other, _other) = replicas.one().await;
    let cut = replicas.deaf_at(&database.url_as("cut", "superuser").await).await;
    let token = token_of_a_new_key(&other, "alice", &cut).await;
    database.cut_off("cut").await;
    assert_eq!(me(&cut, &token).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(me(&cut, "not.a.token").await, StatusCode::UNAUTHORIZED, "what names no key needs no look");
    database.let_in("cut").await;
    let heals = async || me(&cut, &token).await == StatusCode::NO_CONTENT;
    assert!(eventually(SOON, heals).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_with_made_up_keys_are_refused_and_cause_ten_reads_a_second_at_most() {
    let app = Arc::new(TestApp::with(&ES256).await);
    let good = app.sign_in_username("alice").await;
    let begun = Instant::now();
    for number in 0..6 {
        assert_eq!(me(&app, &token::naming_key(&good, &format!("made up {number}"))).await, StatusCode::UNAUTHORIZED);
    }
    assert!(begun.elapsed() >= 5 * COOLDOWN, "{:?} for six that came one after the other", begun.elapsed());

    // All that wait share a read, and a token whose key is known does not wait.
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    for number in 0..500 {
        let (app, text) = (Arc::clone(&app), token::naming_key(&good, &format!("made up {number}")));
        calls.spawn(async move { me(&app, &text).await });
    }
    assert_eq!(me(&app, &good).await, StatusCode::NO_CONTENT);
    assert!(calls.join_all().await.iter().all(|status| *status == StatusCode::UNAUTHORIZED));
    assert!(begun.elapsed() < 100 * COOLDOWN, "{:?} for 500 that came together", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_secret_signs_nobody_looks_for_a_key() {
    let (keys, secret) = (TestApp::with(&ES256).await, TestApp::start().await);
    let foreign = keys.sign_in_username("alice").await;
    let begun = Instant::now();
    for _ in 0..50 {
        assert_eq!(me(&secret, &foreign).await, StatusCode::UNAUTHORIZED);
    }
    assert!(begun.elapsed() < 49 * COOLDOWN, "{:?}", begun.elapsed());
}
