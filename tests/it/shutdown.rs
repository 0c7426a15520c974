//! SIGTERM: every accepted call is answered, and the server waits for no other client longer than the drain time.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use countersign::pb::auth_service_client::AuthServiceClient;
use countersign::pb::health::HealthCheckRequest;
use countersign::pb::health::health_check_response::ServingStatus;
use countersign::pb::health::health_client::HealthClient;
use countersign::pb::{LoginRequest, login_request};
use countersign::server::Limits;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::http2::{PREFACE, SETTINGS, frame};
use crate::sockets::{Raw, SOON, post};
use crate::support::binary::{command, database};
use crate::support::http::call;
use crate::support::{Binary, SECRET, TestApp};
use crate::wire::eventually;

/// The longest shutdown that the documentation promises.
const DRAIN: Duration = Duration::from_secs(10);
/// The longest prompt exit: "promptly".
const PROMPT: Duration = Duration::from_secs(6);

/// Waits for the process to end, and returns how long that took since `begun`.
async fn ended(mut binary: Binary, begun: Instant) -> (ExitStatus, Duration, String) {
    tokio::task::spawn_blocking(move || {
        let status = binary.ended();
        (status, begun.elapsed(), binary.log.lock().unwrap().clone())
    })
    .await
    .unwrap()
}

fn clean(status: ExitStatus) -> bool {
    status.code() == Some(0) && status.signal().is_none()
}

async fn register(binary: &Binary) -> Value {
    let account = json!({ "username": "alice", "password": "s3cur3pass" });
    let answer = call(binary.address, Method::POST, "/api/auth/register", &[], &account).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    account
}

#[tokio::test]
async fn nobody_waits_for_those_who_say_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let binary = Binary::start(dir.path());
    let request = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut silent = Raw::connect(binary.address).await;
    let mut half = Raw::saying(binary.address, "PRI * HT").await;
    let mut half_head = Raw::saying(binary.address, "GET /healthz HTTP/1.1\r\nhost: a\r\nx: ").await;
    let mut mute = Raw::saying(binary.address, [PREFACE, &frame(SETTINGS, 0, 0, [])].concat()).await;
    mute.take(9).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..50 {
        let mut raw = Raw::saying(binary.address, request).await;
        assert_eq!(raw.answer().await.status, StatusCode::OK);
        idle.push(raw);
    }
    let begun = Instant::now();
    binary.terminate();
    let (status, took, log) = ended(binary, begun).await;
    assert!(clean(status) && took < PROMPT, "{status} after {took:?}: {log}");
    for raw in idle.iter_mut().chain([&mut silent, &mut half, &mut half_head, &mut mute]) {
        raw.until_closed(SOON).await;
    }
}

#[tokio::test]
async fn a_hangup_does_not_end_the_server_and_the_log_says_what_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let binary = Binary::start(dir.path());
    binary.signal("-HUP");
    let said = "SIGHUP: nothing is read again; settings need a restart";
    assert!(eventually(SOON, async || binary.log.lock().unwrap().contains(said)).await);
    register(&binary).await;
    let begun = Instant::now();
    binary.terminate();
    let (status, took, log) = ended(binary, begun).await;
    assert!(clean(status) && took < PROMPT, "{status} after {took:?}: {log}");
}

#[tokio::test]
async fn an_idle_server_ends_at_once_although_clients_keep_connections() {
    let mut times = Vec::new();
    for _ in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let binary = Binary::start(dir.path());
        let mut idle = Raw::saying(binary.address, "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await;
        idle.answer().await;
        let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", binary.address)).unwrap();
        let _channel = channel.connect().await.unwrap();
        let begun = Instant::now();
        binary.terminate();
        let (status, took, log) = ended(binary, begun).await;
        assert!(clean(status), "{status}: {log}");
        times.push(took);
    }
    // It takes 50 ms where no other test runs.
    assert!(times.iter().min() < Some(&Duration::from_millis(400)), "{times:?}");
}

#[tokio::test]
async fn a_delay_is_announced_and_served_and_a_second_signal_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let binary = Binary::spawn(
        command(dir.path()).env("JWT_SECRET", SECRET).env("ALLOW_REGISTRATION", "true").env("SHUTDOWN_DELAY", "5m"),
    );
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", binary.address)).unwrap();
    let mut health = HealthClient::new(channel.connect().await.unwrap());
    let asked = HealthCheckRequest { service: "countersign.v1.AdminService".to_owned() };
    let mut watched = health.watch(asked).await.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    binary.terminate();
    assert_eq!(watched.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    let answer = call(binary.address, Method::GET, "/readyz", &[], &Value::Null).await.unwrap();
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    register(&binary).await;
    let begun = Instant::now();
    binary.terminate();
    let (status, took, log) = ended(binary, begun).await;
    assert!(clean(status) && took < PROMPT, "{status} after {took:?}: {log}");
    assert!(log.contains("\"result\":\"announced\"") && log.contains("\"delay_s\":300"), "{log}");
}

