//! A request body that is read to its end although the call was answered before. Over HTTP/2, the `h2` crate counts
//! small DATA frames that the server leaves unread, and closes a connection with some 260 of them (ENHANCE_YOUR_CALM,
//! `too_many_data_frames`). Each call that is refused before its message is read would be one of those: a client, or a
//! proxy that shares a connection among many clients, would lose its other calls.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::sending::{AwaitedBody, Flow};

/// The bytes of an unread body that are read after the answer: the largest message.
const MAX_REST: usize = 64 * 1_024;

/// How long the rest of an unread body may take. A message that is sent at once follows its head within a round trip.
const REST_TIMEOUT: Duration = Duration::from_secs(1);

/// The body of a request, which reads its rest when it is dropped.
pub(crate) struct RequestBody {
    body: Option<Incoming>,
    is_http2: bool,
    /// `None` once the body has come to its end.
    awaited: Option<AwaitedBody>,
}

impl RequestBody {
    pub(super) fn new(body: Incoming, is_http2: bool, flow: &Arc<Flow>) -> Self {
        let awaited = (!body.is_end_stream()).then(|| AwaitedBody::new(Arc::clone(flow)));
        Self { body: Some(body), is_http2, awaited }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = Pin::new(&mut *body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) || body.is_end_stream() {
            self.awaited = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| self.is_http2 && !body.is_end_stream())
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let mut rest = Box::pin(read_rest(body));
            // Most of them have arrived already.
            if rest.as_mut().now_or_never().is_none() {
                runtime.spawn(timeout(REST_TIMEOUT, rest));
            }
        }
    }
}

async fn read_rest(mut body: Incoming) {
    let mut left = MAX_REST;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(bytes) {
            Some(less) => left = less,
            None => return,
        }
    }
}
