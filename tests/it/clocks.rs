//! Wrong clocks: two replicas whose clocks differ, a replica whose clock is set while it runs, and an operator's
//! machine that is an hour behind. No client is signed out because of them, and no revoked or expired token is
//! accepted.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use countersign_guard::clock::{Clock as _, ManualClock};
use countersign_guard::revocations::{Revocation, Revocations, Standing};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Executor as _;
use uuid::Uuid;

use crate::forge;
use crate::metrics::metrics_of;
use crate::refresh::Face;
use crate::support::app::{START, Served, request};
use crate::support::clock::{self, FakeClock};
use crate::support::http::over_socket;
use crate::support::postgres::Database;
use crate::support::{Answer, Binary, PASSWORD, SECRET, TestApp, binary};
use crate::wire::{self, eventually};

const HOUR: i64 = 3_600;

/// A replica on a socket, so that its revocation feed runs.
async fn replica(url: &str) -> (TestApp, Served) {
    let mut app = TestApp::with(&[&format!("--database-url={url}")]).await;
    let served = app.serve().await;
    (app, served)
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_whose_clocks_are_apart_take_each_others_fresh_tokens() {
    let Some(database) = Database::create().await else { return };
    let (here, _here) = replica(&database.url()).await;
    let (there, _there) = replica(&database.url()).await;
    // The test sets the differences itself, so the one of the environment is taken back. From 60 s on, which is
    // `CLOCK_SKEW`, a token would be refused.
    there.clock.advance(-clock::ahead());
    for ahead in [0, 1, 30, -30] {
        there.clock.advance(ahead);
        let mut token = here.sign_in_username(&format!("alice {ahead}")).await;
        for call in 0..100 {
            // The replica that is called is never the one that signed the token.
            let asked = if call % 2 == 0 { &there } else { &here };
            let answer = asked.get("/api/auth/me", &[("token", &token)]).await;
            assert_eq!(answer.status, StatusCode::NO_CONTENT, "{ahead} s, call {call}");
            token = answer.token();
        }
        // A session that began on one replica is ended on the other.
        assert_eq!(there.post_empty("/auth/logout", &[("token", &token)]).await.status, StatusCode::OK);
        let dead = async || here.get("/api/auth/me", &[("token", &token)]).await.status == StatusCode::UNAUTHORIZED;
        assert!(eventually(Duration::from_secs(5), dead).await, "{ahead} s");
        there.clock.advance(-ahead);
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_keeps_everybody_signed_in_or_waiting() {
    let app = TestApp::start().await;
    let token = app.sign_in_username("alice").await;
    for (step, expected) in [(-20, ""), (-40, ""), (-1, "UNAVAILABLE"), (-3_539, "UNAVAILABLE"), (3_600, "")] {
        app.clock.advance(step);
        assert_eq!(crate::token::judge(&app, &format!("{step}"), &token).await, expected, "{step}");
    }
    let strict = app.restart(&["--clock-skew=0s"]).await;
    for (step, expected) in [(0, ""), (-1, "UNAVAILABLE"), (1, "")] {
        strict.clock.advance(step);
        assert_eq!(crate::token::judge(&strict, &format!("{step}"), &token).await, expected, "{step}");
    }
}

#[tokio::test]
async fn what_was_forgotten_is_not_believed_by_a_clock_that_was_set_back() {
    let app = TestApp::start().await;
    let (ended, kept) = (app.sign_in_username("alice").await, app.sign_in_email("ada@example.com").await);
    assert_eq!(app.post_empty("/auth/logout", &[("token", &ended)]).await.status, StatusCode::OK);
    // The clock is set to long after the revocation has expired, and back to when the token was good.
    let long = 2 * HOUR;
    app.clock.advance(long);
    let app = app.restart(&[]).await;
    let slid = Face::Grpc.slide(&app, &kept).await.unwrap();
    app.clock.advance(60 - long);
    assert_eq!(wire::me(&app, &[("token", &ended)]).await.reason(), "UNAVAILABLE", "nobody knows any more");
    assert_eq!(wire::me(&app, &[("token", &slid)]).await.reason(), "UNAVAILABLE", "it is from the future");
    assert!(Face::Grpc.slide(&app, &kept).await.is_ok(), "of this one everything is known");
}

/// Two processes on one database. The test sets the clock of the first one.
struct Pair {
    wrong: Binary,
    right: Binary,
    clock: FakeClock,
    _dirs: [tempfile::TempDir; 2],
}

impl Pair {
    fn start(url: &str, ahead: i64) -> Option<Self> {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let clock = FakeClock::new(dirs[0].path())?;
        clock.set(ahead);
        let settings = [
            ("DATABASE_URL", url),
            ("JWT_SECRET", SECRET),
            ("ALLOW_REGISTRATION", "true"),
            ("METRICS_ADDR", "127.0.0.1:0"),
        ];
        let mut command = binary::command(dirs[0].path());
        clock.give(&mut command);
        let wrong = Binary::spawn(command.envs(settings));
        let right = Binary::spawn(binary::command(dirs[1].path()).envs(settings));
        Some(Self { wrong, right, clock, _dirs: dirs })
    }

    /// The lines about the clock in the log of the server whose clock is wrong.
    fn told(&self) -> Vec<Value> {
        let log = self.wrong.log.lock().unwrap().clone();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["event"] == "clock").collect()
    }
}

async fn get(server: &Binary, path: &str, token: &str) -> Answer {
    over_socket(server.address, request(Method::GET, path, &[("token", token)], Body::empty())).await
}

async fn sign_in(server: &Binary, path: &str, username: &str) -> Answer {
    let account = Body::from(json!({ "username": username, "password": PASSWORD }).to_string());
    over_socket(server.address, request(Method::POST, path, &[("content-type", "application/json")], account)).await
}

async fn register(server: &Binary, username: &str) -> String {
    sign_in(server, "/api/auth/register", username).await.json()["token"].as_str().unwrap().to_owned()
}

async fn is_ready(server: &Binary, expected: bool) -> bool {
    let status = if expected { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    eventually(Duration::from_secs(5), async || get(server, "/readyz", "").await.status == status).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_clock_is_set_while_it_runs_judges_no_token_until_it_is_right_again() {
    let Some(database) = Database::create().await else { return };
    let Some(pair) = Pair::start(&database.url(), 0) else { return };
    let token = register(&pair.right, "alice").await;
    let ended = register(&pair.right, "bobby").await;
    let logout = request(Method::POST, "/auth/logout", &[("token", &ended)], Body::empty());
    assert_eq!(over_socket(pair.right.address, logout).await.status, StatusCode::OK);
    let mut expired = forge::claims(&token);
    for (name, ago) in [("auth_time", 2 * HOUR), ("iat", 2 * HOUR), ("exp", HOUR / 2)] {
        expired[name] =
            json!(expired[name].as_i64().unwrap().min(forge::claims(&token)["iat"].as_i64().unwrap()) - ago);
    }
    let expired = forge::token(&expired);
    assert!(is_ready(&pair.wrong, true).await);

    for step in [0, 30, -30, HOUR, -HOUR, 75, -75, 0] {
        pair.clock.set(step);
        let off = step.abs() > 60;
        let asked = Instant::now();
        let me = get(&pair.wrong, "/api/auth/me", &token).await;
        let took = asked.elapsed();
        let expected = if off { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT };
        assert_eq!(me.status, expected, "{step}");
        assert_eq!(me.header("token").is_some(), !off, "{step}");
        assert!(took < Duration::from_secs(1), "{step}: {took:?}");
        // The wrong server refuses expired tokens, and revoked ones once it has heard of the revocation.
        assert!(get(&pair.wrong, "/api/auth/me", &expired).await.status.is_client_error() != off, "{step}");
        let dead = async || get(&pair.wrong, "/api/auth/me", &ended).await.status != StatusCode::NO_CONTENT;
        assert!(eventually(Duration::from_secs(5), dead).await, "{step}");
        // It also issues no tokens that other servers would refuse.
        let login = sign_in(&pair.wrong, "/api/auth/login", "alice").await;
        assert_eq!(login.status, if off { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }, "{step}");
        assert!(is_ready(&pair.wrong, !off).await, "{step}");
        let told = async || !off || pair.told().iter().any(|line| line["result"] == "off");
        assert!(eventually(Duration::from_secs(5), told).await, "{step}");

        let metrics = over_socket(metrics_of(&pair.wrong), request(Method::GET, "/metrics", &[], Body::empty())).await;
        let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
        let line = metrics.lines().find(|line| line.starts_with("countersign_clock_offset_seconds ")).unwrap();
        let told: f64 = line.split(' ').nth(1).unwrap().parse().unwrap();
        assert!((told - step as f64).abs() < 2.0, "{step}: {told}");
        assert_eq!(get(&pair.right, "/api/auth/me", &token).await.status, StatusCode::NO_CONTENT, "{step}");
    }
    let told = pair.told();
    let off = told.iter().filter(|line| line["result"] == "off").count();
    assert!(off == 1 && told.len() < 10, "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_starts_with_a_clock_that_is_off_never_says_that_it_is_ready() {
    let Some(database) = Database::create().await else { return };
    for ahead in [HOUR, -HOUR] {
        let Some(pair) = Pair::start(&database.url(), ahead) else { return };
        let token = register(&pair.right, &format!("alice {ahead}")).await;
        assert_eq!(get(&pair.wrong, "/readyz", "").await.status, StatusCode::SERVICE_UNAVAILABLE, "{ahead}");
        let me = get(&pair.wrong, "/api/auth/me", &token).await;
        assert_eq!((me.status, me.header("token")), (StatusCode::SERVICE_UNAVAILABLE, None), "{ahead}");
        assert_eq!(get(&pair.wrong, "/api/auth/me", "forged").await.status, StatusCode::UNAUTHORIZED, "{ahead}");
        let told = pair.told();
        assert_eq!(told.len(), 1, "{told:#?}");
        let seconds = told[0]["ahead_seconds"].as_f64().unwrap();
        assert!(
            (seconds - ahead as f64).abs() < 2.0 && told[0]["message"].as_str().unwrap().contains("NTP"),
            "{told:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_ends_is_remembered_by_the_clock_of_the_database() {
    let Some(database) = Database::create().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let Some(clock) = FakeClock::new(dir.path()) else { return };
    clock.set(-HOUR);
    let (app, _served) = replica(&database.url()).await;
    let token = app.sign_in_username("alice").await;
    let claims = forge::claims(&token);
    let sid: Uuid = claims["sid"].as_str().unwrap().parse().unwrap();
    let mut command: Command = binary::command(dir.path());
    clock.give(&mut command);
    command.env("DATABASE_URL", database.url()).args(["session", "end", &sid.to_string()]);
    let output = binary::run(&mut command, "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut behind = database.connect().await;
    behind.execute("select 1").await.unwrap();
    let until: i64 = sqlx::query_scalar("select expires_at / 1000 from revocations where session_id = $1")
        .bind(sid)
        .fetch_one(&mut behind)
        .await
        .unwrap();
    assert!(until > claims["exp"].as_i64().unwrap() + 2 * 120, "longer than any replica may take the token for good");
}

#[test]
fn by_a_clock_that_is_off_nothing_is_forgotten() {
    const DAY: Duration = Duration::from_secs(86_400);
    let clock = ManualClock::at(START);
    let revocations = Revocations::fed(Arc::new(clock.clone()), Duration::from_secs(5));
    let (ended, lives, account) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
    revocations.insert(Revocation::Session(ended), clock.now() + Duration::from_secs(3_600));
    revocations.mark_complete(clock.elapsed());
    let expires = Some(START + 1_800);
    // The database's clock is a day ahead for a while. Revocations that would expire by that clock are needed
    // afterwards.
    revocations.compare(clock.now() + DAY, clock.elapsed());
    assert_eq!(revocations.standing(lives, account, 0, expires), Standing::Unknown);
    revocations.purge(revocations.time());
    revocations.compare(clock.now(), clock.elapsed());
    assert_eq!(revocations.standing(ended, account, 0, expires), Standing::Revoked);
    assert_eq!(revocations.standing(lives, account, 0, expires), Standing::Live);
}