#[tokio::test]
async fn an_interrupt_from_the_keyboard_is_a_shutdown_too() {
    let dir = tempfile::tempdir().unwrap();
    let binary = Binary::start(dir.path());
    let begun = Instant::now();
    let sent = std::process::Command::new("kill").args(["-INT", &binary.child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let (status, took, log) = ended(binary, begun).await;
    assert!(clean(status) && took < PROMPT, "{status} after {took:?}");
    assert!(log.contains("\"event\":\"stop\""), "{log}");
}

#[tokio::test]
async fn every_accepted_login_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let binary = Binary::start(dir.path());
    let account = register(&binary).await;
    let _silent = Raw::connect(binary.address).await;

    // By "100 Continue", the server says that it has accepted the call.
    let (head, body) = post("/api/auth/login", "expect: 100-continue\r\n", &account);
    let mut logins = Vec::new();
    for _ in 0..32 {
        logins.push(Raw::saying(binary.address, &head).await);
    }
    for login in &mut logins {
        assert!(login.head().await.unwrap().starts_with("HTTP/1.1 100 "));
    }
    let (early, late) = logins.split_at_mut(16);
    for login in early {
        login.send(&body).await;
    }
    let begun = Instant::now();
    binary.terminate();
    for login in late {
        login.send(&body).await;
    }
    for login in &mut logins {
        let answer = login.try_answer().await.expect("an accepted call is answered");
        assert_eq!((answer.status, answer.json()["user"].as_str()), (StatusCode::OK, Some("alice")));
    }
    let (status, took, log) = ended(binary, begun).await;
    assert!(clean(status) && took < DRAIN, "{status} after {took:?}: {log}");
    assert!(!log.contains("\"ERROR\""), "{log}");
    // The server ended cleanly, so the next start has nothing to recover.
    assert!(database(dir.path()).exists() && !dir.path().join("countersign.db-wal").exists(), "the log is folded in");
}

#[tokio::test]
async fn every_accepted_grpc_login_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let binary = Binary::start(dir.path());
    register(&binary).await;
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", binary.address)).unwrap();
    let client = AuthServiceClient::new(channel.connect().await.unwrap());
    let (heard, mut first) = tokio::sync::mpsc::channel(32);
    let logins: Vec<_> = (0..32)
        .map(|_| {
            let (mut client, heard) = (client.clone(), heard.clone());
            tokio::spawn(async move {
                let handle = Some(login_request::Handle::Username("alice".to_owned()));
                let answer = client
                    .login(LoginRequest { handle, password: "s3cur3pass".to_owned(), device: String::new() })
                    .await;
                heard.send(()).await.unwrap();
                answer
            })
        })
        .collect();
    // All requests were sent on one connection before the first answer.
    first.recv().await.unwrap();
    let begun = Instant::now();
    binary.terminate();
    for login in logins {
        assert!(!login.await.unwrap().unwrap().into_inner().token.is_empty());
    }
    let (status, took, log) = ended(binary, begun).await;
    assert!(clean(status) && took < PROMPT, "{status} after {took:?}: {log}");
}

#[tokio::test]
async fn what_hangs_is_cut_off_at_the_end_of_the_drain() {
    let mut app = TestApp::start().await;
    let drain = Duration::from_millis(300);
    let served = app.serve_with(Limits { drain, ..Limits::default() }).await;
    let (head, _) = post("/auth/login", "expect: 100-continue\r\n", &json!({}));
    let mut hanging = Raw::saying(served.address, head).await;
    hanging.head().await.unwrap();
    let mut half = Raw::saying(served.address, "GET /healthz HTTP/1.1\r\nhost: a\r\nx: ").await;
    let mut mute = Raw::saying(served.address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    // The first frame of the server shows that it speaks HTTP/2 now.
    mute.take(9).await.unwrap();

    let begun = Instant::now();
    timeout(SOON, served.stop()).await.unwrap();
    let took = begun.elapsed();
    assert!(took >= drain && took < drain + Duration::from_secs(5), "{took:?}");
    for raw in [&mut hanging, &mut half, &mut mute] {
        raw.until_closed(SOON).await;
    }
}

#[tokio::test]
async fn the_process_ends_at_its_deadline_whoever_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let binary = Binary::start(dir.path());
    let (head, _) = post("/auth/login", "expect: 100-continue\r\n", &json!({}));
    let mut hanging = Vec::new();
    for _ in 0..10 {
        let mut raw = Raw::saying(binary.address, &head).await;
        raw.head().await.unwrap();
        hanging.push(raw);
    }
    let begun = Instant::now();
    binary.terminate();
    let (status, took, log) = ended(binary, begun).await;
    assert!(clean(status) && took > PROMPT && took < DRAIN, "{status} after {took:?}: {log}");
    assert!(log.contains("\"event\":\"drain\"") && log.contains("\"event\":\"stop\""), "{log}");
}

#[tokio::test]
async fn the_port_is_free_while_calls_are_still_under_way() {
    let mut app = TestApp::start().await;
    let served = app.serve_with(Limits::default()).await;
    let address = served.address;
    let (head, body) = post("/auth/login", "expect: 100-continue\r\n", &json!({}));
    let mut busy = Raw::saying(address, head).await;
    busy.head().await.unwrap();
    let mut idle = Raw::saying(address, "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await;
    idle.answer().await;

    let stopping = tokio::spawn(served.stop());
    // The port is closed before connections are ended, so a new connection is refused by now.
    idle.until_closed(SOON).await;
    let refused = tokio::net::TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    busy.send(body).await;
    assert_eq!(busy.answer().await.status, StatusCode::UNPROCESSABLE_ENTITY);
    timeout(SOON, stopping).await.unwrap().unwrap();
}
