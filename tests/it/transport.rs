//! HTTP/1.1 on the one port: the time limits of a connection, the refused requests, and how a connection ends.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use countersign::server::Limits;
use http::StatusCode;
use serde_json::json;
use tokio::time::timeout;

use crate::sockets::{Raw, SOON, is_alive, post};
use crate::support::app::Served;
use crate::support::binary::command;
use crate::support::{Binary, TestApp};

/// A limit for tests that wait until it is reached.
const SHORT: Duration = Duration::from_millis(200);

async fn served(limits: Limits) -> (TestApp, Served) {
    let mut app = TestApp::start().await;
    let served = app.serve_with(limits).await;
    (app, served)
}

/// Sends bytes after which the server closes the connection. Returns everything that it sent.
async fn said(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let bytes = Raw::saying(address, bytes).await.until_closed(SOON).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

#[tokio::test]
async fn a_peer_that_does_not_say_enough_is_hung_up_on() {
    let (_app, served) = served(Limits { first_bytes: SHORT, header: 2 * SHORT, ..Limits::default() }).await;
    for (name, said) in [
        ("silent", ""),
        ("one byte", "G"),
        ("half an HTTP/2 preface", "PRI * HTTP/2"),
        ("an HTTP/2 preface but for its last byte", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"),
        ("half a request line", "GET /healthz HTTP/1.1"),
        ("half a head", "GET /healthz HTTP/1.1\r\nhost: localhost\r\naccept: "),
        ("a head but for its last byte", "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r"),
    ] {
        let begun = Instant::now();
        Raw::saying(served.address, said).await.until_closed(SOON).await;
        let took = begun.elapsed();
        assert!(took >= SHORT - Duration::from_millis(20) && took < 50 * SHORT, "{name}: {took:?}");
    }
    is_alive(served.address).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_answer() {
    let (_app, served) = served(Limits { header: SHORT, ..Limits::default() }).await;
    let mut raw = Raw::saying(served.address, "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(raw.answer().await.status, StatusCode::OK);
    assert_eq!(raw.until_closed(SOON).await, b"");
}

#[tokio::test]
async fn a_slow_head_does_not_hurry_the_body() {
    // The time limit of a head must not continue while a body is read.
    let (_app, served) = served(Limits { first_bytes: SHORT, header: SHORT, ..Limits::default() }).await;
    let (head, body) = post("/auth/login", "", &json!({ "email": "a@b.example", "password": "s3cur3pass" }));
    let mut slow = Raw::saying(served.address, head).await;
    // The server disconnects this client after the limit, so at least that time has passed.
    Raw::connect(served.address).await.until_closed(SOON).await;
    slow.send(body).await;
    assert_eq!(slow.answer().await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_body_that_never_ends_is_answered_all_the_same() {
    // The server uses the runtime of the test, whose time is paused below.
    let (_app, served) = served(Limits { threads: 0, ..Limits::default() }).await;
    let (head, _) = post("/auth/login", "expect: 100-continue\r\n", &json!({}));
    let mut stalled = Raw::saying(served.address, head).await;
    stalled.head().await.unwrap();
    stalled.send("{").await;
    // The limit is a constant that is too long for a test. From here on, time advances whenever all tasks are idle.
    tokio::time::pause();
    let answer = stalled.until_closed(Duration::from_secs(30)).await;
    assert_eq!(status(&String::from_utf8_lossy(&answer)), "408");
}

#[tokio::test]
async fn exactly_one_host_is_required_of_http_1_1() {
    let (_app, served) = served(Limits::default()).await;
    for (hosts, expected) in
        [("", "400"), ("host: a\r\nhost: b\r\n", "400"), ("host: a\r\nHost: a\r\n", "400"), ("host: a\r\n", "200")]
    {
        let request = format!("GET /healthz HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");
        assert_eq!(status(&said(served.address, request).await), expected, "{hosts:?}");
    }
    // HTTP/1.0 does not require a host.
    assert_eq!(status(&said(served.address, "GET /healthz HTTP/1.0\r\n\r\n").await), "200");
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_that_order() {
    let (_app, served) = served(Limits::default()).await;
    let (login, body) = post("/auth/login", "", &json!({ "email": "nobody@b.example", "password": "s3cur3pass" }));
    let pipeline = [
        "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n",
        &login,
        &body,
        "GET /nowhere HTTP/1.1\r\nhost: a\r\n\r\n",
        "HEAD /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ];
    let answer = said(served.address, pipeline.concat()).await;
    let statuses: Vec<_> = answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "400", "404", "200"]);
}

#[tokio::test]
async fn a_chunked_body_is_a_body() {
    let (_app, served) = served(Limits::default()).await;
    let head = "POST /api/auth/register HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let good = "c\r\n{\"username\":\r\n20\r\n\"alice\",\"password\":\"s3cur3pass\"}\r\n0\r\n\r\n";
    assert_eq!(status(&said(served.address, format!("{head}{good}")).await), "200");

    // Malformed chunks are refused or the connection is closed, and no account is registered.
    for bad in ["zz\r\n{}", "-1\r\n{}\r\n", "ffffffffffffffff0\r\n{}\r\n", "2 \t;\n{}\r\n", "2\r\n{}x"] {
        let answer = Raw::connect(served.address).await.flood(format!("{head}{bad}")).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(["400", "none"].contains(&status(&answer)), "{bad:?}: {answer}");
    }
    // A body that exceeds every limit, without a declared length.
    let endless = format!("{head}{}", format!("400\r\n{}\r\n", "x".repeat(1_024)).repeat(1_000));
    let answer = Raw::connect(served.address).await.flood(endless).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(["413", "none"].contains(&status(&answer)), "{answer}");
    is_alive(served.address).await;
}

#[tokio::test]
async fn who_asks_before_sending_a_body_is_told_to_go_on_or_not() {
    let (_app, served) = served(Limits::default()).await;
    let (head, body) =
        post("/auth/login", "expect: 100-continue\r\n", &json!({ "email": "a@b.example", "password": "s3cur3pass" }));
    let mut raw = Raw::saying(served.address, head).await;
    assert_eq!(raw.head().await.as_deref(), Some("HTTP/1.1 100 Continue\r\n\r\n"));
    raw.send(body).await;
    assert_eq!(raw.answer().await.status, StatusCode::BAD_REQUEST);

    let too_much = "POST /auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                    content-length: 1000000\r\nexpect: 100-continue\r\n\r\n";
    let mut raw = Raw::saying(served.address, too_much).await;
    assert_eq!(raw.answer().await.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(raw.until_closed(SOON).await, b"", "what follows is no request");
}

#[tokio::test]
async fn a_request_whose_end_is_in_doubt_is_not_followed_by_another() {
    let (_app, served) = served(Limits::default()).await;
    let hidden = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    for (name, framing, body) in [
        ("a length and chunks", "content-length: 4\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
        ("chunks and a length", "transfer-encoding: chunked\r\ncontent-length: 4\r\n", "0\r\n\r\n"),
        ("two lengths", "content-length: 2\r\ncontent-length: 3\r\n", "{}"),
        ("a list of lengths", "content-length: 2, 3\r\n", "{}"),
        ("a signed length", "content-length: +2\r\n", "{}"),
        ("a negative length", "content-length: -1\r\n", ""),
        ("a hexadecimal length", "content-length: 0x2\r\n", "{}"),
        ("a length beyond counting", "content-length: 99999999999999999999999\r\n", "{}"),
        ("chunks, but not last", "transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ("an unknown coding", "transfer-encoding: xchunked\r\n", "0\r\n\r\n"),
        ("chunks twice", "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", "0\r\n\r\n"),
        ("white space before the colon", "content-length : 2\r\n", "{}"),
        ("a folded header", "x: y\r\n content-length: 2\r\n", "{}"),
        ("a bare carriage return", "x: y\rcontent-length: 2\r\n", "{}"),
        ("a NUL in a header", "x: \0\r\n", ""),
    ] {
        let request = format!(
            "POST /auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{framing}\r\n{body}{hidden}"
        );
        let answer = Raw::connect(served.address).await.flood(request).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(!answer.contains("alive"), "{name}: {answer}");
        assert!(answer.is_empty() || status(&answer).starts_with('4'), "{name}: {answer}");
    }
    is_alive(served.address).await;
}

#[tokio::test]
async fn no_request_line_is_a_defect_of_ours() {
    let (_app, served) = served(Limits::default()).await;
    let long = format!("/{}", "a".repeat(15_000));
    let segments = "/a".repeat(5_000);
    for (line, expected) in [
        ("GET http://elsewhere.example/healthz", "200"),
        ("GET http://elsewhere.example", "404"),
        ("POST http://localhost/auth/login", "415"),
        ("OPTIONS *", "404"),
        ("CONNECT localhost:80", "404"),
        ("CONNECT /auth/login", "405"),
        ("TRACE /auth/login", "405"),
        ("PROPFIND /auth/login", "405"),
        ("BREW /", "404"),
        ("get /healthz", "405"),
        ("GET //auth/me", "404"),
        ("GET /auth//me", "404"),
        ("GET /auth/me/", "404"),
        ("GET /auth/login/..", "404"),
        ("GET /auth/../healthz", "404"),
        ("GET /./healthz", "404"),
        ("GET /%68ealthz", "404"),
        ("GET /healthz%00", "404"),
        ("GET /%", "404"),
        ("GET /%zz%ff", "404"),
        ("GET /healthz?", "200"),
        ("GET /healthz?a=%00&b[]=\u{7f}", "400"),
        ("GET /healthz#fragment", "200"),
        ("GET healthz", "404"),
        ("GET  /healthz", "400"),
        ("GET /healthz HTTP/1.1 ", "400"),
        ("GET /a.b/C", "405"),
        ("GET /\u{e4}", "404"),
        (&format!("GET {long}"), "404"),
        (&format!("GET {segments}"), "404"),
    ] {
        let request = format!("{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let answer = Raw::connect(served.address).await.flood(request).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(status(&answer), expected, "{}: {answer}", &line[..line.len().min(80)]);
    }
    is_alive(served.address).await;
}

#[tokio::test]
async fn a_connection_too_many_waits_until_one_leaves() {
    let (_app, served) = served(Limits { connections: 2, ..Limits::default() }).await;
    let request = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut first = Raw::saying(served.address, request).await;
    let mut second = Raw::saying(served.address, request).await;
    first.answer().await;
    second.answer().await;

    let mut third = Raw::saying(served.address, request).await;
    assert!(timeout(SHORT, third.take(1)).await.is_err(), "served beyond the limit");
    drop(first);
    assert_eq!(third.answer().await.status, StatusCode::OK);
    second.send(request).await;
    assert_eq!(second.answer().await.status, StatusCode::OK);
}

#[tokio::test]
async fn connections_that_are_aborted_before_they_are_served_do_no_harm() {
    let (_app, served) = served(Limits::default()).await;
    for _ in 0..200 {
        let stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
        // The client resets the connection instead of closing it.
        stream.set_zero_linger().unwrap();
    }
    is_alive(served.address).await;
}

#[tokio::test]
async fn a_server_that_ran_out_of_file_descriptors_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let settings = command(dir.path());
    let mut limited = std::process::Command::new("/bin/sh");
    limited.args(["-c", "ulimit -n 40 && exec \"$0\""]).arg(settings.get_program());
    limited.env_clear().envs(settings.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let binary = Binary::spawn(&mut limited);
    let mut crowd = Vec::new();
    for _ in 0..60 {
        crowd.push(Raw::connect(binary.address).await);
    }
    let mut one = crowd.remove(0);
    one.send("GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(one.answer().await.status, StatusCode::OK, "who is in is served");
    drop(crowd);
    is_alive(binary.address).await;
    // Another thread brings the log lines here.
    let said_so = async {
        while !binary.log.lock().unwrap().contains("\"event\":\"accept\"") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), said_so).await.expect("and it says so");
}
