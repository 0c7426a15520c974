//! gRPC at the level of HTTP/2: calls to the app in process that no generated client makes, with their whole answers.
//! Also a helper that waits for other tasks.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Version};
use http_body_util::BodyExt as _;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::ServiceExt as _;

use crate::support::{TestApp, app};

pub const ME: &str = "/countersign.v1.AuthService/Me";
pub const LOGIN: &str = "/countersign.v1.AuthService/Login";
pub const LOGOUT: &str = "/countersign.v1.AuthService/Logout";

/// The headers of a request, in order.
pub type Headers<'a> = &'a [(&'a str, &'a str)];

/// The whole answer to a gRPC call.
#[derive(Debug)]
pub struct Reply {
    /// The initial metadata of the answer.
    pub headers: HeaderMap,
    /// From the headers if the call failed at once, otherwise from the trailers.
    pub status: Status,
    /// The message, if there is one.
    pub message: Option<Bytes>,
    /// The messages with their prefixes.
    pub frames: Bytes,
}

impl Reply {
    pub fn code(&self) -> Code {
        self.status.code()
    }

    /// The reason of the `ErrorInfo`, or an empty text without one.
    pub fn reason(&self) -> String {
        self.status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
    }

    /// The fresh token of the answer.
    pub fn token(&self) -> Option<&str> {
        self.headers.get("token").map(|token| token.to_str().unwrap())
    }
}

/// A gRPC call as HTTP/2 carries it.
pub fn request(path: &str, headers: &[(&str, &str)], message: &[u8]) -> Request<Body> {
    let headers = [&[("content-type", "application/grpc"), ("te", "trailers")], headers].concat();
    let mut request = app::request(Method::POST, path, &headers, Body::from(frame(message)));
    *request.version_mut() = Version::HTTP_2;
    request
}

/// A message with its prefix of five bytes: the flag for no compression, and the length.
pub fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), message].concat()
}

/// The messages of a stream.
pub fn messages(reply: &Reply) -> impl Iterator<Item = Bytes> {
    let mut left = reply.frames.clone();
    std::iter::from_fn(move || {
        (left.len() >= 5).then(|| {
            let length = u32::from_be_bytes(left.split_to(5)[1..].try_into().unwrap());
            left.split_to(length as usize)
        })
    })
}

/// Makes a unary call and reads the whole answer.
pub async fn call(app: &TestApp, path: &str, headers: &[(&str, &str)], message: &[u8]) -> Reply {
    send(app, request(path, headers, message)).await
}

/// As [`call`], with a request of any body.
pub async fn send(app: &TestApp, request: Request<Body>) -> Reply {
    let response = app.service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200, "of a gRPC answer, whatever came of the call");
    let (parts, body) = response.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let status = Status::from_header_map(&parts.headers).or_else(|| Status::from_header_map(&trailers));
    let status = status.expect("a grpc-status in the headers or in the trailers");
    let body = collected.to_bytes();
    let message = (body.len() >= 5).then(|| body.slice(5..));
    Reply { headers: parts.headers, status, message, frames: body }
}

/// Calls `Me` with these headers.
pub async fn me(app: &TestApp, headers: &[(&str, &str)]) -> Reply {
    call(app, ME, headers, &[]).await
}

/// Asks until `is_so` is true, for `limit` at most. Returns whether it became true.
pub async fn eventually(limit: Duration, mut is_so: impl AsyncFnMut() -> bool) -> bool {
    let asking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(limit, asking).await.is_ok()
}
