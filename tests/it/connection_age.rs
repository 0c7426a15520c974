//! The end of a connection at its maximum age and at shutdown: no request is lost, and a stream ends with a status.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use countersign::pb::WatchRevocationsRequest;
use countersign::pb::health::HealthCheckRequest;
use countersign::pb::health::health_client::HealthClient;
use countersign::pb::session_service_client::SessionServiceClient;
use countersign::server::Limits;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};

use crate::sockets::{Raw, SOON, is_alive, post};
use crate::support::TestApp;
use crate::support::app::Served;
use crate::watch::CREDENTIAL;

const SHORT: Duration = Duration::from_millis(200);
const HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";

async fn served(limits: Limits) -> (TestApp, Served) {
    let mut app = TestApp::with(&[&format!("--watch-credentials={CREDENTIAL}")]).await;
    let served = app.serve_with(limits).await;
    (app, served)
}

/// A maximum age, and a longer limit of silence. A connection that ends by the second limit shows that the age has
/// passed.
fn aging() -> Limits {
    Limits { age: SHORT, first_bytes: 2 * SHORT, ..Limits::default() }
}

async fn age_passes(address: SocketAddr) {
    Raw::connect(address).await.until_closed(SOON).await;
}

#[tokio::test]
async fn a_request_on_an_old_connection_is_answered_and_told_that_it_was_the_last() {
    let (_app, served) = served(aging()).await;
    let mut raw = Raw::saying(served.address, HEALTHZ).await;
    assert_eq!(raw.answer().await.header("connection"), None);
    age_passes(served.address).await;
    // The connection was idle when it reached its age. A request that arrives now may have been sent before that.
    raw.send(HEALTHZ).await;
    let last = raw.try_answer().await.expect("an answer, and not a lost request");
    assert_eq!((last.status, last.header("connection")), (StatusCode::OK, Some("close")));
    assert_eq!(raw.until_closed(SOON).await, b"");
}

#[tokio::test]
async fn a_silent_old_connection_is_closed_at_its_idle_limit() {
    let (_app, served) = served(Limits { age: SHORT, header: 4 * SHORT, ..Limits::default() }).await;
    let mut raw = Raw::saying(served.address, HEALTHZ).await;
    raw.answer().await;
    let begun = Instant::now();
    assert_eq!(raw.until_closed(SOON).await, b"");
    assert!(begun.elapsed() > 3 * SHORT, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_call_that_is_under_way_at_the_age_is_finished_however_long_it_takes() {
    // A long call may outlive the age by far more than the drain time.
    let (_app, served) = served(Limits { drain: SHORT / 10, ..aging() }).await;
    let (head, body) =
        post("/auth/login", "expect: 100-continue\r\n", &json!({ "email": "a@b.example", "password": "s3cur3pass" }));
    let mut busy = Raw::saying(served.address, head).await;
    assert!(busy.head().await.unwrap().starts_with("HTTP/1.1 100 "));
    age_passes(served.address).await;
    busy.send(body).await;
    let answer = busy.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (StatusCode::BAD_REQUEST, Some("close")));
    assert_eq!(busy.until_closed(SOON).await, b"");
}

#[tokio::test]
async fn a_request_that_is_under_way_when_the_server_stops_is_answered() {
    let (_app, served) = served(Limits::default()).await;
    let mut raw = Raw::saying(served.address, HEALTHZ).await;
    raw.answer().await;
    let address = served.address;
    let stopping = tokio::spawn(served.stop());
    while tokio::net::TcpStream::connect(address).await.is_ok() {}
    // The closed port shows that the server stops. A client that sends a request now cannot know this yet.
    raw.send(HEALTHZ).await;
    let last = raw.try_answer().await.expect("an answer, and not a lost request");
    assert_eq!((last.status, last.header("connection")), (StatusCode::OK, Some("close")));
    timeout(SOON, stopping).await.unwrap().unwrap();
}

async fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// How a stream ends, and how many messages it had.
async fn end<T>(mut messages: Streaming<T>) -> (usize, Code, String) {
    let mut count = 0;
    loop {
        match timeout(SOON, messages.message()).await.expect("it ends") {
            Ok(Some(_)) => count += 1,
            Ok(None) => return (count, Code::Ok, String::new()),
            Err(status) => return (count, status.code(), status.message().to_owned()),
        }
    }
}

async fn watch_health(address: SocketAddr) -> Streaming<countersign::pb::health::HealthCheckResponse> {
    let mut health = HealthClient::new(channel(address).await);
    health.watch(HealthCheckRequest::default()).await.unwrap().into_inner()
}

#[tokio::test]
async fn streams_of_an_old_connection_end_with_a_status_and_can_be_resumed() {
    let (_app, served) = served(Limits { age: 2 * SHORT, ..Limits::default() }).await;
    let said = "this connection is about to end: call again, and go on after the last message";

    let (count, code, message) = end(watch_health(served.address).await).await;
    assert_eq!((count, code, message.as_str()), (1, Code::Unavailable, said), "of another crate's service");

    let mut cursor = String::new();
    for round in 0..2 {
        let status = watch_revocations(served.address, &mut cursor).await;
        assert_eq!((status.code(), status.message()), (Code::Unavailable, said), "{round}");
        assert!(!cursor.is_empty(), "{round}: with the place where it goes on");
    }

    // Over REST, the status is the last line.
    let watch = format!("GET /v1/revocations:watch HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {CREDENTIAL}\r\n\r\n");
    let mut raw = Raw::saying(served.address, watch).await;
    let mut lines = String::new();
    while !lines.contains("\"error\"") {
        lines.push(char::from(raw.take(1).await.expect("a line with the status")[0]));
    }
    while !lines.ends_with('\n') {
        lines.push(char::from(raw.take(1).await.unwrap()[0]));
    }
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!((&last["error"]["code"], &last["error"]["message"]), (&json!(14), &json!(said)));
    is_alive(served.address).await;
}

#[tokio::test]
async fn streams_end_with_a_status_when_the_server_stops_and_are_not_waited_for() {
    let (_app, served) = served(Limits::default()).await;
    let (address, begun, mut cursor) = (served.address, Instant::now(), String::new());
    let mut watching = std::pin::pin!(watch_revocations(address, &mut cursor));
    // The call waits, so it has begun.
    assert!(timeout(SHORT, &mut watching).await.is_err());
    let stopping = tokio::spawn(served.stop());
    assert_eq!(timeout(SOON, watching).await.unwrap().code(), Code::Unavailable);
    timeout(SOON, stopping).await.unwrap().unwrap();
    assert!(begun.elapsed() < Limits::default().drain / 2, "{:?}", begun.elapsed());
}

/// Watches revocations after `cursor` until the stream ends. Updates `cursor` with each message.
async fn watch_revocations(address: SocketAddr, cursor: &mut String) -> Status {
    let mut client = SessionServiceClient::new(channel(address).await);
    let mut request = Request::new(WatchRevocationsRequest { cursor: cursor.clone() });
    request.metadata_mut().insert("authorization", format!("Bearer {CREDENTIAL}").parse().unwrap());
    let mut watched = client.watch_revocations(request).await.unwrap().into_inner();
    loop {
        match timeout(SOON, watched.message()).await.expect("it ends") {
            Ok(response) => *cursor = response.expect("a watch has no end of its own").cursor,
            Err(status) => return status,
        }
    }
}
