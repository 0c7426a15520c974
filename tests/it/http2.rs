//! HTTP/2 on the one port, frame by frame: the announced limits, the peers that are disconnected, and the known floods.
//! A flood costs only its own connection.

use std::net::SocketAddr;
use std::time::Duration;

use countersign::server::Limits;

use crate::sockets::{Raw, SOON, is_alive};
use crate::support::TestApp;
use crate::support::app::Served;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A limit for tests that wait until it is reached.
const SHORT: Duration = Duration::from_millis(200);

// RFC 9113, sections 6 and 7.
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;
pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

/// A head with only `:status: 431` in HPACK: the name by its index, the digits in the Huffman code.
pub const STATUS_431: &[u8] = &[0x48, 0x83, 0x69, 0x90, 0xff];

/// `:status: 400` and `:status: 404` as entries of HPACK's static table.
const STATUS_400_OR_404: [u8; 2] = [0x80 | 12, 0x80 | 13];

#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

pub fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// A header that is not compressed (RFC 7541 section 6.2). `first` selects whether the receiver adds it to its table.
pub fn header(first: u8, name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![first];
    for text in [name, value] {
        match text.len() {
            length @ ..127 => bytes.push(u8::try_from(length).unwrap()),
            length => {
                bytes.push(127);
                let mut rest = length - 127;
                while rest >= 128 {
                    bytes.push(u8::try_from(rest % 128).unwrap() | 128);
                    rest /= 128;
                }
                bytes.push(u8::try_from(rest).unwrap());
            }
        }
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// The head of a login in the email dialect. The answer needs the body.
pub fn login_head() -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/auth/login"),
        ("content-type", "application/json"),
    ];
    fields.iter().flat_map(|(name, value)| header(0, name, value)).collect()
}

/// The first frame of some kind among these bytes.
fn find(mut heard: &[u8], kind: u8) -> Option<Frame> {
    while heard.len() >= 9 {
        let end = (9 + number(&heard[..3]) as usize).min(heard.len());
        if heard[3] == kind {
            let stream = number(&heard[5..9]);
            return Some(Frame { kind, flags: heard[4], stream, payload: heard[9..end].to_vec() });
        }
        heard = &heard[end..];
    }
    None
}

/// Waits for a frame of one of these kinds. Acknowledges every ping on the way, unless the caller waits for pings.
pub async fn next<const N: usize>(raw: &mut Raw, kinds: [u8; N]) -> Option<Frame> {
    loop {
        let head = raw.take(9).await?;
        let payload = raw.take(number(&head[..3]) as usize).await?;
        let found = Frame { kind: head[3], flags: head[4], stream: number(&head[5..]), payload };
        if kinds.contains(&found.kind) {
            return Some(found);
        }
        if (found.kind, found.flags) == (PING, 0) && !raw.try_send(frame(PING, ACK, 0, found.payload)).await {
            return None;
        }
    }
}

/// A connection on which both ends have exchanged their settings.
pub async fn connect(address: SocketAddr) -> Raw {
    let mut raw = Raw::saying(address, [PREFACE, &frame(SETTINGS, 0, 0, [])].concat()).await;
    next(&mut raw, [SETTINGS]).await.expect("the server's settings");
    raw.send(frame(SETTINGS, ACK, 0, [])).await;
    raw
}

async fn served(limits: Limits) -> (TestApp, Served) {
    let mut app = TestApp::start().await;
    let served = app.serve_with(limits).await;
    (app, served)
}

/// Sends all of `flood`. The server must say GOAWAY or disconnect this peer, and must still serve others.
async fn is_cut_off(served: &Served, name: &str, flood: Vec<u8>) {
    let heard = connect(served.address).await.flood(flood).await;
    if let Some(goaway) = find(&heard, GOAWAY) {
        assert_ne!(number(&goaway.payload[4..8]), 0, "{name}: not a polite goodbye");
    }
    is_alive(served.address).await;
}

#[tokio::test]
async fn the_limits_are_announced() {
    let (_app, served) = served(Limits::default()).await;
    let mut raw = Raw::saying(served.address, [PREFACE, &frame(SETTINGS, 0, 0, [])].concat()).await;
    let settings = next(&mut raw, [SETTINGS]).await.unwrap().payload;
    let of = |id: u32| settings.chunks(6).find(|pair| number(&pair[..2]) == id).map(|pair| number(&pair[2..]));
    assert_eq!(of(3), Some(200), "SETTINGS_MAX_CONCURRENT_STREAMS");
    assert_eq!(of(4), Some(65_536), "SETTINGS_INITIAL_WINDOW_SIZE");
    assert_eq!(of(6), Some(65_536), "SETTINGS_MAX_HEADER_LIST_SIZE");
}

