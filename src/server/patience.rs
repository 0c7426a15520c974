//! A body whose sender may pause, but not for ever. Of our own because it stands in the way of every message: it sets a
//! timer only when there is something to wait for.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

/// The sender paused for too long.
#[derive(Debug, thiserror::Error)]
#[error("nothing arrived for {} s", .0.as_secs())]
pub(super) struct Silence(Duration);

pin_project! {
    /// `body`, which fails once nothing has come of it for `limit`.
    pub(super) struct Patient<B> {
        #[pin]
        body: B,
        limit: Duration,
        waited: Option<Pin<Box<Sleep>>>,
    }
}

impl<B> Patient<B> {
    pub fn new(body: B, limit: Duration) -> Self {
        Self { body, limit, waited: None }
    }
}

impl<B> Body for Patient<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<tonic::codegen::StdError>,
{
    type Data = Bytes;
    type Error = tonic::codegen::StdError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.project();
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            *this.waited = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let limit = *this.limit;
        let waited = this.waited.get_or_insert_with(|| Box::pin(sleep(limit)));
        waited.as_mut().poll(cx).map(|()| Some(Err(Silence(limit).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
