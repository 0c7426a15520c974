//! Whole answers, and HTTP/1.1 over a real socket.

use std::net::SocketAddr;

use axum::body::Body;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::app::request;

/// An answer with its whole body.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: bytes::Bytes,
}

impl Answer {
    pub async fn read<B>(response: Response<B>) -> Self
    where
        B: http_body::Body<Data = bytes::Bytes>,
        B::Error: std::fmt::Debug,
    {
        let (parts, body) = response.into_parts();
        Self { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    /// The body as JSON, or `null` if it is empty.
    pub fn json(&self) -> Value {
        if self.body.is_empty() { Value::Null } else { serde_json::from_slice(&self.body).expect("a JSON body") }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Asserts the status, the whole body (`null` for an empty one), and every header: exactly these, and those of any
    /// JSON answer. An unexpected token fails the assertion.
    #[track_caller]
    pub fn assert(&self, name: &str, status: u16, headers: &[(&str, &str)], body: &Value) {
        assert_eq!((self.status.as_u16(), self.json()), (status, body.clone()), "{name}");
        let mut expected = vec![("cache-control", "no-store"), ("x-content-type-options", "nosniff")];
        if !body.is_null() {
            expected.push(("content-type", "application/json"));
        }
        expected.extend(headers);
        expected.sort_unstable();
        assert_eq!(self.telling_headers(), expected, "{name}");
    }

    /// The headers, sorted, without those that HTTP and every answer have, and without `device`, which is always
    /// different.
    pub fn telling_headers(&self) -> Vec<(&str, &str)> {
        let told =
            |name: &str| !["request-id", "date", "connection", "content-length", "vary", "device"].contains(&name);
        let mut headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        headers.retain(|(name, _)| told(name));
        headers.sort_unstable();
        headers
    }

    /// The `Token` header, which must be present.
    pub fn token(&self) -> String {
        self.header("token").expect("a fresh token").to_owned()
    }
}

/// One HTTP/1.1 request over a new connection.
pub async fn over_socket(address: SocketAddr, mut request: Request<Body>) -> Answer {
    request.headers_mut().insert("host", address.to_string().parse().unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let answer = Answer::read(sender.send_request(request).await.unwrap()).await;
    connection.abort();
    answer
}

/// One HTTP/1.1 call over a new connection. Returns an error if the connection ends before the answer does.
pub async fn call(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let host = address.to_string();
    let headers = [headers, &[("host", &*host), ("content-type", "application/json")]].concat();
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let (parts, body) = sender.send_request(request(method, path, &headers, body)).await?.into_parts();
    let body = http_body_util::BodyExt::collect(body).await?.to_bytes();
    connection.abort();
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}
