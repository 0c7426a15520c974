//! The password lane as callers see it. A call that cannot be served is refused at once in each protocol, and told when
//! to try again. Other calls are not delayed.

use std::fs;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use countersign::domain::{Password, PasswordHash};
use countersign::grpc::ClientAddress;
use countersign::hashing::{Dropped, HashError, RefusalCause, Turn, Verdict};
use countersign::pb::{LoginRequest, login_request};
use http::{Method, StatusCode};
use prost::Message as _;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::task::JoinSet;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::app::{PASSWORD, request};
use crate::support::http::call;
use crate::support::{Answer, Binary, SECRET, TestApp, binary};
use crate::wire;

/// The costliest parameters that a stored hash may have, which take seconds.
pub const COSTLIEST: &str = "m=262144,t=16,p=1";

/// Queues passwords to be compared with a hash of this cost. They have no client address, as all calls in process.
/// Returns when each one waits, runs or was refused. Dropping the result removes those that still wait.
pub async fn flood(app: &TestApp, passwords: usize, cost: &str) -> JoinSet<Result<Verdict, HashError>> {
    let stored = format!("$argon2id$v=19${cost}$c2FsdHNhbHRzYWx0c2FsdA$DypaBJkkdvsZ8JTUF9/H4tXaGPTclUAk9xuYCEmg9lQ");
    let (stored, password) = (PasswordHash::parse(&stored).unwrap(), Password::parse(PASSWORD.to_owned(), 1).unwrap());
    let turn = Turn { client: None, deadline: Instant::now() + Duration::from_secs(86_400) };
    let mut waiting = JoinSet::new();
    for _ in 0..passwords {
        let (hasher, password, stored) = (app.hasher.clone(), password.clone(), stored.clone());
        waiting.spawn(async move { hasher.verify(&password, Some(&stored), turn).await });
    }
    let before = app.hasher.runs();
    let sent = async || {
        let stats = app.hasher.stats();
        let begun = usize::try_from(stats.wait.count() - before).unwrap();
        let refused = usize::try_from(stats.refused[RefusalCause::Full as usize]).unwrap();
        begun > 0 && stats.waiting + begun + refused >= passwords
    };
    assert!(wire::eventually(Duration::from_secs(10), sent).await);
    waiting
}

fn login(name: &str) -> Vec<u8> {
    let handle = Some(login_request::Handle::Username(name.to_owned()));
    LoginRequest { handle, password: PASSWORD.to_owned(), device: String::new() }.encode_to_vec()
}

fn assert_overloaded(reply: &wire::Reply) {
    assert_eq!((reply.code(), reply.reason().as_str()), (Code::ResourceExhausted, "OVERLOADED"));
    let delay = reply.status.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(delay.as_secs() >= 1 && delay.subsec_nanos() == 0, "{delay:?}");
}

/// Asserts that both dialects refuse a login with 503 and a `retry-after` header.
async fn assert_unavailable(app: &TestApp) {
    let text = "too many requests are waiting: try again after the time in Retry-After";
    for (path, body, refused) in [
        (
            "/api/auth/login",
            json!({ "username": "alice", "password": PASSWORD }),
            json!({ "statusCode": 503, "error": "Service Unavailable", "message": text }),
        ),
        (
            "/auth/login",
            json!({ "email": "ada@example.com", "password": PASSWORD }),
            json!({ "detail": text, "error_code": "overloaded", "error": "overloaded" }),
        ),
    ] {
        let answer = app.post(path, &body).await;
        let delay = answer.header("retry-after").expect("when to come back").to_owned();
        assert!(delay.parse::<u32>().is_ok_and(|seconds| seconds >= 1), "{delay}");
        answer.assert(path, 503, &[("retry-after", &delay)], &refused);
    }
}

