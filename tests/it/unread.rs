//! Peers that do not read what they are sent. Each of them is dropped after a time, wherever it stops reading, and no
//! other peer is.

use std::time::{Duration, Instant};

use countersign::server::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http2::{ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, SETTINGS, frame, header, next};
use crate::sockets::{Raw, SOON, is_alive};
use crate::support::TestApp;
use crate::support::app::Served;
use crate::support::tls::{Authority, Files, connect};

const SHORT: Duration = Duration::from_millis(200);

/// A request whose answer has half a megabyte.
const LARGE: &str = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Limits that are reached soon. Pings show that time passes, and do not count as reading.
fn impatient() -> Limits {
    Limits { unread: 2 * SHORT, ping: SHORT, pong: SOON, ..Limits::default() }
}

async fn served(limits: Limits) -> (TestApp, Served) {
    let mut app = TestApp::start().await;
    let served = app.serve_with(limits).await;
    (app, served)
}

/// A call of `path` over HTTP/2, by a peer whose streams have a window of `window` bytes.
async fn call(served: &Served, path: &str, window: u32) -> Raw {
    let window = [&[0, 4][..], &window.to_be_bytes()].concat();
    let mut raw = Raw::saying(served.address, [PREFACE, &frame(SETTINGS, 0, 0, window)].concat()).await;
    next(&mut raw, [SETTINGS]).await.expect("the server's settings");
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)];
    let head: Vec<u8> = fields.iter().flat_map(|(name, value)| header(0, name, value)).collect();
    raw.send([frame(SETTINGS, ACK, 0, []), frame(HEADERS, END_HEADERS | END_STREAM, 1, head)].concat()).await;
    raw
}

/// Whether the peer closes the connection in time. Every ping is answered meanwhile.
async fn is_dropped(mut raw: Raw) -> bool {
    let until_the_end = async { while next(&mut raw, [DATA, HEADERS]).await.is_some() {} };
    timeout(SOON, until_the_end).await.is_ok()
}

#[tokio::test]
async fn a_peer_that_opens_no_window_is_dropped_although_it_answers_pings() {
    let (_app, served) = served(impatient()).await;
    for (name, path, window) in [
        ("none at all", "/healthz", 0),
        ("one byte", "/healthz", 1),
        ("none of a large answer", "/docs/swagger-ui-bundle.js", 0),
        ("a part of a large answer", "/docs/swagger-ui-bundle.js", 100_000),
    ] {
        assert!(is_dropped(call(&served, path, window).await).await, "{name}");
    }
    is_alive(served.address).await;
}

#[tokio::test]
async fn a_peer_that_takes_a_little_at_a_time_is_not_hurried() {
    let (_app, served) = served(impatient()).await;
    let mut raw = call(&served, "/nowhere", 0).await;
    assert_eq!(next(&mut raw, [HEADERS]).await.unwrap().stream, 1);
    let begun = Instant::now();
    let mut body = Vec::new();
    // Reads a few bytes at each ping, up to the end.
    loop {
        let update = frame(8, 0, 1, 8_u32.to_be_bytes());
        match next(&mut raw, [PING, DATA]).await.expect("it is not dropped") {
            ping if ping.kind == PING => {
                raw.send([frame(PING, ACK, 0, ping.payload), update].concat()).await;
            }
            data => {
                body.extend(data.payload);
                if data.flags & END_STREAM != 0 {
                    break;
                }
            }
        }
    }
    assert!(begun.elapsed() > 3 * impatient().unread && body.len() > 60, "{:?}: {}", begun.elapsed(), body.len());
}

#[tokio::test]
async fn a_stream_that_has_nothing_to_say_is_not_an_unread_one() {
    let (_app, served) = served(impatient()).await;
    let mut raw = call(&served, "/healthz", 65_535).await;
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/grpc.health.v1.Health/Watch"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let head: Vec<u8> = fields.iter().flat_map(|(name, value)| header(0, name, value)).collect();
    raw.send([frame(HEADERS, END_HEADERS, 3, head), frame(DATA, END_STREAM, 3, [0; 5])].concat()).await;
    for _ in 0..8 {
        let ping = next(&mut raw, [PING]).await.expect("it is not dropped");
        raw.send(frame(PING, ACK, 0, ping.payload)).await;
    }
}

/// Asks for more than any socket buffer holds, and reads nothing.
async fn ask_for_too_much(address: std::net::SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(LARGE.repeat(200).as_bytes()).await.unwrap();
    stream
}

/// Whether the connection is reset although the client has read nothing.
async fn is_reset(stream: &TcpStream) -> bool {
    timeout(SOON, stream.ready(Interest::ERROR)).await.is_ok()
}

#[tokio::test]
async fn a_pipeline_whose_answers_nobody_reads_is_dropped() {
    let (_app, served) = served(impatient()).await;
    let mut unread = ask_for_too_much(served.address).await;
    assert!(is_reset(&unread).await);
    let mut read = Vec::new();
    let _ = unread.read_to_end(&mut read).await;
    assert!(read.len() < 50_000_000, "it was stopped on the way");
    is_alive(served.address).await;
}

#[tokio::test]
async fn under_tls_a_pipeline_whose_answers_nobody_reads_is_dropped() {
    let (authority, dir) = (Authority::new(), tempfile::tempdir().unwrap());
    let flags = Files::write(dir.path(), &authority.sign()).flags();
    let mut app = TestApp::with(&flags.each_ref().map(String::as_str)).await;
    let served = app.serve_with(impatient()).await;
    let mut stream = connect(served.address, &authority.client()).await.unwrap();
    stream.write_all(LARGE.repeat(200).as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    assert!(is_reset(stream.get_ref().0).await);
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_whoever_reads_nothing() {
    let (_app, served) = served(Limits { ping: SHORT, pong: SOON, ..Limits::default() }).await;
    let _window = call(&served, "/healthz", 0).await;
    let pipeline = ask_for_too_much(served.address).await;
    // The first bytes have arrived, so the answer is being sent.
    pipeline.readable().await.unwrap();
    let begun = Instant::now();
    timeout(SOON, served.stop()).await.unwrap();
    assert!(begun.elapsed() < Limits::default().drain / 2, "{:?}", begun.elapsed());
}
