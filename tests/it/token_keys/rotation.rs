//! Keys rotate by the clock and by hand, and nobody is signed out.

use std::time::Duration;

use countersign::domain::KeyState::{Current, Former, Next, Revoked};
use countersign::pb::revocation::Target;
use countersign::pb::session_service_client::SessionServiceClient;
use countersign::pb::{AccountRevocation, WatchRevocationsRequest};
use http::StatusCode;
use serde_json::json;
use tonic::Request;
use uuid::Uuid;

use super::{ES256, SOON, kid, me, published, revoke, rotate, slide, started, states, until_published, until_states};
use crate::support::TestApp;
use crate::support::app::{PASSWORD, START};
use crate::watch::CREDENTIAL;
use crate::wire::eventually;

#[tokio::test]
async fn a_key_signs_for_its_time_the_next_one_takes_over_and_the_old_one_goes_with_its_last_token() {
    let (app, served) = started(&[&ES256[..], &["--key-rotation=2h", "--session-max-lifetime=30d"]].concat()).await;
    assert_eq!(states(&app).await, [Current, Next]);
    let old = app.sign_in_email("ada@example.com").await;
    let first = published(&app).await;
    assert_eq!(kid(&old), first[0]);

    app.clock.advance(2 * 3_600);
    until_states(&app, &[Former, Current, Next]).await;
    let answer = app.get("/auth/me", &[("token", &old)]).await;
    assert_eq!((answer.status, kid(&answer.token())), (StatusCode::OK, first[1].clone()), "the next one signs");
    let second = published(&app).await;
    assert_eq!(second.len(), 3);
    assert_eq!(second[0], first[1], "the key that signs is listed first");
    let third = second.iter().find(|id| !first.contains(id)).unwrap();

    // The last token of the old key lives for a day, and the key ten minutes longer. No other rotation happens
    // meanwhile, because the setting counts when a server starts.
    served.stop().await;
    let mut app = app.restart(&[&ES256[..], &["--key-rotation=off"]].concat()).await;
    let _served = app.serve().await;
    app.clock.advance(24 * 3_600 - 1);
    assert_eq!(app.get("/auth/me", &[("token", &old)]).await.status, StatusCode::UNAUTHORIZED, "it has expired");
    app.clock.advance(600);
    until_published(&app, &[&first[0], &first[1], third]).await;
    app.clock.advance(1);
    until_published(&app, &[&first[1], third]).await;
    until_states(&app, &[Current, Next]).await;
}

#[tokio::test]
async fn a_rotation_that_is_asked_for_waits_for_the_hour_unless_told_otherwise() {
    let (app, _served) = started(&ES256).await;
    let token = app.sign_in_username("alice").await;
    let before = published(&app).await;
    let asked = rotate(&app, false).await;
    let planned = asked.planned_at.unwrap().unix_timestamp();
    assert_eq!((asked.id.to_string(), planned), (before[1].clone(), START + 3_600));
    assert_eq!(kid(&slide(&app, &token).await), before[0]);
    app.clock.advance(3_599);
    let token = slide(&app, &token).await;
    assert_eq!((states(&app).await, kid(&token)), (vec![Current, Next], before[0].clone()));
    app.clock.advance(1);
    until_states(&app, &[Former, Current, Next]).await;
    assert_eq!(kid(&slide(&app, &token).await), before[1]);

    let next = published(&app).await.into_iter().find(|id| !before.contains(id)).unwrap();
    // Every server has heard of a key that was published a second ago.
    app.clock.advance(1);
    let rotated = rotate(&app, true).await;
    assert_eq!((rotated.id.to_string(), rotated.planned_at), (next.clone(), None));
    until_states(&app, &[Former, Former, Current, Next]).await;
    assert_eq!((me(&app, &token).await, kid(&slide(&app, &token).await)), (StatusCode::NO_CONTENT, next));
}

#[tokio::test]
async fn a_revoked_key_takes_its_tokens_with_it_at_once() {
    let (app, served) = started(&ES256).await;
    let old = app.sign_in_username("alice").await;
    let keys = published(&app).await;
    revoke(&app, &keys[0]).await;
    let gone = async || me(&app, &old).await == StatusCode::UNAUTHORIZED;
    assert!(eventually(SOON, gone).await);
    assert!(!published(&app).await.contains(&keys[0]));
    let login = json!({ "username": "alice", "password": PASSWORD });
    let new = app.post("/api/auth/login", &login).await;
    assert_eq!(kid(new.json()["token"].as_str().unwrap()), keys[1], "the next key signs");
    // The current and the next key are revoked before a server has made another one.
    until_states(&app, &[Revoked, Current, Next]).await;
    for id in &published(&app).await {
        revoke(&app, id).await;
    }
    let signs = async || {
        let again = app.post("/api/auth/login", &login).await;
        let token = again.json()["token"].as_str().unwrap().to_owned();
        published(&app).await.contains(&kid(&token)) && me(&app, &token).await == StatusCode::NO_CONTENT
    };
    assert!(eventually(SOON, signs).await);
    served.stop().await;
    let app = app.restart(&ES256).await;
    assert_eq!(me(&app, &old).await, StatusCode::UNAUTHORIZED);
}

/// The next key of the second rotation does not exist when it is asked for.
#[tokio::test]
async fn a_rotation_right_after_another_waits_until_there_is_a_next_key() {
    let (app, _served) = started(&ES256).await;
    let token = app.sign_in_username("alice").await;
    let [first, second] = [rotate(&app, true).await, rotate(&app, true).await];
    assert_eq!((first.planned_at, second.planned_at), (None, None));
    assert_ne!(first.id, second.id);
    let signs = async || kid(&slide(&app, &token).await) == second.id.to_string();
    assert!(eventually(SOON, signs).await);
}

#[tokio::test]
async fn a_rotation_without_a_next_key_says_why() {
    let app = TestApp::start().await;
    let refused = app.operator().await.rotate_keys(Duration::ZERO, true).await.unwrap_err();
    assert!(refused.to_string().contains("there is no next key"), "{refused}");
}

/// A service that watches asks for the keys as soon as it is told.
#[tokio::test]
async fn a_watch_is_told_when_the_keys_have_changed_and_not_before_they_are_published() {
    let credential = format!("--watch-credentials={CREDENTIAL}");
    let (app, _served) = started(&[ES256[0], ES256[1], &credential]).await;
    let keys = published(&app).await;
    let mut request = Request::new(WatchRevocationsRequest::default());
    request.metadata_mut().insert("authorization", format!("Bearer {CREDENTIAL}").parse().unwrap());
    let watched = SessionServiceClient::new(app.service.clone()).watch_revocations(request).await;
    let mut watched = watched.unwrap().into_inner();
    let nobody = Target::Account(AccountRevocation { account_id: Uuid::nil().to_string(), epoch: 0 });
    // The keys have changed at the start as well, so the watch begins with this.
    while watched.message().await.unwrap().unwrap().complete_until.is_none() {}
    revoke(&app, &keys[0]).await;
    loop {
        let told = watched.message().await.unwrap().unwrap().revocations;
        if told.iter().any(|revocation| revocation.target.as_ref() == Some(&nobody)) {
            break;
        }
    }
    assert!(!published(&app).await.contains(&keys[0]));
}
