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

pin_project! {
    /// The messages of a stream, and UNAVAILABLE once its connection is about to end.
    struct Ending {
        body: Body,
        #[pin]
        closing: WaitForCancellationFutureOwned,
        has_ended: bool,
    }
}

impl Closing {
    /// A stream's answer that ends in time.
    pub(super) fn end(&self, answer: Body) -> Body {
        let closing = CancellationToken::clone(&self.0).cancelled_owned();
        Body::new(Ending { body: answer, closing, has_ended: false })
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
        // Asked first: a stream that has always something to say must end, too. Every frame is of whole messages.
        if this.closing.poll(cx).is_ready() {
            *this.has_ended = true;
            let mut trailers = HeaderMap::new();
            let added = status::connection_ends().add_header(&mut trailers);
            return Poll::Ready(Some(added.map(|()| Frame::trailers(trailers))));
        }
        Pin::new(this.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || self.body.is_end_stream()
    }
}
