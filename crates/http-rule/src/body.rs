//! Reading the JSON body of a request within limits, and parsing it. Public because a server that has JSON routes
//! beside the transcoder should read their bodies in the same way.

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use http_body::Body;
use http_body_util::BodyExt as _;
use tonic::Status;

use crate::failure::http_status;
use crate::json;

type BoxError = Box<dyn Error + Send + Sync>;

/// What a body may cost. The default is 4 MiB, as much as tonic reads of a message, within 30 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes that are read.
    pub bytes: usize,
    /// The longest time until the body is complete.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 4 * 1_024 * 1_024, time: Duration::from_secs(30) }
    }
}

/// Why a body could not be read. The texts are for clients.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The content type is not `application/json`, and the body is not empty.
    #[error("the content type must be application/json")]
    ContentType,
    /// The body has a content coding. A server refuses a coding that it does not know (RFC 9110 section 8.4).
    #[error("the body must not be compressed: send it without Content-Encoding")]
    Compressed,
    /// The body is longer than this many bytes.
    #[error("the body must have at most {0} bytes")]
    TooLarge(usize),
    /// The body was not complete in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The body is not JSON, or the client broke off.
    #[error("the body must be JSON in UTF-8")]
    Malformed,
    /// An object in the body has two members of one name, and programs differ in which of the two they take.
    #[error("the body must not have a name twice in one object")]
    RepeatedName,
    /// The body failed with a gRPC status. A layer in front may do so, for instance if it bounds the memory of all
    /// bodies.
    #[error("{}", .0.message())]
    Refused(Box<Status>),
}

impl BodyError {
    /// The HTTP status of the answer.
    pub fn http_status(&self) -> StatusCode {
        match self {
            Self::ContentType | Self::Compressed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Malformed | Self::RepeatedName => StatusCode::BAD_REQUEST,
            Self::Refused(status) => http_status(status.code()),
        }
    }
}

impl From<BodyError> for Status {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Refused(status) => *status,
            other => Self::invalid_argument(other.to_string()),
        }
    }
}

/// Whether the content type is `application/json`, with any parameters.
pub fn is_json(headers: &HeaderMap) -> bool {
    is_of_type(headers, "application/json")
}

/// Whether the content type is this one, with any parameters.
pub fn is_of_type(headers: &HeaderMap, content_type: &str) -> bool {
    let essence = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()?.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(content_type))
}

/// The bytes of a body that is declared as JSON. A body of another content type must be empty. Whether the bytes are
/// JSON is not looked at.
pub async fn read<B>(headers: &HeaderMap, body: B, limits: Limits) -> Result<Bytes, BodyError>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    if is_json(headers) {
        return read_any(headers, body, limits).await;
    }
    require_plain(headers)?;
    timely(limits, require_empty(body)).await
}

/// As [`read`], whatever the content type.
pub async fn read_any<B>(headers: &HeaderMap, body: B, limits: Limits) -> Result<Bytes, BodyError>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    require_plain(headers)?;
    // A declared length is enough to refuse a body, and not enough to accept it.
    if body.size_hint().lower() > limits.bytes as u64 {
        return Err(BodyError::TooLarge(limits.bytes));
    }
    timely(limits, collect(body, limits.bytes)).await
}

fn require_plain(headers: &HeaderMap) -> Result<(), BodyError> {
    let is_coded = |coding: &HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get(CONTENT_ENCODING).is_some_and(is_coded) { Err(BodyError::Compressed) } else { Ok(()) }
}

/// The JSON of a body that was read. A byte order mark before it is skipped.
pub fn parse(bytes: &[u8]) -> Result<serde_json::Value, BodyError> {
    json::parse(bytes)
}

async fn timely(limits: Limits, reading: impl Future<Output = Result<Bytes, BodyError>>) -> Result<Bytes, BodyError> {
    tokio::time::timeout(limits.time, reading).await.unwrap_or(Err(BodyError::TooSlow))
}

async fn require_empty<B>(body: B) -> Result<Bytes, BodyError>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    while let Some(frame) = body.frame().await {
        if frame.map_err(broken)?.data_ref().is_some_and(|data| data.has_remaining()) {
            return Err(BodyError::ContentType);
        }
    }
    Ok(Bytes::new())
}

/// Copies the body into one piece. A part of what the connection has read would keep all of that in memory, and may be
/// one byte of it.
async fn collect<B>(body: B, most: usize) -> Result<Bytes, BodyError>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        if all.len() + data.remaining() > most {
            return Err(BodyError::TooLarge(most));
        }
        all.put(data);
    }
    Ok(all.freeze())
}

/// The client broke off or broke the rules of HTTP, or a layer in front refused the body.
fn broken(error: impl Into<BoxError>) -> BodyError {
    let error = error.into();
    let first: &(dyn Error + 'static) = &*error;
    let mut causes = std::iter::successors(Some(first), |&error| error.source());
    let refusal = causes.find_map(|cause| cause.downcast_ref::<Status>());
    refusal.map_or(BodyError::Malformed, |status| BodyError::Refused(Box::new(status.clone())))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;
    use http::header::{CONTENT_TYPE, HeaderValue};
    use http_body_util::Full;
    use http_body_util::channel::Channel;

    use super::{BodyError, Limits, read};

    fn json() -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("Application/JSON; charset=utf-8"))])
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let (_sender, stalled) = Channel::<Bytes>::new(1);
        assert!(matches!(read(&json(), stalled, Limits::default()).await, Err(BodyError::TooSlow)));
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        let limits = Limits { bytes: 4, ..Limits::default() };
        assert_eq!(read(&json(), Full::new(&b"1234"[..]), limits).await.unwrap(), "1234");
        let error = read(&json(), Full::new(&b"12345"[..]), limits).await.unwrap_err();
        assert_eq!(error.to_string(), "the body must have at most 4 bytes");
        assert!(matches!(read(&HeaderMap::new(), Full::new(&b"1"[..]), limits).await, Err(BodyError::ContentType)));
        assert_eq!(read(&HeaderMap::new(), Full::new(&b""[..]), limits).await.unwrap(), "");
    }
}
