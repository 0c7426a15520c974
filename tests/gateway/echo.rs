//! The gRPC server behind both transcoders. It answers with the request that it got, so the answer shows what the
//! transcoder made of a URL and a body. It runs in process for ours, and on a socket for the gateway.

use std::convert::Infallible;

use axum::body::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The number of answers of `Stream`.
const REPEATED: usize = 3;

/// The answer to a gRPC call of any method in the pool.
pub async fn answer<B>(pool: DescriptorPool, request: Request<B>) -> Response<Body>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let (parts, body) = request.into_parts();
    let method = parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let seen = seen(&method, &parts.headers);
    if parts.headers.get_all("grpc-timeout").iter().any(|timeout| !is_timeout(timeout)) {
        return Status::invalid_argument("a malformed grpc-timeout").into_http();
    }
    let Ok(frame) = body.collect().await else { return Status::cancelled("the request broke off").into_http() };
    let frame = frame.to_bytes();
    let Some(descriptor) = method_of(&pool, parts.uri.path()) else {
        return Status::unimplemented("there is no such method").into_http();
    };
    if !matches!(method.as_str(), "Fail" | "FailingStream") {
        let times = if descriptor.is_server_streaming() { REPEATED } else { 1 };
        return messages(vec![frame; times], seen, &Status::ok(""));
    }
    let message = DynamicMessage::decode(descriptor.input(), frame.get(5..).unwrap_or_default()).unwrap();
    let number = |name: &str| message.get_field_by_name(name).and_then(|value| value.as_i32()).unwrap_or_default();
    let text = message.get_field_by_name("string_value").map(|value| match value.into_owned() {
        Value::String(text) => text,
        _ => String::new(),
    });
    if method == "Fail" {
        return failure(number("int32_value"), text.unwrap_or_default()).into_http();
    }
    let times = usize::try_from(number("int32_value")).unwrap_or_default();
    messages(vec![frame; times], seen, &failure(number("sint32_value"), text.unwrap_or_default()))
}

/// A status with every kind of detail that JSON may get wrong: strings, lists, durations.
fn failure(code: i32, text: String) -> Status {
    let mut details = ErrorDetails::new();
    details
        .set_error_info("REASON", "transcoding.test", [("key".to_owned(), "välue".to_owned())])
        .add_bad_request_violation("string_value", "is \"bad\"")
        .set_retry_info(Some(std::time::Duration::from_millis(1_500)));
    Status::with_error_details(Code::from_i32(code), text, details)
}

/// The method that the transcoder called, and the metadata that it passed on. They are returned in a header that both
/// transcoders pass through.
fn seen(method: &str, headers: &HeaderMap) -> HeaderValue {
    let mut text = method.to_owned();
    for name in ["token", "authorization", "cookie", "x-other", "grpc-metadata-token"] {
        for value in headers.get_all(name) {
            text.push_str(&format!("; {name}={}", value.to_str().unwrap_or("?")));
        }
    }
    HeaderValue::from_str(&text).unwrap()
}

/// Whether a value is at most eight digits and a unit, as gRPC requires.
fn is_timeout(value: &HeaderValue) -> bool {
    let Some((unit, digits)) = value.as_bytes().split_last() else { return false };
    (1..=8).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) && b"HMSmun".contains(unit)
}

fn messages(frames: Vec<Bytes>, seen: HeaderValue, end: &Status) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    end.add_header(&mut trailers).unwrap();
    let frames = frames.into_iter().map(Frame::data).chain([Frame::trailers(trailers)]);
    let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response.headers_mut().insert("token", seen);
    response
}

fn method_of(pool: &DescriptorPool, path: &str) -> Option<prost_reflect::MethodDescriptor> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    pool.get_service_by_name(service)?.methods().find(|known| known.name() == method)
}

/// Serves the echo on a free port, and returns the address.
pub async fn serve(pool: DescriptorPool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let pool = pool.clone();
            tokio::spawn(async move {
                let service = hyper::service::service_fn(move |request| {
                    let pool = pool.clone();
                    async move { Ok::<_, Infallible>(answer(pool, request).await) }
                });
                // The error of a gateway that has gone is no failure of the test.
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    address
}