#[tokio::test]
async fn a_call_beyond_the_announced_number_is_refused_and_the_others_go_on() {
    let (_app, served) = served(Limits { streams: 3, ..Limits::default() }).await;
    let mut raw = connect(served.address).await;
    for stream in [1, 3, 5, 7] {
        raw.send(frame(HEADERS, END_HEADERS, stream, login_head())).await;
    }
    let reset = next(&mut raw, [RST_STREAM]).await.unwrap();
    assert_eq!((reset.stream, number(&reset.payload)), (7, REFUSED_STREAM));
    raw.send(frame(DATA, END_STREAM, 3, "{}")).await;
    assert_eq!(next(&mut raw, [HEADERS]).await.unwrap().stream, 3);
}

#[tokio::test]
async fn a_peer_that_leaves_pings_unanswered_is_hung_up_on() {
    let (_app, served) = served(Limits { ping: SHORT, pong: SHORT, ..Limits::default() }).await;
    let settings = frame(SETTINGS, 0, 0, []);
    let call = frame(HEADERS, END_HEADERS, 1, login_head());
    for (name, said) in [
        ("silent after the preface", PREFACE.to_vec()),
        ("silent after its settings", [PREFACE, &settings].concat()),
        ("silent within a frame", [PREFACE, &settings[..5]].concat()),
        ("silent within a call", [PREFACE, &settings, &call].concat()),
    ] {
        let heard = Raw::saying(served.address, said).await.until_closed(SOON).await;
        assert!(find(&heard, PING).is_some(), "{name}");
    }

    // A peer that answers pings stays connected for longer than both limits.
    let mut raw = connect(served.address).await;
    for _ in 0..4 {
        let ping = next(&mut raw, [PING]).await.expect("another ping");
        raw.send(frame(PING, ACK, 0, ping.payload)).await;
    }
}

#[tokio::test]
async fn an_old_connection_is_asked_to_end_and_its_call_is_answered() {
    let (_app, served) = served(Limits { age: SHORT, ..Limits::default() }).await;
    let mut raw = connect(served.address).await;
    raw.send(frame(HEADERS, END_HEADERS, 1, login_head())).await;
    let goaway = next(&mut raw, [GOAWAY]).await.unwrap();
    assert_eq!(number(&goaway.payload[4..8]), 0, "without an error");
    raw.send(frame(DATA, END_STREAM, 1, "{}")).await;
    assert_eq!(next(&mut raw, [HEADERS]).await.unwrap().stream, 1);
    assert!(next(&mut raw, [PING]).await.is_none(), "and then it is closed");
}

#[tokio::test]
async fn rapid_resets_are_cut_off() {
    let (_app, served) = served(Limits::default()).await;
    let call = |stream| {
        [
            frame(HEADERS, END_HEADERS | END_STREAM, stream, login_head()),
            frame(RST_STREAM, 0, stream, CANCEL.to_be_bytes()),
        ]
        .concat()
    };
    let flood: Vec<u8> = (0..20_000).flat_map(|index| call(2 * index + 1)).collect();
    let heard = connect(served.address).await.flood(flood).await;
    let goaway = find(&heard, GOAWAY).expect("told why");
    assert_eq!(number(&goaway.payload[4..8]), ENHANCE_YOUR_CALM);
    is_alive(served.address).await;
}

#[tokio::test]
async fn floods_are_cut_off() {
    let (_app, served) = served(Limits::default()).await;
    let open = frame(HEADERS, END_HEADERS, 1, login_head());

    let continuation = frame(CONTINUATION, 0, 1, header(0, "x", "y"));
    is_cut_off(&served, "CONTINUATION", [frame(HEADERS, 0, 1, login_head()), continuation.repeat(50_000)].concat())
        .await;
    let nothing = frame(CONTINUATION, 0, 1, []);
    is_cut_off(&served, "empty CONTINUATION", [frame(HEADERS, 0, 1, login_head()), nothing.repeat(50_000)].concat())
        .await;
    is_cut_off(&served, "empty DATA", [open, frame(DATA, 0, 1, []).repeat(200_000)].concat()).await;
}

