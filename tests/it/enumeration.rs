//! A refused login does not reveal its reason, and every refusal costs the same: exactly one hash.

use argon2::Params;
use bytes::Bytes;
use countersign::domain::{AccountStatus, Handle, NameKind, PasswordHash};
use countersign::hashing::{Nobody, PasswordHasher};
use countersign::pb::{LoginRequest, login_request};
use http::HeaderMap;
use prost::Message as _;
use serde_json::json;

use crate::sockets::SOON;
use crate::support::app::PASSWORD;
use crate::support::{Answer, TestApp};
use crate::wire::{self, eventually};

/// An app with an active and a disabled account of each kind.
async fn app() -> TestApp {
    let app = TestApp::start().await;
    for name in ["alice", "disabled"] {
        app.sign_in_username(name).await;
        app.sign_in_email(&format!("{name}@example.com")).await;
    }
    let operator = app.operator().await;
    for handle in ["disabled", "disabled@example.com"] {
        let account = operator.find(&Handle::parse(handle).unwrap()).await.unwrap().unwrap();
        operator.set_status(account.id, AccountStatus::Inactive, false).await.unwrap();
    }
    app
}

/// Logins that are refused: the account without its domain, and the password.
const REFUSED: [(&str, &str, &str); 5] = [
    ("unknown account", "nobody", PASSWORD),
    ("wrong password", "alice", "s3cur3pasS"),
    ("disabled account", "disabled", PASSWORD),
    ("disabled account and wrong password", "disabled", "s3cur3pasS"),
    ("unknown account and long password", "nobody", LONG),
];

const LONG: &str = "long long long long long long long long long long long long long long long long long password";

/// The headers that must be equal in all answers.
fn comparable(mut headers: HeaderMap) -> HeaderMap {
    assert!(headers.remove("request-id").is_some());
    headers
}

#[tokio::test]
async fn after_the_cost_was_raised_a_name_without_an_account_costs_what_the_accounts_cost() {
    let app = TestApp::start().await;
    for name in ["alice", "bobby", "carol", "david"] {
        app.sign_in_username(name).await;
    }
    let new = Params::new(64, 2, 1, None).unwrap();
    let mut app = app.restart_hashing(&new, &[]).await;
    let served = app.serve().await;
    let (hasher, old) = (app.hasher.clone(), PasswordHash::work_of(&Params::new(8, 1, 1, None).unwrap()));
    let new = PasswordHash::work_of(&new);
    let works = || works_for_nobody(&hasher);
    assert!(eventually(SOON, async || works() == [old; 3]).await, "{:?}: all have the old cost", works());
    for name in ["alice", "bobby"] {
        let body = json!({ "username": name, "password": PASSWORD });
        assert_eq!(app.post("/api/auth/login", &body).await.status, 200);
    }
    let operator = app.operator().await;
    let replaced = async || {
        let all = operator.export(None).await.unwrap().found;
        all.iter().filter(|account| account.password_hash.as_ref().is_some_and(|hash| hash.work() == new)).count()
    };
    assert!(eventually(SOON, async || replaced().await == 2).await, "each sign-in makes a new hash");
    drop(operator);
    served.stop().await;
    let mut app = app.restart_hashing(&Params::new(64, 2, 1, None).unwrap(), &[]).await;
    let served = app.serve().await;
    let hasher = app.hasher.clone();
    let works = || works_for_nobody(&hasher);
    assert!(eventually(SOON, async || works() == [old, new, new]).await, "{:?}: half have the new cost", works());
    served.stop().await;
}

#[tokio::test]
async fn over_grpc_every_refusal_is_the_same_and_costs_one_hash() {
    let app = app().await;
    for domain in ["", "@example.com"] {
        let mut answers = Vec::new();
        for (name, who, password) in REFUSED {
            let handle = format!("{who}{domain}");
            let handle = if domain.is_empty() {
                login_request::Handle::Username(handle)
            } else {
                login_request::Handle::Email(handle)
            };
            let message = LoginRequest { handle: Some(handle), password: password.to_owned(), device: String::new() }
                .encode_to_vec();
            let before = app.hasher.runs();
            let reply = wire::call(&app, wire::LOGIN, &[], &message).await;
            assert_eq!(app.hasher.runs() - before, 1, "{name}{domain}");
            assert_eq!(reply.reason(), "INVALID_CREDENTIALS", "{name}{domain}");
            assert_eq!(reply.code(), tonic::Code::Unauthenticated, "{name}{domain}");
            assert_eq!(reply.token(), None, "{name}{domain}");
            let details = Bytes::copy_from_slice(reply.status.details());
            answers.push((name, reply.status.message().to_owned(), details, comparable(reply.headers), reply.message));
        }
        let (_, message, details, headers, body) = &answers[0];
        for (name, other_message, other_details, other_headers, other_body) in &answers[1..] {
            assert_eq!(
                (message, details, headers, body),
                (other_message, other_details, other_headers, other_body),
                "{name}{domain}"
            );
        }
    }
}

#[tokio::test]
async fn over_both_dialects_every_refusal_is_the_same_and_costs_one_hash() {
    let app = app().await;
    for (path, status, domain) in [("/api/auth/login", 401, ""), ("/auth/login", 400, "@example.com")] {
        let mut answers: Vec<(&str, Answer)> = Vec::new();
        for (name, who, password) in REFUSED {
            let handle = format!("{who}{domain}");
            let field = if domain.is_empty() { "username" } else { "email" };
            let before = app.hasher.runs();
            let answer = app.post(path, &json!({ field: handle, "password": password })).await;
            assert_eq!(app.hasher.runs() - before, 1, "{name} at {path}");
            assert_eq!(answer.status, status, "{name} at {path}");
            answers.push((name, answer));
        }
        let first = comparable(answers[0].1.headers.clone());
        for (name, answer) in &answers[1..] {
            assert_eq!(answer.body, answers[0].1.body, "{name} at {path}");
            assert_eq!(comparable(answer.headers.clone()), first, "{name} at {path}");
        }
    }
}

#[tokio::test]
async fn a_good_login_costs_one_hash_too_and_so_does_a_registration_taken_or_not() {
    let app = app().await;
    for (name, path, body, status) in [
        ("login", "/api/auth/login", json!({ "username": "alice", "password": PASSWORD }), 200),
        ("free name", "/api/auth/register", json!({ "username": "bobby", "password": PASSWORD }), 200),
        ("taken name", "/api/auth/register", json!({ "username": "ALICE", "password": PASSWORD }), 409),
    ] {
        let before = app.hasher.runs();
        let answer = app.post(path, &body).await;
        assert_eq!((answer.status.as_u16(), app.hasher.runs() - before), (status, 1), "{name}");
    }
}

#[tokio::test]
async fn what_is_refused_as_malformed_costs_no_hash() {
    let app = app().await;
    let before = app.hasher.runs();
    for (name, body) in [
        ("over 1024 bytes of name", json!({ "username": "x".repeat(1_025), "password": PASSWORD })),
        ("a control character", json!({ "username": "ali\0ce", "password": PASSWORD })),
        ("over 1024 bytes of password", json!({ "username": "alice", "password": "x".repeat(1_025) })),
    ] {
        assert_eq!(app.post("/api/auth/login", &body).await.status, 401, "{name}");
        assert_eq!(app.hasher.runs(), before, "{name}");
    }
}

/// The work for three usernames without an account.
fn works_for_nobody(hasher: &PasswordHasher) -> [u64; 3] {
    let of = |lot| hasher.work_for_nobody(Nobody { kind: NameKind::Username, lot });
    [0, u64::MAX / 8 * 5, u64::MAX].map(of)
}
