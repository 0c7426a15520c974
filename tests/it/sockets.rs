//! Raw connections, for requests that no correct client sends: bytes out, bytes in, and whether the peer closed the
//! connection.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::Answer;
use crate::support::http::call;

/// Longer than any answer takes on a busy machine, and short enough for a failing test.
pub const SOON: Duration = Duration::from_secs(10);

/// A connection that sends bytes as they are.
pub struct Raw {
    stream: TcpStream,
    /// Bytes that were read and not taken yet.
    pending: Vec<u8>,
}

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::from(TcpStream::connect(address).await.unwrap())
    }

    /// A connection on which these bytes were sent.
    pub async fn saying(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Self {
        let mut raw = Self::connect(address).await;
        raw.send(bytes).await;
        raw
    }

    /// Sends bytes. Returns whether the peer still accepts them.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Everything until the peer closes the connection or resets it. Panics if it does not within `limit`.
    pub async fn until_closed(&mut self, limit: Duration) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.pending);
        let read = timeout(limit, self.stream.read_to_end(&mut bytes)).await;
        assert!(read.is_ok(), "still open after {limit:?}; it said {:?}", String::from_utf8_lossy(&bytes));
        bytes
    }

    /// Exactly `length` bytes, or `None` if the peer closed the connection before.
    pub async fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.pending.len() < length {
            let read = timeout(SOON, self.stream.read_buf(&mut self.pending)).await.expect("an answer soon");
            if !matches!(read, Ok(1..)) {
                return None;
            }
        }
        Some(self.pending.drain(..length).collect())
    }

    /// One HTTP/1 head with its empty line, or `None` if the peer closed the connection before.
    pub async fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.take(1).await?);
        }
        Some(String::from_utf8(head).unwrap())
    }

    /// One HTTP/1 answer with a body of declared length.
    pub async fn try_answer(&mut self) -> Option<Answer> {
        let head = self.head().await?;
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let headers: HeaderMap = lines
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap();
                (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
            })
            .collect();
        let length = headers.get("content-length").map_or(0, |length| length.to_str().unwrap().parse().unwrap());
        let body = self.take(length).await?.into();
        Some(Answer { status, headers, body })
    }

    pub async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("an answer")
    }

    /// Sends many bytes while it reads, and returns everything that the peer sent until it closed the connection.
    pub async fn flood(self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        let Self { stream, pending: mut heard } = self;
        let (mut reader, mut writer) = stream.into_split();
        let write = async {
            // The write fails if the peer closes the connection half-way.
            let _ = writer.write_all(bytes.as_ref()).await;
            let _ = writer.flush().await;
        };
        let read = async {
            let _ = reader.read_to_end(&mut heard).await;
        };
        let both = timeout(SOON, async { tokio::join!(write, read) }).await;
        assert!(both.is_ok(), "the flood was not cut off");
        heard
    }
}

impl From<TcpStream> for Raw {
    fn from(stream: TcpStream) -> Self {
        Self { stream, pending: Vec::new() }
    }
}

/// The head and the body of a JSON `POST` over HTTP/1.1.
pub fn post(path: &str, headers: &str, body: &Value) -> (String, String) {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    (head, body)
}

/// Asserts that the server still answers another client.
pub async fn is_alive(address: SocketAddr) {
    let answer = timeout(SOON, call(address, Method::GET, "/readyz", &[], &Value::Null)).await.unwrap().unwrap();
    assert_eq!(answer.status, StatusCode::OK);
}