#[tokio::test]
async fn a_compressed_head_is_judged_by_its_real_size() {
    let (_app, served) = served(Limits::default()).await;
    // Adds an entry of 4,000 bytes to the table, and then refers to it ten thousand times with one byte each. Entry 62
    // is the newest.
    let head = [login_head(), header(0x40, "x", &"y".repeat(4_000)), vec![0x80 | 62; 10_000]].concat();
    let mut raw = connect(served.address).await;
    raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, head)).await;
    let answer = next(&mut raw, [HEADERS]).await;
    assert!(answer.as_ref().is_none_or(|answer| answer.payload == STATUS_431), "{answer:?}");
    is_alive(served.address).await;
}

#[tokio::test]
async fn nonsense_costs_its_own_connection() {
    let (_app, served) = served(Limits::default()).await;
    for (name, nonsense) in [
        ("a frame larger than allowed", frame(DATA, 0, 1, [0; 20_000])),
        ("DATA on no stream", frame(DATA, 0, 0, "x")),
        ("DATA on an idle stream", frame(DATA, 0, 5, "x")),
        ("HEADERS on an even stream", frame(HEADERS, END_HEADERS, 2, login_head())),
        ("a header block that is none", frame(HEADERS, END_HEADERS, 1, [0xff; 40])),
        ("a table beyond its size", frame(HEADERS, END_HEADERS, 1, [0x3f, 0xff, 0xff, 0xff, 0x07])),
        ("PUSH_PROMISE from a client", frame(5, END_HEADERS, 1, [0, 0, 0, 2])),
        ("SETTINGS of half a setting", frame(SETTINGS, 0, 0, [0, 3, 0])),
        ("a window of more than 2^31", frame(SETTINGS, 0, 0, [0, 4, 0xff, 0xff, 0xff, 0xff])),
        ("WINDOW_UPDATE by nothing", frame(8, 0, 0, [0; 4])),
        ("HEADERS within HEADERS", [frame(HEADERS, 0, 1, []), frame(HEADERS, 4, 3, login_head())].concat()),
    ] {
        is_cut_off(&served, name, nonsense).await;
    }
}

#[tokio::test]
async fn a_malformed_head_is_never_a_call() {
    let (_app, served) = served(Limits::default()).await;
    let heads: [&[(&str, &str)]; 7] = [
        &[(":method", "GET"), (":scheme", "http")],
        &[(":method", "GET"), (":scheme", "http"), (":path", "")],
        &[(":method", "GET"), (":scheme", "http"), (":path", "/healthz"), (":path", "/")],
        &[(":method", "GET"), (":scheme", "http"), (":path", "/healthz"), ("Upper", "case")],
        &[(":method", "GET"), (":scheme", "http"), (":path", "/healthz"), ("connection", "close")],
        &[(":method", "GET"), (":scheme", "http"), (":path", "/healthz"), ("transfer-encoding", "chunked")],
        &[("late", "pseudo"), (":method", "GET"), (":scheme", "http"), (":path", "/healthz")],
    ];
    for fields in heads {
        let head: Vec<u8> = fields.iter().flat_map(|(name, value)| header(0, name, value)).collect();
        let mut raw = connect(served.address).await;
        raw.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, head)).await;
        let answer = next(&mut raw, [RST_STREAM, HEADERS, GOAWAY]).await;
        let called = |answer: &Frame| answer.kind == HEADERS && !STATUS_400_OR_404.contains(&answer.payload[0]);
        assert!(!answer.as_ref().is_some_and(called), "{fields:?}: {answer:?}");
    }
    is_alive(served.address).await;
}

#[tokio::test]
async fn a_connection_outlives_a_thousand_calls_that_are_refused_before_their_message_comes() {
    let (_app, served) = served(Limits::default()).await;
    let mut raw = connect(served.address).await;
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/countersign.v1.AuthService/Me"),
        ("content-type", "application/grpc"),
    ];
    let head: Vec<u8> = fields.iter().flat_map(|(name, value)| header(0, name, value)).collect();
    let mut message = Vec::new();
    for call in 0..1_000 {
        let stream = 2 * call + 1;
        raw.send([message, frame(HEADERS, END_HEADERS, stream, &head)].concat()).await;
        let answer = next(&mut raw, [HEADERS, GOAWAY]).await.map(|answer| (answer.kind, answer.stream));
        assert_eq!(answer, Some((HEADERS, stream)), "call {call}");
        message = [frame(DATA, 0, stream, [0; 5]), frame(DATA, END_STREAM, stream, [])].concat();
    }
}
