//! HTTP/1.1 as bytes, so that both transcoders get exactly the same request line. Client libraries cannot send a
//! malformed path.

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The longest time until an answer is complete.
const PATIENCE: Duration = Duration::from_secs(10);

const TRIES: usize = 5;

/// A request as its bytes on the wire.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The API that is called. Each one has an address of its own.
    pub api: &'static str,
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    /// `None` is no body at all, which is not the same as an empty body with a length.
    pub body: Option<Vec<u8>>,
}

impl Asked {
    /// A request without a body, such as `GET /path`.
    pub fn new(api: &'static str, line: &str) -> Self {
        let (method, target) = line.split_once(' ').unwrap();
        Self { api, method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: None }
    }

    /// Adds a body, which is JSON without another content type.
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self.with_header("content-type", "application/json")
    }

    /// Sets a header and removes those of the same name.
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.with_another(name, value)
    }

    /// Adds a header and keeps those of the same name.
    pub fn with_another(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The text of the body, with replacements for bytes that are not UTF-8.
    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(self.body.as_deref().unwrap_or_default()).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn bytes(&self, address: &str) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            text.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    /// Sends the request over a new connection. A server that answers and closes before it has read everything may
    /// reset the connection, and the answer is lost (RFC 9112 section 9.6). Such a request is sent again.
    pub async fn send(&self, address: &str) -> Answered {
        for _ in 0..TRIES {
            let bytes = tokio::time::timeout(PATIENCE, self.exchange(address)).await;
            let bytes = bytes.unwrap_or_else(|_| panic!("no answer to\n{self}"));
            if let Some(answered) = Answered::parse(&bytes) {
                return answered;
            }
        }
        panic!("an answer that is none to\n{self}")
    }

    async fn exchange(&self, address: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut bytes = Vec::new();
        let _ = stream.write_all(&self.bytes(address)).await;
        let _ = stream.read_to_end(&mut bytes).await;
        bytes
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {} {}", self.api, self.method, self.target)?;
        for (name, value) in &self.headers {
            if value != "application/json" {
                write!(f, "\n    {name}: {value}")?;
            }
        }
        if self.body.is_some() { write!(f, "\n    {}", shortened(&self.body_text())) } else { Ok(()) }
    }
}

/// An answer with its whole body.
#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answered {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let is_chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        let rest = &bytes[end + 4..];
        let body = if is_chunked { unchunked(rest)? } else { rest.to_vec() };
        Some(Self { status, headers, body })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The content type without its parameters.
    pub fn content_type(&self) -> &str {
        self.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim()
    }

    /// The JSON values in the body, one after the other, or `None` if it is no JSON.
    pub fn values(&self) -> Option<Vec<Value>> {
        serde_json::Deserializer::from_slice(&self.body).into_iter::<Value>().collect::<Result<_, _>>().ok()
    }

    /// The value of a body that is one JSON value.
    pub fn value(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The code of a `google.rpc.Status`.
    pub fn code(&self) -> Option<i64> {
        self.value()?.get("code")?.as_i64()
    }

    /// The message of the error, or an empty text.
    pub fn message(&self) -> String {
        let value = self.value();
        let message = value.as_ref().and_then(|value| value.get("message")?.as_str());
        message.unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.status, self.content_type(), shortened(&String::from_utf8_lossy(&self.body)))?;
        self.header("token").map_or(Ok(()), |token| write!(f, "    (token: {token})"))
    }
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?.split(';').next()?, 16).ok()?;
        rest = &rest[line + 2..];
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..length)?);
        rest = rest.get(length + 2..)?;
    }
}

fn shortened(text: &str) -> String {
    const MOST: usize = 1_200;
    let text = text.trim_end();
    if text.chars().count() <= MOST { text.to_owned() } else { text.chars().take(MOST).chain("…".chars()).collect() }
}
