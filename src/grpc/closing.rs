//! Ends streams before their connection ends: with a status, between two messages, instead of being cut off. Separate
//! from the services because all streams end alike, also those of other crates. A unary call is left to finish.

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

/// The signal that a connection, or the server, is about to end. It is in the extensions of each request.
#[derive(Debug, Clone)]
pub(crate) struct Closing(pub Arc<CancellationToken>);

/// The most frames that a stream may still send when its connection is about to end, if they are ready. The health
/// service announces a shutdown this way. A limit is needed because a stream may always have a frame ready.
const LAST_FRAMES: u8 = 16;

pin_project! {
    /// The messages of a stream, and UNAVAILABLE once its connection is about to end.
    struct EndingBody {
        body: Body,
        #[pin]
        closing: WaitForCancellationFutureOwned,
        last_frames: u8,
        has_ended: bool,
    }
}

impl Closing {
    /// The body of a stream, which ends when this signal is given.
    pub(super) fn end(&self, answer: Body) -> Body {
        let closing = CancellationToken::clone(&self.0).cancelled_owned();
        Body::new(EndingBody { body: answer, closing, last_frames: LAST_FRAMES, has_ended: false })
    }
}

impl HttpBody for EndingBody {
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
        // Every frame holds whole messages, so the stream may end between any two.
        *this.has_ended = true;
        let mut trailers = HeaderMap::new();
        let added = status::connection_ends().add_header(&mut trailers);
        Poll::Ready(Some(added.map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || self.body.is_end_stream()
    }
}
