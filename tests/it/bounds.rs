//! The limits on what one client may hold at a time. A client above its limit is refused at once, and others are still
//! served.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use countersign::pb::auth_service_client::AuthServiceClient;
use countersign::pb::health::HealthCheckRequest;
use countersign::pb::health::health_client::HealthClient;
use countersign::pb::session_service_client::SessionServiceClient;
use countersign::pb::{MeRequest, WatchRevocationsRequest};
use countersign::server::Limits;
use http::StatusCode;
use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::metrics::{gauge, metrics_of};
use crate::sockets::{Raw, SOON, post};
use crate::support::app::Served;
use crate::support::{Binary, SECRET, TestApp, binary};
use crate::watch::CREDENTIAL;
use crate::wire::eventually;

const HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
const ONE: &str = "x-forwarded-for: 192.0.2.1\r\n";
const ANOTHER: &str = "x-forwarded-for: 192.0.2.2\r\n";

async fn served(flags: &[&str]) -> (TestApp, Served) {
    let mut app = TestApp::with(flags).await;
    let served = app.serve_with(Limits::default()).await;
    (app, served)
}

/// A call in progress: a login that has asked for `100 Continue` and sends no body.
async fn begin(address: SocketAddr, headers: &str) -> (Raw, String) {
    let (head, body) = post(
        "/auth/login",
        &format!("expect: 100-continue\r\n{headers}"),
        &json!({ "email": "a@b.example", "password": "s3cur3pass" }),
    );
    let mut raw = Raw::saying(address, head).await;
    assert_eq!(raw.head().await.as_deref(), Some("HTTP/1.1 100 Continue\r\n\r\n"));
    (raw, body)
}

