//! The memory that clients make a server hold. A real server is driven to its limits, and its memory is compared with
//! the formula of the documentation: each kind by itself, and all together.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use crate::http2::{self, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, frame, header};
use crate::metrics::{gauge, metrics_of};
use crate::sockets::Raw;
use crate::support::{Binary, SECRET, binary};
use crate::wire::eventually;

/// Connections, calls and streams of each kind.
const MANY: usize = 200;

/// The terms of the formula, in KiB: what one connection, call and stream may take.
const CONNECTION: usize = 128;
const CALL: usize = 40;
const STREAM: usize = 128;

/// The limit of bytes of bodies, which may take a quarter more, and the memory of everything else.
const BODIES: usize = 4_096;
const REST: usize = 128 * 1_024;

/// The memory of a hash with the usual parameters.
const HASH: usize = 19_456;

/// Longer than any of this takes on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// The memory of a process that is no file, in KiB.
fn anonymous(server: &Binary) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// The head of a gRPC call, with a header of so many bytes that nobody reads.
fn head(path: &str, filler: usize) -> Vec<u8> {
    let filler = "x".repeat(filler);
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "a"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("filler", &filler),
    ];
    fields.iter().flat_map(|(name, value)| header(0, name, value)).collect()
}

/// A connection with most of a request's head.
async fn half_a_head(address: SocketAddr) -> Raw {
    Raw::saying(address, format!("POST /auth/login HTTP/1.1\r\nhost: a\r\nfiller: {}", "x".repeat(15_000))).await
}

/// The same over HTTP/2, with four times as many bytes in several frames, the last of which is incomplete.
async fn half_a_head_of_http2(address: SocketAddr) -> Raw {
    let mut raw = http2::connect(address).await;
    let filler = header(0, "filler", &"x".repeat(15_000));
    raw.send(frame(HEADERS, 0, 1, &filler)).await;
    for _ in 0..3 {
        raw.send(frame(CONTINUATION, 0, 1, &filler)).await;
    }
    raw.send(&frame(CONTINUATION, 0, 1, &filler)[..10_000]).await;
    raw
}

/// A call that anybody may make, without the end of its message, of which so many bytes were sent.
async fn call(address: SocketAddr, sent: usize) -> Raw {
    let mut raw = http2::connect(address).await;
    raw.send(frame(HEADERS, END_HEADERS, 1, head("/countersign.v1.AuthService/ResetPassword", 15_000))).await;
    let message = [&[0, 0, 0, 0xfd, 0xe8][..], &[b'x'; 64_000]].concat();
    for part in message[..sent].chunks(16_000) {
        raw.send(frame(DATA, 0, 1, part)).await;
    }
    raw
}

/// A stream of health.
async fn stream(address: SocketAddr) -> Raw {
    let mut raw = http2::connect(address).await;
    raw.send(frame(HEADERS, END_HEADERS, 1, head("/grpc.health.v1.Health/Watch", 15_000))).await;
    raw.send(frame(DATA, END_STREAM, 1, [0; 5])).await;
    raw
}

#[tokio::test]
async fn a_server_at_its_limits_takes_no_more_memory_than_the_documented_formula_says() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("JWT_SECRET", SECRET),
        ("METRICS_ADDR", "127.0.0.1:0"),
        ("MAX_BODY_BYTES", "4MiB"),
        ("HASH_THREADS", "1"),
        ("MAX_CONNECTIONS", "2000"),
        ("MAX_CALLS", "400"),
    ];
    let server = Binary::spawn(binary::command(dir.path()).envs(settings));
    let (address, told_at) = (server.address, metrics_of(&server));
    let mut kept = vec![http2::connect(address).await];
    let mut last = anonymous(&server);
    // Each kind, with the most and the least that it takes: less would show that the server holds nothing.
    for (kind, most, least) in [
        ("connections", CONNECTION, 8),
        ("half heads", CONNECTION, 16),
        ("half heads of HTTP/2", CONNECTION, 60),
        ("calls", CONNECTION + CALL, 24),
        ("streams", CONNECTION + STREAM, 16),
        ("bodies", CONNECTION + CALL + BODIES * 5 / 4 / MANY, 30),
    ] {
        for _ in 0..MANY {
            kept.push(match kind {
                "connections" => http2::connect(address).await,
                "half heads" => half_a_head(address).await,
                "half heads of HTTP/2" => half_a_head_of_http2(address).await,
                "calls" => call(address, 0).await,
                "streams" => stream(address).await,
                _ => call(address, 48_000).await,
            });
        }
        let grown = async || anonymous(&server) >= last + least * MANY;
        assert!(eventually(SOON, grown).await, "{kind}: {} KiB each", anonymous(&server).abs_diff(last) / MANY);
        let now = anonymous(&server);
        assert!(now <= last + most * MANY, "{kind}: {} KiB each", (now - last) / MANY);
        last = now;
    }
    let is_full = async || {
        gauge(told_at, "countersign_connections").await == kept.len()
            && gauge(told_at, "countersign_streams").await == MANY
            && gauge(told_at, "countersign_calls").await > MANY
            && gauge(told_at, "countersign_body_bytes").await > BODIES * 1_024 * 9 / 10
    };
    assert!(eventually(SOON, is_full).await);
    assert!(gauge(told_at, "countersign_body_bytes").await <= BODIES * 1_024);
    let formula = REST + HASH + CONNECTION * kept.len() + CALL * 2 * MANY + STREAM * MANY + BODIES * 5 / 4;
    assert!(anonymous(&server) <= formula, "{} KiB", anonymous(&server));

    let documented = format!(
        "memory ≤ 128 MiB + HASH_THREADS × memory of a hash\n       + connections × {CONNECTION} KiB + calls × {CALL} \
         KiB + streams × {STREAM} KiB\n       + MAX_BODY_BYTES × 1.25"
    );
    assert!(fs::read_to_string("docs/limits.md").unwrap().contains(&documented), "{documented}");
}
