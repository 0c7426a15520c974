//! A request body that fails if its sender pauses for too long. Written here because every message passes it: unlike a
//! general timeout, it starts a timer only when the next part has not yet arrived. It is on the stack, and not in the
//! listener, because the translation of gRPC-Web would replace its error.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use super::status;

/// How long a client may pause while it sends its messages. A unary call has a deadline as well.
const LIMIT: Duration = Duration::from_secs(30);

pin_project! {
    /// `body`, which fails with DEADLINE_EXCEEDED once nothing has arrived for [`LIMIT`].
    pub(super) struct TimedBody<B> {
        #[pin]
        body: B,
        timer: Option<Pin<Box<Sleep>>>,
    }
}

impl<B> TimedBody<B> {
    pub(super) fn new(body: B) -> Self {
        Self { body, timer: None }
    }
}

impl<B> Body for TimedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<tonic::codegen::StdError>,
{
    type Data = Bytes;
    type Error = tonic::codegen::StdError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.project();
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            *this.timer = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(LIMIT)));
        timer.as_mut().poll(cx).map(|()| Some(Err(status::deadline_exceeded().into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use futures_util::{StreamExt as _, stream};
    use http_body::Frame;
    use http_body_util::{BodyExt as _, StreamBody};
    use tonic::{Code, Status};

    use super::{LIMIT, TimedBody};

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_out_of_time_and_one_that_goes_on_is_not() {
        let slow = stream::unfold((), |()| async {
            tokio::time::sleep(LIMIT / 2).await;
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x"))), ()))
        });
        let mut body = Box::pin(TimedBody::new(StreamBody::new(Box::pin(slow.take(3).chain(stream::pending())))));
        for _ in 0..3 {
            assert!(body.frame().await.unwrap().is_ok());
        }
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(Status::from_error(error).code(), Code::DeadlineExceeded);
    }
}