#[tokio::test]
async fn a_full_password_lane_says_when_to_come_back_and_holds_up_no_token_check() {
    let app = TestApp::with(&["--hash-threads=1", "--hash-queue=64"]).await;
    let token = app.sign_in_username("alice").await;
    let waiting = flood(&app, 66, COSTLIEST).await;
    assert_overloaded(&wire::call(&app, wire::LOGIN, &[], &login("alice")).await);
    assert_unavailable(&app).await;
    let taken = json!({ "username": "alice", "password": PASSWORD });
    assert_eq!(app.post("/api/auth/register", &taken).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(app.hasher.stats().refused[RefusalCause::Full as usize] >= 4);
    assert_eq!(wire::me(&app, &[("token", &token)]).await.code(), Code::Ok);
    drop(waiting);
}

#[tokio::test]
async fn who_could_not_be_served_in_time_is_told_so_at_once_and_another_address_is_served() {
    let app = TestApp::with(&["--hash-threads=1", "--hash-queue=4000"]).await;
    // The lane learns the cost of one hash. Then it has minutes of work, and a call may take half a minute at most.
    const COSTLY: &str = "m=131072,t=2,p=1";
    flood(&app, 1, COSTLY).await.join_next().await.unwrap().unwrap().unwrap();
    app.sign_in_username("alice").await;
    let mut waiting = flood(&app, 1_900, COSTLY).await;
    let before = app.hasher.stats();
    let own_time = wire::call(&app, wire::LOGIN, &[("grpc-timeout", "5S")], &login("alice")).await;
    assert_overloaded(&own_time);
    assert_overloaded(&wire::call(&app, wire::LOGIN, &[], &login("alice")).await);
    assert_unavailable(&app).await;
    let after = app.hasher.stats();
    let refused = |refusal: RefusalCause| after.refused[refusal as usize] - before.refused[refusal as usize];
    assert_eq!((refused(RefusalCause::Deadline), refused(RefusalCause::Full)), (4, 0));

    // One hash of the flood runs, and only one of those that wait comes before this login from another address.
    let json = [("content-type", "application/json"), ("host", "a")];
    let body = json!({ "username": "alice", "password": PASSWORD }).to_string();
    let mut elsewhere = request(Method::POST, "/api/auth/login", &json, body.into());
    elsewhere.extensions_mut().insert(ClientAddress(IpAddr::from([192, 0, 2, 1])));
    let answer: Answer = app.send(elsewhere).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(app.hasher.stats().waiting > 1_000, "they wait still");

    // A caller that hangs up frees its place at once.
    waiting.shutdown().await;
    let stats = app.hasher.stats();
    assert_eq!(stats.waiting, 0);
    assert!(stats.dropped[Dropped::Gone as usize] > 1_000);
    let reply = wire::call(&app, wire::LOGIN, &[("grpc-timeout", "30S")], &login("alice")).await;
    assert_eq!(reply.code(), Code::Ok);
}

#[tokio::test]
async fn who_is_refused_costs_no_read_of_the_database() {
    let app = TestApp::with(&["--hash-threads=1", "--hash-queue=1"]).await;
    app.sign_in_username("alice").await;
    let file = SqliteConnectOptions::new().filename(app.database());
    let mut database = SqliteConnection::connect_with(&file).await.unwrap();
    // Reading the account now fails with an internal error.
    sqlx::query("alter table accounts rename to elsewhere").execute(&mut database).await.unwrap();
    assert_eq!(wire::call(&app, wire::LOGIN, &[], &login("alice")).await.code(), Code::Internal);
    let waiting = flood(&app, 2, COSTLIEST).await;
    assert_overloaded(&wire::call(&app, wire::LOGIN, &[], &login("alice")).await);
    drop(waiting);
}

#[tokio::test]
async fn a_stored_hash_that_asks_for_more_than_is_bearable_is_never_computed() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    let file = SqliteConnectOptions::new().filename(app.database());
    let mut database = SqliteConnection::connect_with(&file).await.unwrap();
    for params in ["m=4194304,t=2,p=1", "m=2097153,t=1,p=1", "m=8,t=1048577,p=1", "m=64,t=4294967295,p=5"] {
        let hash =
            format!("$argon2id$v=19${params}$c2FsdHNhbHRzYWx0c2FsdA$DypaBJkkdvsZ8JTUF9/H4tXaGPTclUAk9xuYCEmg9lQ");
        sqlx::query("update accounts set password_hash = ?").bind(hash).execute(&mut database).await.unwrap();
        let before = app.hasher.stats();
        let reply = wire::call(&app, wire::LOGIN, &[], &login("alice")).await;
        assert_eq!((reply.code(), reply.reason().as_str()), (Code::Unauthenticated, "INVALID_CREDENTIALS"), "{params}");
        let after = app.hasher.stats();
        assert_eq!(after.wait.count() - before.wait.count(), 1, "{params}: the dummy's, as for a stranger");
        assert!(after.memory < 1_024 * 1_024, "{params}: {} bytes", after.memory);
    }
}

#[tokio::test]
async fn hash_threads_give_way_to_all_others() {
    if !cfg!(target_os = "linux") {
        return eprintln!("skipped: only Linux has a nice value for each thread");
    }
    let dir = tempfile::tempdir().unwrap();
    let settings = [("JWT_SECRET", SECRET), ("ALLOW_REGISTRATION", "true"), ("HASH_THREADS", "1")];
    let server = Binary::spawn(binary::command(dir.path()).envs(settings));
    let alice = json!({ "username": "alice", "password": PASSWORD });
    let registered = call(server.address, Method::POST, "/api/auth/register", &[], &alice).await.unwrap();
    assert_eq!(registered.status, StatusCode::OK);
    let (mut hashing, mut others) = (Vec::new(), Vec::new());
    for thread in fs::read_dir(format!("/proc/{}/task", server.child.id())).unwrap() {
        // A thread may end between the two reads.
        let Ok(stat) = fs::read_to_string(thread.unwrap().path().join("stat")) else { continue };
        let (name, rest) = stat.rsplit_once(") ").unwrap();
        let nice: i32 = rest.split(' ').nth(16).unwrap().parse().unwrap();
        if name.contains("(hash-") { hashing.push(nice) } else { others.push(nice) }
    }
    assert_eq!(hashing, [19]);
    assert!(others.len() > 1 && others.iter().all(|nice| *nice < 19), "{others:?}");
}

#[tokio::test]
async fn without_memory_for_a_hash_a_sign_in_is_unavailable_and_may_be_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let binary = Binary::start(dir.path());
    let status = fs::read_to_string(format!("/proc/{}/status", binary.child.id())).unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmSize:")?.split_whitespace().next()).unwrap();
    let limit = Rlimit { current: Some((kib.parse::<u64>().unwrap() + 8 * 1_024) * 1_024), maximum: None };
    let process = Pid::from_child(&binary.child);
    // A hash needs 19 MiB more than the process has now.
    let unlimited = prlimit(Some(process), Resource::As, limit).unwrap();
    let account = json!({ "username": "alice", "password": PASSWORD });
    let register = async || call(binary.address, Method::POST, "/api/auth/register", &[], &account).await.unwrap();
    let refused = register().await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.json());
    prlimit(Some(process), Resource::As, unlimited).unwrap();
    assert_eq!(register().await.status, StatusCode::OK);
    let log = binary.log.lock().unwrap();
    assert!(log.contains("the system does not give the memory of a hash"), "{log}");
}
