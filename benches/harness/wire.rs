//! Requests as the bytes that travel: encoded once, before anything is measured, so that sending one is a copy and,
//! over HTTP/2, two stream ids. Apart from the connection because it runs before the clock does.

use countersign::pb::{LoginRequest, MeRequest, login_request};
use prost::Message;

/// Which of the two protocols a call is made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC over HTTP/2 without TLS, any number of calls at a time.
    Grpc,
    /// HTTP/1.1 kept alive, one request at a time.
    Http1,
    /// HTTP/2 without TLS, without gRPC.
    Http2,
}

/// One request.
pub struct Call {
    pub protocol: Protocol,
    bytes: Vec<u8>,
    /// Where its two frames have their stream's id; nowhere in HTTP/1.1.
    ids: [usize; 2],
}

/// What a client says first: the preface, empty settings, and room for 2 GiB of answers.
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

/// `:status: 200`, indexed (RFC 7541, appendix A), which servers say first.
pub const STATUS_200: u8 = 0x88;

/// Of DATA and HEADERS.
pub const END_STREAM: u8 = 1;
/// Of SETTINGS and PING.
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

impl Call {
    /// `Me`.
    pub fn me(token: &str) -> Self {
        Self::grpc("/countersign.v1.AuthService/Me", &[("token", token)], &MeRequest {})
    }

    /// `Login` of a username.
    pub fn login(username: &str, password: &str) -> Self {
        Self::login_with(username, password, &[])
    }

    /// The same, as a proxy passes it on for this address.
    pub fn login_from(address: &str, username: &str, password: &str) -> Self {
        Self::login_with(username, password, &[("x-forwarded-for", address)])
    }

    fn login_with(username: &str, password: &str, headers: &[(&str, &str)]) -> Self {
        let handle = Some(login_request::Handle::Username(username.to_owned()));
        let message = LoginRequest { handle, password: password.to_owned(), device: String::new() };
        Self::grpc("/countersign.v1.AuthService/Login", headers, &message)
    }

    /// The head of `Login`, and how its body begins: not compressed, and then its length and its bytes.
    pub fn login_head() -> (Vec<u8>, Vec<u8>) {
        let headers = [("content-type", "application/grpc"), ("te", "trailers")];
        (head(0x83, "/countersign.v1.AuthService/Login", &headers), vec![0])
    }

    /// `GET` over HTTP/1.1.
    pub fn get(path: &str, token: &str) -> Self {
        let text = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\ntoken: {token}\r\n\r\n");
        Self { protocol: Protocol::Http1, bytes: text.into_bytes(), ids: [0; 2] }
    }

    /// `POST /api/auth/login` over HTTP/1.1, whose status tells one refusal from another.
    pub fn post_login(username: &str, password: &str) -> Self {
        let body = format!("{{\"username\":\"{username}\",\"password\":\"{password}\"}}");
        let head = "POST /api/auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json";
        let text = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        Self { protocol: Protocol::Http1, bytes: text.into_bytes(), ids: [0; 2] }
    }

    /// `GET /v1/me` over HTTP/2.
    pub fn rest_me(token: &str) -> Self {
        let mut bytes = Vec::new();
        // `:method: GET`, RFC 7541, appendix A.
        frame(&mut bytes, HEADERS, END_HEADERS | END_STREAM, &head(0x82, "/v1/me", &[("token", token)]));
        Self { protocol: Protocol::Http2, bytes, ids: [5; 2] }
    }

    /// `POST /v1/sessions:login` over HTTP/2.
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

    /// A head and a body.
    fn of(protocol: Protocol, head: &[u8], data: &[u8]) -> Self {
        let mut bytes = Vec::new();
        frame(&mut bytes, HEADERS, END_HEADERS, head);
        let second = bytes.len();
        frame(&mut bytes, DATA, END_STREAM, data);
        Self { protocol, bytes, ids: [5, second + 5] }
    }

    /// Puts it behind what is to be sent.
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

/// A frame of the connection, or of a stream whose id is yet to come.
pub fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, payload: &[u8]) {
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags, 0, 0, 0, 0]);
    out.extend_from_slice(payload);
}

/// A frame of a stream that goes on.
pub fn stream_frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(9 + payload.len());
    frame(&mut bytes, kind, if kind == HEADERS { END_HEADERS } else { 0 }, payload);
    bytes[5..9].copy_from_slice(&stream.to_be_bytes());
    bytes
}

/// RFC 7541, appendix A: the method and `:scheme: http` by their index, names by theirs or in letters. No value is put
/// into the peer's table, so that every request is the same bytes whatever went before it.
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
