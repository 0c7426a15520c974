//! The end of a connection, as its streams hear of it: with a status, between two messages, and not by being cut off. Apart from
//! the services, because all streams end alike, those of other crates too. A unary call is finished.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use pin_project_lite::pin_project;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

use super::status;

/// In the extensions of a request: is cancelled when its connection, or the server, is about to end.
#[derive(Debug, Clone)]
pub struct Closing(pub Arc<CancellationToken>);

/// How many frames of a stream that are ready may still go when its connection is about to end: what health says of a
/// shutdown, for one. A stream that always has something to say must end, too.
const LAST_FRAMES: u8 = 16;

pin_project! {
    /// The messages of a stream, and UNAVAILABLE once its connection is about to end.
    struct Ending {
        body: Body,
        #[pin]
        closing: WaitForCancellationFutureOwned,
        last_frames: u8,
        has_ended: bool,
    }
}

impl Closing {
    /// A stream's answer that ends in time.
    pub(super) fn end(&self, answer: Body) -> Body {
        let closing = CancellationToken::clone(&self.0).cancelled_owned();
        Body::new(Ending { body: answer, closing, last_frames: LAST_FRAMES, has_ended: false })
    }
}

impl HttpBody for Ending {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.project();
        if *this.has_ended {
            return Poll::Ready(None);
        }
        let is_closing = this.closing.poll(cx).is_ready();
        if !is_closing || *this.last_frames > 0 {
            *this.last_frames -= u8::from(is_closing);
            let frame = Pin::new(this.body).poll_frame(cx);
            if frame.is_ready() || !is_closing {
                return frame;
            }
        }
        // Every frame is of whole messages.
        *this.has_ended = true;
        let mut trailers = HeaderMap::new();
        let added = status::connection_ends().add_header(&mut trailers);
        Poll::Ready(Some(added.map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || self.body.is_end_stream()
    }
}
