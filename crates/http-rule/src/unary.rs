//! Calls a unary RPC. Separate from the transcoder because a server has other calls in process, too. tonic's client
//! serves streams and networks: for one message it makes a stream, a boxed body and a buffer for each direction, which
//! a call in the same process need not pay for.

use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, TE};
use http::uri::PathAndQuery;
use http::{Method, StatusCode, Uri, Version};
use http_body_util::{BodyExt as _, Full};
use prost::Message;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};

use crate::failure::defect;

/// The bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// The most bytes of an answer: tonic's default.
const MAX_ANSWER: usize = 4 * 1_024 * 1_024;

/// Calls the unary RPC at `path` with one message, and reads its answer into `answer`, which is an empty message. This
/// is what tonic's client does, without compression and without limits other than 4 MiB for the answer. It is meant
/// for a service in the same process, and works with any.
pub async fn unary<S, Q, A>(
    service: &mut S,
    path: PathAndQuery,
    request: Request<Q>,
    mut answer: A,
) -> Result<Response<A>, Status>
where
    S: GrpcService<Body>,
    <S::ResponseBody as http_body::Body>::Error: Into<Box<dyn Error + Send + Sync>>,
    Q: Message,
    A: Message,
{
    let (metadata, extensions, message) = request.into_parts();
    let mut call = http::Request::new(Body::new(Full::new(framed(&message)?)));
    *call.method_mut() = Method::POST;
    *call.version_mut() = Version::HTTP_2;
    *call.uri_mut() = Uri::from(path);
    *call.headers_mut() = metadata.into_headers();
    call.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    call.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    *call.extensions_mut() = extensions;

    let broken = |error: S::Error| Status::from_error(error.into());
    poll_fn(|cx| service.poll_ready(cx)).await.map_err(broken)?;
    let (mut head, body) = service.call(call).await.map_err(broken)?.into_parts();
    refused(&head.headers)?;
    let (bytes, trailers) = read(body, head.status).await.map_err(|status| with_metadata(status, &head.headers))?;
    if trailers.len() > 1 {
        // Not the status alone.
        head.headers.extend(trailers);
    }
    answer.merge(unframed(&bytes)?).map_err(|error| defect(&error))?;
    Ok(Response::from_parts(MetadataMap::from_headers(head.headers), answer, head.extensions))
}

fn framed(message: &impl Message) -> Result<Bytes, Status> {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(PREFIX + length);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(length).map_err(|error| defect(&error))?);
    message.encode(&mut bytes).map_err(|error| defect(&error))?;
    Ok(bytes.freeze())
}

/// The one message of an answer.
fn unframed(mut bytes: &[u8]) -> Result<&[u8], Status> {
    if bytes.len() < PREFIX {
        return Err(Status::internal("the answer has no message"));
    }
    let (is_compressed, length) = (bytes.get_u8() != 0, bytes.get_u32());
    if is_compressed || u32::try_from(bytes.len()) != Ok(length) {
        return Err(Status::internal("the answer is not one message without compression"));
    }
    Ok(bytes)
}

/// The bytes of an answer that succeeded, and its trailers.
async fn read<B>(body: B, http: StatusCode) -> Result<(Bytes, HeaderMap), Status>
where
    B: http_body::Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (mut body, mut all, mut trailers) = (pin!(body), Bytes::new(), None);
    while let Some(frame) = body.frame().await {
        match frame.map_err(|error| Status::from_error(error.into()))?.into_data() {
            Ok(data) if all.len() + data.remaining() > MAX_ANSWER + PREFIX => {
                return Err(Status::out_of_range(format!("the answer has more than {MAX_ANSWER} bytes")));
            }
            Ok(mut data) if all.is_empty() => all = data.copy_to_bytes(data.remaining()),
            Ok(data) => {
                let mut longer = BytesMut::from(all);
                longer.put(data);
                all = longer.freeze();
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    let trailers = trailers.unwrap_or_default();
    refused(&trailers)?;
    if all.is_empty() && http != StatusCode::OK {
        return Err(Status::new(of_http(http), format!("the answer is no gRPC, and has the HTTP status {http}")));
    }
    Ok((all, trailers))
}

/// The failure that headers or trailers tell of.
fn refused(headers: &HeaderMap) -> Result<(), Status> {
    match headers.get("grpc-status") {
        Some(code) if code != "0" => Status::from_header_map(headers).map_or(Ok(()), Err),
        Some(_) | None => Ok(()),
    }
}

fn with_metadata(mut status: Status, headers: &HeaderMap) -> Status {
    status.metadata_mut().as_mut().extend(headers.clone());
    status
}

/// The code of an answer that something on the way gave in place of the service ("HTTP to gRPC Status Code Mapping" of
/// the gRPC documentation).
fn of_http(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502..=504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}
