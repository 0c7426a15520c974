//! `SessionService/RevokeSession` and `RevokeOtherSessions`. A caller can end the sessions of its own account, and an
//! administrator also those of the firm. Ended sessions stay ended. Sessions of others are answered as if they did not
//! exist.

use std::collections::HashMap;

use countersign::accounts::Operator;
use countersign::domain::{Handle, Role};
use countersign::pb::{
    ListSessionsRequest, RevokeOtherSessionsRequest, RevokeOtherSessionsResponse, RevokeSessionRequest,
    RevokeSessionResponse,
};
use prost::Message as _;
use serde_json::json;
use sqlx::Executor as _;
use tonic::Code;
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::refresh::database;
use crate::session_service::{fresh, ids, login, own, page, sessions, sid, sub, with};
use crate::support::TestApp;
use crate::support::app::PASSWORD;
use crate::wire::{self, Reply};

const LIST: &str = "/countersign.v1.SessionService/ListSessions";
const REVOKE: &str = "/countersign.v1.SessionService/RevokeSession";
const REVOKE_OTHERS: &str = "/countersign.v1.SessionService/RevokeOtherSessions";

fn session(session_id: &str) -> RevokeSessionRequest {
    RevokeSessionRequest { session_id: session_id.to_owned() }
}

fn others(account_id: &str) -> RevokeOtherSessionsRequest {
    RevokeOtherSessionsRequest { account_id: account_id.to_owned() }
}

async fn is_alive(app: &TestApp, token: &str) -> bool {
    let reply = wire::me(app, &[("token", token)]).await;
    match (reply.code(), reply.reason().as_str(), reply.token()) {
        (Code::Ok, "", Some(_)) => true,
        (Code::Unauthenticated, "TOKEN_INVALID", None) => false,
        // The session ended during this call.
        (Code::Ok, "", None) => false,
        other => panic!("{other:?}"),
    }
}

async fn email_login(app: &TestApp, email: &str) -> String {
    let answer = app.post("/auth/login", &json!({ "email": email, "password": PASSWORD })).await;
    answer.json()["access_token"].as_str().expect("logged in").to_owned()
}

/// Registers `email` and moves it into the firm of `boss`, which no API does. The tokens of its sessions still name the
/// old firm, and must not be believed.
async fn join(app: &TestApp, email: &str, boss: &str, role: &str) -> String {
    app.sign_in_email(email).await;
    let moved = sqlx::query(
        "update accounts set role = ?3, firm_id = (select firm_id from accounts where email = ?2) where email = ?1",
    );
    let moved = moved.bind(email).bind(boss).bind(role).execute(&mut database(app).await).await.unwrap();
    assert_eq!(moved.rows_affected(), 1);
    email_login(app, email).await
}

async fn id(operator: &Operator, handle: &str) -> Uuid {
    operator.find(&Handle::parse(handle).unwrap()).await.unwrap().unwrap().id
}

