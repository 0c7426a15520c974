//! Requests as bytes. They are encoded once before the measurement, so sending one is a copy and, over HTTP/2, two
//! stream ids. Separate from the connection because it runs before the measurement.

use countersign::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use countersign::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use countersign::pb::{LoginRequest, MeRequest, login_request};
use prost::Message;

/// The protocol by which a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC over HTTP/2 without TLS, with concurrent calls.
    Grpc,
    /// HTTP/1.1 with keep-alive, one request at a time.
    Http1,
    /// HTTP/2 without TLS and without gRPC.
    Http2,
}

/// One request in its encoded form.
pub struct Call {
    pub protocol: Protocol,
    bytes: Vec<u8>,
    /// The places of the stream id in its two frames. Unused in HTTP/1.1.
    ids: [usize; 2],
}

/// The first bytes of a client: the preface, empty settings, and a window of 2 GiB for answers.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
    \0\0\0\x04\0\0\0\0\0\
    \0\0\x04\x08\0\0\0\0\0\x7f\xff\0\0";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;

/// `:status: 200` by its index (RFC 7541, appendix A), which is the first byte of a good head.
pub const STATUS_200: u8 = 0x88;

/// A flag of DATA and HEADERS frames.
pub const END_STREAM: u8 = 1;
/// A flag of SETTINGS and PING frames.
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

impl Call {
    /// A `Me` call over gRPC.
    pub fn me(token: &str) -> Self {
        Self::grpc("/countersign.v1.AuthService/Me", &[("token", token)], &MeRequest {})
    }

    /// The question of Envoy about a request of a browser with this token.
    pub fn check(token: &str) -> Self {
        let headers = [
            (":authority", "app.example.com"),
            (":method", "GET"),
            (":path", "/accounts?page=2"),
            (":scheme", "https"),
            ("accept", "application/json, text/plain, */*"),
            ("accept-encoding", "gzip, deflate, br, zstd"),
            ("accept-language", "en-GB,en;q=0.9"),
            ("origin", "https://app.example.com"),
            ("token", token),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0.0.0 Safari/537.36"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "https"),
            ("x-request-id", "c2a8f9b0-0000-4000-8000-000000000000"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let http = HttpRequest { method: "GET".to_owned(), headers, ..HttpRequest::default() };
        let request = Some(Request { http: Some(http) });
        let context_extensions = [("policy".to_owned(), "account".to_owned())].into();
        let question = CheckRequest { attributes: Some(AttributeContext { request, context_extensions }) };
        Self::grpc("/envoy.service.auth.v3.Authorization/Check", &[], &question)
    }

    /// A `Login` call of a username over gRPC.
    pub fn login(username: &str, password: &str) -> Self {
        Self::login_with(username, password, &[])
    }

    /// The login as a trusted proxy forwards it for this address.
    pub fn login_from(address: &str, username: &str, password: &str) -> Self {
        Self::login_with(username, password, &[("x-forwarded-for", address)])
    }

    fn login_with(username: &str, password: &str, headers: &[(&str, &str)]) -> Self {
        let handle = Some(login_request::Handle::Username(username.to_owned()));
        let message = LoginRequest { handle, password: password.to_owned(), device: String::new() };
        Self::grpc("/countersign.v1.AuthService/Login", headers, &message)
    }

    /// The head of `Login`, and the first byte of its body, the flag for no compression. The length and the message
    /// follow.
    pub fn login_head() -> (Vec<u8>, Vec<u8>) {
        let headers = [("content-type", "application/grpc"), ("te", "trailers")];
        (head(0x83, "/countersign.v1.AuthService/Login", &headers), vec![0])
    }

    /// A `GET` request over HTTP/1.1.
    pub fn get(path: &str, token: &str) -> Self {
        let text = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\ntoken: {token}\r\n\r\n");
        Self { protocol: Protocol::Http1, bytes: text.into_bytes(), ids: [0; 2] }
    }

    /// `POST /api/auth/login` over HTTP/1.1. Its status tells one refusal from another.
    pub fn post_login(username: &str, password: &str) -> Self {
        let body = format!("{{\"username\":\"{username}\",\"password\":\"{password}\"}}");
        let head = "POST /api/auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json";
        let text = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        Self { protocol: Protocol::Http1, bytes: text.into_bytes(), ids: [0; 2] }
    }

    /// A `GET /v1/me` request over HTTP/2.
    pub fn rest_me(token: &str) -> Self {
        let mut bytes = Vec::new();
        // `:method: GET`, RFC 7541, appendix A.
        frame(&mut bytes, HEADERS, END_HEADERS | END_STREAM, &head(0x82, "/v1/me", &[("token", token)]));
        Self { protocol: Protocol::Http2, bytes, ids: [5; 2] }
    }

    /// A `POST /v1/sessions:login` request over HTTP/2.
    pub fn rest_login(username: &str, password: &str) -> Self {
        let body = format!("{{\"username\":\"{username}\",\"password\":\"{password}\"}}");
        let head = head(0x83, "/v1/sessions:login", &[("content-type", "application/json")]);
        Self::of(Protocol::Http2, &head, body.as_bytes())
    }

    fn grpc(path: &str, headers: &[(&str, &str)], message: &impl Message) -> Self {
        let headers = [&[("content-type", "application/grpc"), ("te", "trailers")], headers].concat();
        let mut data = vec![0];
        data.extend((message.encoded_len() as u32).to_be_bytes());
        data.extend(message.encode_to_vec());
        Self::of(Protocol::Grpc, &head(0x83, path, &headers), &data)
    }

    /// A call with a head and a body.
    fn of(protocol: Protocol, head: &[u8], data: &[u8]) -> Self {
        let mut bytes = Vec::new();
        frame(&mut bytes, HEADERS, END_HEADERS, head);
        let second = bytes.len();
        frame(&mut bytes, DATA, END_STREAM, data);
        Self { protocol, bytes, ids: [5, second + 5] }
    }

    /// Appends the call to the bytes that are to be sent.
    pub fn write(&self, stream: u32, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&self.bytes);
        if self.protocol != Protocol::Http1 {
            for at in self.ids {
                out[begin + at..begin + at + 4].copy_from_slice(&stream.to_be_bytes());
            }
        }
    }
}

/// A frame of the connection, or of a stream whose id is filled in later.
pub fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags, 0, 0, 0, 0]);
    out.extend_from_slice(payload);
}

/// A frame that does not end its stream.
pub fn stream_frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(9 + payload.len());
    frame(&mut bytes, kind, if kind == HEADERS { END_HEADERS } else { 0 }, payload);
    bytes[5..9].copy_from_slice(&stream.to_be_bytes());
    bytes
}

/// A header block (RFC 7541, appendix A): the method and `:scheme: http` by their index, names by index or as text.
/// Nothing is added to the peer's table, so every request has the same bytes.
fn head(method: u8, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut head = vec![method, 0x86, 0x04];
    text(&mut head, path);
    head.push(0x01); // :authority
    text(&mut head, "localhost");
    for (name, value) in headers {
        if *name == "content-type" {
            head.extend([0x0f, 0x10]);
        } else {
            head.push(0);
            text(&mut head, name);
        }
        text(&mut head, value);
    }
    head
}

/// A string literal, not Huffman-coded (RFC 7541 section 5.2).
fn text(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.len();
    if rest < 127 {
        out.push(rest as u8);
    } else {
        out.push(127);
        rest -= 127;
        while rest >= 128 {
            out.push((rest % 128) as u8 | 0x80);
            rest /= 128;
        }
        out.push(rest as u8);
    }
    out.extend_from_slice(text.as_bytes());
}