async fn from(ip: &str, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{ip}:0").parse().unwrap()).unwrap();
    socket.connect(address).await.unwrap()
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_the_next_is_closed_at_once() {
    let (_app, served) = served(&["--max-connections-per-address=2"]).await;
    let mut first = Raw::saying(served.address, HEALTHZ).await;
    let mut second = Raw::saying(served.address, HEALTHZ).await;
    first.answer().await;
    second.answer().await;

    let begun = Instant::now();
    assert_eq!(Raw::connect(served.address).await.until_closed(SOON).await, b"");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let mut other = Raw::from(from("127.0.0.2", served.address).await);
    other.send(HEALTHZ).await;
    assert_eq!(other.answer().await.status, StatusCode::OK, "another address has its own");
    second.send(HEALTHZ).await;
    assert_eq!(second.answer().await.status, StatusCode::OK, "who was there stays");

    drop(first);
    let again = eventually(SOON, async || {
        let mut raw = Raw::connect(served.address).await;
        raw.try_send(HEALTHZ).await && raw.try_answer().await.is_some()
    });
    assert!(again.await, "when one has left, there is room again");
}

#[tokio::test]
async fn a_trusted_proxy_has_any_number_of_connections() {
    let flags = ["--max-connections-per-address=1", "--trusted-proxies=127.0.0.1"];
    let (_app, served) = served(&flags).await;
    let mut all = Vec::new();
    for _ in 0..5 {
        all.push(Raw::saying(served.address, HEALTHZ).await);
    }
    for raw in &mut all {
        assert_eq!(raw.answer().await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn an_address_has_so_many_calls_and_the_next_is_refused_in_the_manner_of_its_protocol() {
    let flags = ["--max-calls-per-address=1", "--trusted-proxies=127.0.0.1"];
    let (_app, served) = served(&flags).await;
    let (mut busy, body) = begin(served.address, ONE).await;

    let text = "too many requests are waiting: try again after the time in Retry-After";
    for (path, status, expected) in [
        ("/auth/login", 503, json!({ "detail": text, "error_code": "overloaded", "error": "overloaded" })),
        ("/api/auth/login", 503, json!({ "statusCode": 503, "error": "Service Unavailable", "message": text })),
        (
            "/v1/sessions:login",
            429,
            json!({
                "code": 8,
                "message": "too many requests are under way: try again in 1 s",
                "details": [
                    { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s" },
                    { "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "OVERLOADED",
                      "domain": "countersign.v1" },
                ],
            }),
        ),
    ] {
        // The body is never sent, so no further request can follow on this connection.
        let (head, _) = post(path, ONE, &json!({}));
        let mut refused = Raw::saying(served.address, head).await;
        let answer = refused.answer().await;
        assert_eq!((answer.status.as_u16(), answer.json()), (status, expected), "{path}");
        assert_eq!((answer.header("retry-after"), answer.header("connection")), (Some("1"), Some("close")), "{path}");
        assert_eq!(refused.until_closed(SOON).await, b"", "{path}");
    }
    let refused = grpc(served.address, "192.0.2.1").await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "OVERLOADED");
    assert_eq!(refused.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_secs(1)));

    grpc(served.address, "192.0.2.2").await.expect("another address has its own");
    busy.send(body).await;
    assert_eq!(busy.answer().await.status, StatusCode::BAD_REQUEST, "who was there is served");
    let again = eventually(SOON, async || grpc(served.address, "192.0.2.1").await.is_ok());
    assert!(again.await, "when one is answered, there is room again");
}

/// `Me` without a token on behalf of an address. A server that has room answers UNAUTHENTICATED.
async fn grpc(address: SocketAddr, client: &str) -> Result<(), Status> {
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let mut request = tonic::Request::new(MeRequest {});
    request.metadata_mut().insert("x-forwarded-for", client.parse().unwrap());
    match AuthServiceClient::new(channel).me(request).await {
        Err(status) if status.code() == Code::Unauthenticated => Ok(()),
        answer => answer.map(drop),
    }
}

#[tokio::test]
async fn sign_ins_leave_a_quarter_of_the_calls_of_their_address_to_others() {
    let (_app, served) = served(&["--max-calls-per-address=4"]).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(begin(served.address, "").await);
    }
    let (head, _) = post("/auth/login", "", &json!({}));
    assert_eq!(Raw::saying(served.address, head).await.answer().await.status, StatusCode::SERVICE_UNAVAILABLE);
    let mut other = Raw::saying(served.address, "GET /api/auth/me HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(other.answer().await.status, StatusCode::UNAUTHORIZED, "it was admitted");
}

#[tokio::test]
async fn the_process_has_so_many_calls_and_streams_are_none() {
    let (_app, served) = served(&["--max-calls=1", "--hash-threads=1"]).await;
    let channel = Endpoint::from_shared(format!("http://{}", served.address)).unwrap().connect().await.unwrap();
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut health = HealthClient::new(channel.clone());
        let mut stream = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        assert!(stream.message().await.unwrap().is_some());
        streams.push(stream);
    }
    let (_busy, _) = begin(served.address, "").await;
    let mut other = Raw::from(from("127.0.0.2", served.address).await);
    other.send("GET /api/auth/me HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(other.answer().await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_half_of_a_body_that_has_said_nothing_for_longest_gives_way() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("JWT_SECRET", SECRET),
        ("METRICS_ADDR", "127.0.0.1:0"),
        ("MAX_BODY_BYTES_PER_ADDRESS", "64KiB"),
        ("MAX_BODY_BYTES", "128KiB"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
    ];
    let server = Binary::spawn(binary::command(dir.path()).envs(settings));
    let metrics = metrics_of(&server);
    let half = "x".repeat(40_000);
    let send_half = async |headers: &str| {
        let head = format!(
            "POST /auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\
             expect: 100-continue\r\n{headers}\r\n"
        );
        let mut raw = Raw::saying(server.address, head).await;
        assert!(raw.head().await.unwrap().starts_with("HTTP/1.1 100 "));
        raw.send(&half).await;
        raw
    };
    let has_read = async |bytes| gauge(metrics, "countersign_body_bytes").await == bytes;
    let mut other = send_half(ANOTHER).await;
    assert!(eventually(SOON, async || has_read(40_000).await).await);
    let mut first = send_half(ONE).await;
    assert!(eventually(SOON, async || has_read(80_000).await).await);
    let mut second = send_half(ONE).await;
    let refused = first.answer().await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.json()["error_code"], "overloaded");
    assert_eq!((refused.header("retry-after"), refused.header("connection")), (Some("1"), Some("close")));
    first.until_closed(SOON).await;
    // The bodies of the other calls arrive, and those calls are answered.
    for raw in [&mut second, &mut other] {
        raw.send("x".repeat(20_000)).await;
        let answer = raw.answer().await;
        assert_eq!(answer.json()["error_code"], "malformed_json");
    }
}

#[tokio::test]
async fn a_grpc_call_whose_body_gives_way_is_overloaded() {
    let (_app, served) = served(&["--max-body-bytes=64KiB"]).await;
    let stream = TcpStream::connect(served.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    // Most of a message of 60,000 bytes.
    let most = [&[0, 0, 0, 0xea, 0x60][..], &[b'x'; 40_000]].concat();
    let mut calls = Vec::new();
    for _ in 0..2 {
        let uri = format!("http://{}/countersign.v1.AuthService/Login", served.address);
        let request = http::Request::post(uri).header("content-type", "application/grpc").header("te", "trailers");
        let (answer, mut body) = client.send_request(request.body(()).unwrap(), false).unwrap();
        body.send_data(most.clone().into(), false).unwrap();
        calls.push((answer, body));
    }
    let (first, _) = calls.remove(0);
    let refused = timeout(SOON, first).await.unwrap().unwrap();
    let status = Status::from_header_map(refused.headers()).expect("a status, and not a reset");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.get_details_error_info().unwrap().reason, "OVERLOADED");
    // The body of the other call arrives, and that call is answered.
    let (second, mut body) = calls.remove(0);
    body.send_data(vec![b'x'; 20_000].into(), true).unwrap();
    let judged = timeout(SOON, second).await.unwrap().unwrap();
    assert_eq!(Status::from_header_map(judged.headers()).unwrap().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn streams_that_anybody_may_open_keep_no_service_from_watching_revocations() {
    let (_app, served) = served(&[&format!("--watch-credentials={CREDENTIAL}")]).await;
    let mut open = Vec::new();
    let channel =
        async || Endpoint::from_shared(format!("http://{}", served.address)).unwrap().connect().await.unwrap();
    for _ in 0..2 {
        let mut health = HealthClient::new(channel().await);
        for _ in 0..128 {
            open.push(health.watch(HealthCheckRequest::default()).await.unwrap());
        }
    }
    let mut health = HealthClient::new(channel().await);
    let refused = health.watch(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "256 of one address");
    let mut request = tonic::Request::new(WatchRevocationsRequest::default());
    request.metadata_mut().insert("authorization", format!("Bearer {CREDENTIAL}").parse().unwrap());
    let mut watched = SessionServiceClient::new(channel().await).watch_revocations(request).await.unwrap().into_inner();
    assert!(timeout(SOON, watched.message()).await.unwrap().unwrap().is_some());
}

#[tokio::test]
async fn a_server_that_is_full_still_tells_that_it_lives() {
    let (_app, served) = served(&["--max-calls=1", "--hash-threads=1"]).await;
    let _held = begin(served.address, "").await;
    for path in ["/healthz", "/readyz"] {
        let mut raw = Raw::saying(served.address, format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        assert_eq!(raw.answer().await.status, StatusCode::OK, "{path}");
    }
    let endpoint = Endpoint::from_shared(format!("http://{}", served.address)).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    assert!(health.check(HealthCheckRequest::default()).await.is_ok());
}

#[tokio::test]
async fn an_answer_to_a_request_whose_body_was_not_read_says_that_the_connection_ends() {
    let (_app, served) = served(&[]).await;
    let unread = |method: &str, path: &str| {
        format!("{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n")
    };
    for (method, path) in [
        ("POST", "/nowhere"),
        ("POST", "/v1/me"),
        ("GET", "/v1/me"),
        ("GET", "/healthz"),
        ("POST", "/auth/logout"),
        ("POST", "/auth/refresh"),
        ("POST", "/api/auth/me"),
    ] {
        let mut raw = Raw::saying(served.address, unread(method, path)).await;
        assert_eq!(raw.answer().await.header("connection"), Some("close"), "{method} {path}");
        raw.until_closed(SOON).await;
    }
    // Connections stay open after a body that was read completely, and after a request without a body.
    let (head, body) = post("/auth/login", "", &json!({ "email": "a@b.example", "password": "s3cur3pass" }));
    let mut raw = Raw::saying(served.address, head).await;
    raw.send(body).await;
    assert_eq!(raw.answer().await.header("connection"), None);
    raw.send(HEALTHZ).await;
    assert_eq!(raw.answer().await.header("connection"), None);
}
