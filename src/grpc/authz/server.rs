//! `envoy.service.auth.v3.Authorization` as a service: gRPC around the decision. Written by hand because its messages
//! are read and written in place (`wire`), and each call has one of a few kilobytes.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{BufMut as _, Bytes};
use futures_util::future::BoxFuture;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Request, Response};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tonic::body::Body;
use tonic::codegen::StdError;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tower::Service;

use super::answer::refusal;
use super::check::Checks;
use super::question::ClientProtocol;
use crate::grpc::status;

/// The name of the service.
pub(in crate::grpc) const SERVICE: &str = "envoy.service.auth.v3.Authorization";

/// The path of its one RPC.
pub(crate) const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// The most bytes of a question with its prefix. A proxy may accept heads of 60 KiB and send certificates along.
const MAX_QUESTION: usize = 256 * 1_024;

/// Serves the RPC. Cheap to clone.
#[derive(Clone)]
pub(in crate::grpc) struct CheckServer(Arc<Checks>);

impl CheckServer {
    pub(in crate::grpc) fn new(checks: Checks) -> Self {
        Self(Arc::new(checks))
    }
}

impl<B> Service<Request<B>> for CheckServer
where
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<StdError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let checks = Arc::clone(&self.0);
        Box::pin(async move {
            Ok(match read(request).await {
                Ok(question) => answer(&checks.answer(&question).await),
                Err(status) => status.into_http(),
            })
        })
    }
}

/// Reads the one message of a call.
async fn read<B>(request: Request<B>) -> Result<Bytes, Status>
where
    B: HttpBody,
    B::Error: Into<StdError>,
{
    if request.headers().get("grpc-encoding").is_some_and(|encoding| encoding != "identity") {
        let mut status = Status::unimplemented("questions are not compressed");
        status.metadata_mut().insert("grpc-accept-encoding", MetadataValue::from_static("identity"));
        return Err(status);
    }
    let body = Limited::new(request.into_body(), MAX_QUESTION).collect().await.map_err(|error| {
        let too_long = || Status::out_of_range(format!("a question has at most {MAX_QUESTION} bytes"));
        if error.is::<LengthLimitError>() { too_long() } else { Status::from_error(error) }
    })?;
    let frame = body.to_bytes();
    match frame.split_first_chunk() {
        Some((&[0, a, b, c, d], message)) if message.len() == u32::from_be_bytes([a, b, c, d]) as usize => {
            Ok(frame.slice_ref(message))
        }
        _ => Err(Status::invalid_argument("a call has one message, which is not compressed")),
    }
}

/// The answer to a call, with its one message.
fn answer(message: &[u8]) -> Response<Body> {
    let mut frame = Vec::with_capacity(message.len() + 5);
    frame.push(0);
    frame.put_u32(message.len().try_into().unwrap_or(0));
    frame.extend_from_slice(message);
    let trailers = HeaderMap::from_iter([(Status::GRPC_STATUS, HeaderValue::from_static("0"))]);
    let mut answer = Response::new(Body::new(Full::from(frame).with_trailers(ready(Some(Ok(trailers))))));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    answer
}

/// An answer of this RPC that is no failed call. Envoy takes a failed call for a refusal, and answers 403, which a
/// client would take for a decision. So where the server itself is in trouble, the answer says so.
pub(in crate::grpc) fn without_failure(answer: Response<Body>) -> Response<Body> {
    match Status::from_header_map(answer.headers()) {
        Some(status) if is_trouble(status.code()) => undecided(&status),
        _ => answer,
    }
}

/// Whether a failed call was no mistake of its caller.
fn is_trouble(code: Code) -> bool {
    use Code::{DeadlineExceeded, Internal, ResourceExhausted, Unavailable, Unknown};
    matches!(code, DeadlineExceeded | Internal | ResourceExhausted | Unavailable | Unknown)
}

/// The answer to a question that was not judged: the client is to try again. Clients of all protocols can read it.
pub(crate) fn undecided(status: &Status) -> Response<Body> {
    answer(&refusal(&status::unavailable(status.message()), ClientProtocol::Grpc))
}
