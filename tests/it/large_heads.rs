//! Requests with a head that is too large: each protocol tells its client why, and over HTTP/2 only the call is
//! refused.

use std::time::Duration;

use countersign::pb::MeRequest;
use countersign::pb::auth_service_client::AuthServiceClient;
use countersign::server::Limits;
use serde_json::json;
use tonic::transport::Endpoint;
use tonic::{Code, Request};

use crate::http2::{self, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, STATUS_431, frame, header, login_head};
use crate::sockets::{Raw, is_alive};
use crate::support::app::Served;
use crate::support::{Binary, TestApp};
use crate::wire::eventually;

const TEXT: &str = "the head of a request, with all of its headers, may have at most 16 KiB";

async fn served() -> (TestApp, Served) {
    let mut app = TestApp::start().await;
    let served = app.serve_with(Limits::default()).await;
    (app, served)
}

fn get(path: &str, filler: usize) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\nfiller: {}\r\n\r\n", "x".repeat(filler))
}

#[tokio::test]
async fn over_http_1_it_is_answered_in_the_dialect_of_its_path() {
    let (_app, served) = served().await;
    let username = json!({ "statusCode": 431, "error": "Request Header Fields Too Large", "message": TEXT });
    let email = json!({ "detail": TEXT, "error_code": "head_too_large", "error": "head_too_large" });
    for (path, body) in [("/api/auth/me", &username), ("/auth/me?x=/v1", &email), ("/nowhere", &username)] {
        for filler in [16 * 1_024, 100_000, 500_000] {
            // The first request shows that an earlier one on the connection changes nothing.
            let mut raw = Raw::saying(served.address, get("/healthz", 12_000)).await;
            assert_eq!(raw.answer().await.status, 200);
            raw.send(get(path, filler)).await;
            let answer = raw.answer().await;
            assert_eq!((answer.status.as_u16(), &answer.json()), (431, body), "{path} {filler}");
            let headers = ["content-type", "connection"].map(|name| answer.header(name));
            assert_eq!(headers, [Some("application/json"), Some("close")], "{path}");
            assert!(answer.header("request-id").is_some() && answer.header("date").is_some(), "{path}");
        }
    }
    let many: String = (0..200).map(|number| format!("h{number}: x\r\n")).collect();
    let mut raw = Raw::saying(served.address, format!("GET /v1/me HTTP/1.1\r\nhost: a\r\n{many}\r\n")).await;
    let answer = raw.answer().await;
    assert_eq!((answer.status.as_u16(), answer.json()["message"].as_str()), (431, Some(TEXT)), "too many headers");
    for (origin, allowed) in [("http://localhost:5173", Some("http://localhost:5173")), ("https://evil.example", None)]
    {
        let head = get("/auth/me", 20_000).replace("filler", &format!("Origin: {origin}\r\nfiller"));
        let answer = Raw::saying(served.address, head).await.answer().await;
        assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (431, allowed));
    }
    let head = get("/countersign.v1.AuthService/Me", 20_000).replacen("GET", "POST", 1);
    let answer = Raw::saying(served.address, head).await.answer().await;
    assert_eq!((answer.status.as_u16(), answer.header("grpc-status")), (431, Some("8")), "gRPC-Web");
    let head = get("/healthz", 20_000).replace("GET", "HEAD");
    let answer = Raw::connect(served.address).await.flood(head).await;
    assert!(answer.starts_with(b"HTTP/1.1 431 ") && answer.ends_with(b"\r\n\r\n"), "HEAD has no body");
    is_alive(served.address).await;
}

#[tokio::test]
async fn over_http_2_the_call_is_refused_and_the_connection_lives() {
    let (_app, served) = served().await;
    let mut raw = http2::connect(served.address).await;
    for (stream, filler) in [(1, 17_000), (3, 40_000)] {
        let head = [login_head(), header(0, "filler", &"x".repeat(filler))].concat();
        let mut chunks = head.chunks(16_000).peekable();
        raw.send(frame(HEADERS, END_STREAM, stream, chunks.next().unwrap())).await;
        while let Some(chunk) = chunks.next() {
            let last = if chunks.peek().is_none() { END_HEADERS } else { 0 };
            raw.send(frame(CONTINUATION, last, stream, chunk)).await;
        }
        let answer = http2::next(&mut raw, [HEADERS]).await.unwrap();
        // Its status is in the table of the connection after the first answer.
        assert!(stream > 1 || answer.payload.starts_with(STATUS_431), "{answer:?}");
        let body = http2::next(&mut raw, [DATA]).await.unwrap();
        assert_eq!(body.stream, stream);
        assert!(String::from_utf8_lossy(&body.payload).contains("\"error_code\":\"head_too_large\""), "{body:?}");
    }
    raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 5, login_head())).await;
    assert_eq!(http2::next(&mut raw, [HEADERS]).await.unwrap().stream, 5, "the connection lives");
}

#[tokio::test]
async fn a_grpc_caller_gets_resource_exhausted_and_goes_on() {
    let (_app, served) = served().await;
    let channel = Endpoint::from_shared(format!("http://{}", served.address)).unwrap().connect().await.unwrap();
    let mut client = AuthServiceClient::new(channel);
    let mut me = async |filler: usize| {
        let mut request = Request::new(MeRequest {});
        request.metadata_mut().insert("filler", "x".repeat(filler).parse().unwrap());
        client.me(request).await.unwrap_err()
    };
    for filler in [17_000, 60_000] {
        let status = me(filler).await;
        assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, TEXT), "{filler}");
        assert!(status.metadata().contains_key("request-id"));
    }
    assert_eq!(me(1_000).await.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn it_is_counted_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let binary = Binary::start(dir.path());
    let mut raw = Raw::saying(binary.address, get("/healthz", 17_000)).await;
    assert_eq!(raw.answer().await.status, 431);
    let logged = async || binary.log.lock().unwrap().contains("\"heads\":1");
    assert!(eventually(Duration::from_secs(10), logged).await, "{}", binary.log.lock().unwrap());
}