/// All parts of an answer that could tell one refusal from another.
fn comparable(reply: &Reply) -> (Vec<(String, String)>, Code, String, Vec<u8>) {
    let mut headers: Vec<_> = reply
        .headers
        .iter()
        .filter(|(name, _)| !["token", "request-id", "date"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (headers, reply.code(), reply.status.message().to_owned(), reply.status.details().to_vec())
}

#[tokio::test]
async fn a_session_that_is_revoked_is_over_at_once_with_all_that_slid_from_it_and_no_other_is() {
    let app = TestApp::start().await;
    let lost = app.sign_in_username("alice").await;
    let mine = login(&app, "alice").await;
    app.clock.advance(60);
    let slid = wire::me(&app, &[("token", &lost)]).await.token().unwrap().to_owned();
    let response = sessions(&app).revoke_session(with(&mine, session(&sid(&lost)))).await.unwrap();
    assert_eq!(fresh(&response).map(sid), Some(sid(&mine)));
    assert_eq!(response.into_inner(), RevokeSessionResponse {});
    for dead in [&lost, &slid] {
        assert!(!is_alive(&app, dead).await);
    }
    assert!(is_alive(&app, &mine).await);
    assert_eq!(ids(&own(&app, &mine).await), [sid(&mine)]);

    let app = app.restart(&[]).await;
    app.clock.advance(3_600 - 1);
    assert!(!is_alive(&app, &slid).await, "remembered until the last of its tokens has expired");
}

#[tokio::test]
async fn who_revokes_the_session_that_asks_is_signed_out_and_given_no_token() {
    let app = TestApp::start().await;
    let other = app.sign_in_username("alice").await;
    let mine = login(&app, "alice").await;
    let reply = wire::call(&app, REVOKE, &[("token", &mine)], &session(&sid(&mine)).encode_to_vec()).await;
    assert_eq!((reply.code(), reply.token(), reply.message.as_deref()), (Code::Ok, None, Some(&b""[..])));
    assert!(!is_alive(&app, &mine).await);
    assert!(is_alive(&app, &other).await);
}

#[tokio::test]
async fn all_others_are_revoked_in_one_go_and_the_session_that_asks_lives_on() {
    let app = TestApp::start().await;
    let mut dead = vec![app.sign_in_username("alice").await];
    for _ in 0..3 {
        dead.push(login(&app, "alice").await);
    }
    let bobby = app.sign_in_username("bobby").await;
    let mine = login(&app, "alice").await;
    let message = others(&sub(&mine)).encode_to_vec();
    for (message, expected) in [(Vec::new(), 4), (message, 0)] {
        let reply = wire::call(&app, REVOKE_OTHERS, &[("token", &mine)], &message).await;
        assert_eq!((reply.code(), reply.token().map(sid)), (Code::Ok, Some(sid(&mine))));
        let answer = RevokeOtherSessionsResponse::decode(reply.message.unwrap()).unwrap();
        assert_eq!(answer, RevokeOtherSessionsResponse { revoked_count: expected });
    }
    let app = app.restart(&[]).await;
    for token in &dead {
        assert!(!is_alive(&app, token).await);
    }
    assert!(is_alive(&app, &mine).await && is_alive(&app, &bobby).await);
    assert_eq!(ids(&own(&app, &mine).await), [sid(&mine)]);
}

#[tokio::test]
async fn only_live_sessions_are_counted_and_whatever_could_still_live_is_ended() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    app.clock.advance(3_600);
    let live = login(&app, "alice").await;
    app.clock.advance(1_800);
    let mine = login(&app, "alice").await;
    let response = sessions(&app).revoke_other_sessions(with(&mine, others(""))).await.unwrap();
    assert_eq!(response.into_inner().revoked_count, 1, "the first one's last token has expired long ago");
    assert!(!is_alive(&app, &live).await);
}

#[tokio::test]
async fn what_may_not_be_seen_does_not_exist_and_every_such_answer_is_the_same() {
    let app = TestApp::start().await;
    let boss = app.sign_in_email("boss@example.com").await;
    let user = join(&app, "user@example.com", "boss@example.com", "user").await;
    let viewer = join(&app, "viewer@example.com", "boss@example.com", "viewer").await;
    let rival = app.sign_in_email("rival@example.com").await;
    let alice = app.sign_in_username("alice").await;
    let ended = login(&app, "alice").await;
    assert_eq!(wire::call(&app, wire::LOGOUT, &[("token", &ended)], &[]).await.code(), Code::Ok);

    let unknown = Uuid::from_u128(0x0123_4567_89ab_cdef).to_string();
    let malformed = ["x", "0", " ", "-", "01a201f1-5d0c-7c1b-8f0e-2b3a9b1f6c5", "01a201f1-5d0c-7c1b-8f0e-2b3a9b1f6c5g"];
    let nothing = [unknown.as_str(), &Uuid::nil().to_string(), &Uuid::max().to_string()].map(str::to_owned);
    let all = [&boss, &user, &viewer, &rival, &alice];
    // The answer says whether a session or an account was asked for, and nothing else.
    let mut seen = HashMap::new();
    for asker in all {
        let is_foreign = |token: &&&String| **token != asker && (asker != &boss || [&rival, &alice].contains(*token));
        let foreign: Vec<_> = all.iter().filter(is_foreign).collect();
        let mut calls = Vec::new();
        for id in nothing.iter().cloned().chain(malformed.map(str::to_owned)) {
            calls.extend([(REVOKE, session(&id).encode_to_vec()), (REVOKE_OTHERS, others(&id).encode_to_vec())]);
            calls.push((LIST, ListSessionsRequest { account_id: id, ..Default::default() }.encode_to_vec()));
        }
        for token in foreign {
            calls.push((REVOKE, session(&sid(token)).encode_to_vec()));
            calls.push((REVOKE_OTHERS, others(&sub(token)).encode_to_vec()));
            let account_id = sub(token);
            // The page token is not checked when the account does not exist.
            for page_token in ["", "x"].map(str::to_owned) {
                let request = ListSessionsRequest { account_id: account_id.clone(), page_token, page_size: 0 };
                calls.push((LIST, request.encode_to_vec()));
            }
        }
        calls.extend([(REVOKE, Vec::new()), (REVOKE, session(&sid(&ended)).encode_to_vec())]);
        for (path, message) in calls {
            let reply = wire::call(&app, path, &[("token", asker)], &message).await;
            assert_eq!((reply.code(), reply.reason().as_str()), (Code::NotFound, "NOT_FOUND"), "{path}");
            assert!(reply.token().is_some(), "{path}: the caller is authenticated");
            let info = reply.status.get_details_error_info().unwrap();
            assert_eq!((info.domain.as_str(), info.metadata.len()), ("countersign.v1", 0));
            let comparable = comparable(&reply);
            let kind = if path == REVOKE { "session" } else { "account" };
            assert_eq!(reply.status.message(), format!("there is no such {kind}"), "{path}");
            assert_eq!(*seen.entry(kind).or_insert_with(|| comparable.clone()), comparable, "{path}");
        }
    }
    for token in all {
        assert!(is_alive(&app, token).await, "and nothing was ended");
    }
}

#[tokio::test]
async fn an_administrator_lists_and_ends_the_sessions_of_the_own_firm() {
    let app = TestApp::start().await;
    let boss = app.sign_in_email("boss@example.com").await;
    let user = join(&app, "user@example.com", "boss@example.com", "user").await;
    let colleague = join(&app, "second@example.com", "boss@example.com", "admin").await;
    let first = ids(&own(&app, &user).await);
    assert_eq!(first.len(), 2, "the one of its registration, too");

    let request = ListSessionsRequest { account_id: sub(&user), page_size: 1, ..Default::default() };
    let answer = page(&app, &boss, request.clone()).await.unwrap();
    let mut listed = answer.sessions;
    assert!(!answer.next_page_token.is_empty());
    // Another administrator of the firm, or the account itself, may ask for the next page.
    for asker in [&colleague, &user] {
        let next = ListSessionsRequest { page_token: answer.next_page_token.clone(), ..request.clone() };
        let next = page(&app, asker, next).await.unwrap();
        assert_eq!((ids(&next.sessions), next.next_page_token.as_str()), (first[1..].to_vec(), ""));
        listed.extend(next.sessions.into_iter().filter(|_| asker == &colleague));
    }
    assert_eq!(ids(&listed), first);
    assert!(listed.iter().all(|session| !session.current && session.account_id == sub(&user)));

    let response = sessions(&app).revoke_session(with(&boss, session(&sid(&user)))).await.unwrap();
    assert_eq!(fresh(&response).map(sid), Some(sid(&boss)));
    assert!(!is_alive(&app, &user).await);
    let user = email_login(&app, "user@example.com").await;
    let response = sessions(&app).revoke_other_sessions(with(&boss, others(&sub(&user)))).await.unwrap();
    assert_eq!(response.into_inner().revoked_count, 2, "all of them");
    assert!(!is_alive(&app, &user).await);
    // An administrator can end the sessions of another administrator.
    let response = sessions(&app).revoke_other_sessions(with(&boss, others(&sub(&colleague)))).await.unwrap();
    assert_eq!(response.into_inner().revoked_count, 2);
    assert!(is_alive(&app, &boss).await && !is_alive(&app, &colleague).await);
}

#[tokio::test]
async fn who_is_an_administrator_is_what_the_store_says_at_that_moment_and_not_the_token() {
    let app = TestApp::start().await;
    let boss = app.sign_in_email("boss@example.com").await;
    let user = join(&app, "user@example.com", "boss@example.com", "user").await;
    let reach = async |asker: &str, whom: &str| {
        let request = ListSessionsRequest { account_id: sub(whom), ..Default::default() }.encode_to_vec();
        wire::call(&app, LIST, &[("token", asker)], &request).await.reason()
    };
    assert_eq!((reach(&boss, &user).await, reach(&user, &boss).await), (String::new(), "NOT_FOUND".to_owned()));

    // The role is changed in the database only. The tokens still have the old role.
    let swap = "update accounts set role = case role when 'admin' then 'user' else 'admin' end";
    database(&app).await.execute(swap).await.unwrap();
    assert_eq!((reach(&boss, &user).await, reach(&user, &boss).await), ("NOT_FOUND".to_owned(), String::new()));

    // A change by the operator also ends the sessions, at once even without the revocation feed.
    let operator = app.operator().await;
    let changed = operator.set_role(id(&operator, "user@example.com").await, Role::Viewer, true).await.unwrap();
    assert!(changed);
    assert_eq!(reach(&user, &boss).await, "TOKEN_INVALID");
    assert_eq!(reach(&user, &user).await, "TOKEN_INVALID", "nor its own");
    let message = session(&Uuid::from_u128(1).to_string()).encode_to_vec();
    assert_eq!(wire::call(&app, REVOKE, &[("token", &user)], &message).await.reason(), "TOKEN_INVALID");
    assert_eq!(wire::call(&app, REVOKE_OTHERS, &[("token", &user)], &[]).await.reason(), "TOKEN_INVALID");
}

#[tokio::test]
async fn a_revocation_that_was_begun_is_finished_although_its_caller_left() {
    let app = TestApp::start().await;
    for (path, whole) in [(REVOKE, false), (REVOKE_OTHERS, true)] {
        let name = if whole { "alice" } else { "bobby" };
        let lost = app.sign_in_username(name).await;
        let mine = login(&app, name).await;
        let message = if whole { Vec::new() } else { session(&sid(&lost)).encode_to_vec() };
        let mut other = database(&app).await;
        other.execute("begin immediate").await.unwrap();
        let reply = wire::call(&app, path, &[("token", &mine), ("grpc-timeout", "20m")], &message).await;
        assert_eq!(reply.code(), Code::DeadlineExceeded, "{path}");
        assert!(is_alive(&app, &lost).await, "{path}: nothing is said before it is durable");
        other.execute("rollback").await.unwrap();
        let dead = wire::eventually(std::time::Duration::from_secs(5), async || !is_alive(&app, &lost).await);
        assert!(dead.await, "{path}");
        assert!(is_alive(&app, &mine).await, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_minted_by_a_call_that_raced_a_revocation_survives() {
    let app = std::sync::Arc::new(TestApp::start().await);
    let mine = app.sign_in_username("alice").await;
    for round in 0..50 {
        let lost = login(&app, "alice").await;
        let racers: Vec<_> = (0..4)
            .map(|_| {
                let (app, lost) = (std::sync::Arc::clone(&app), lost.clone());
                tokio::spawn(async move { wire::me(&app, &[("token", &lost)]).await.token().map(str::to_owned) })
            })
            .collect();
        if round % 2 == 0 {
            sessions(&app).revoke_session(with(&mine, session(&sid(&lost)))).await.unwrap();
        } else {
            sessions(&app).revoke_other_sessions(with(&mine, others(""))).await.unwrap();
        }
        let mut tokens = vec![lost];
        for racer in racers {
            tokens.extend(racer.await.unwrap());
        }
        for token in tokens {
            assert!(!is_alive(&app, &token).await, "round {round}");
        }
    }
}
