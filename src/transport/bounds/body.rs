//! A request body that counts its bytes before it passes them on. Separate from the counting, which knows nothing of
//! HTTP.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::codegen::StdError;

use super::bodies::{Bodies, HeldBody};
use crate::grpc;

pin_project! {
    /// `body`, which fails with [`grpc::overloaded`] if it was displaced by others.
    pub(in crate::transport) struct CountedBody<B> {
        #[pin]
        body: B,
        bodies: Arc<Bodies>,
        address: Option<IpAddr>,
        held: Option<HeldBody>,
        unread: Option<Arc<AtomicBool>>,
    }
}

impl<B> CountedBody<B> {
    /// A body with no bytes counted yet. `unread` is cleared when it has been read to its end.
    pub(super) fn new(body: B, bodies: Arc<Bodies>, address: Option<IpAddr>, unread: Option<Arc<AtomicBool>>) -> Self {
        Self { body, bodies, address, held: None, unread }
    }
}

fn overloaded() -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
    Poll::Ready(Some(Err(grpc::overloaded().into())))
}

impl<B> Body for CountedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<StdError>,
{
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let mut this = self.project();
        if this.held.as_ref().is_some_and(|held| held.is_displaced(cx)) {
            return overloaded();
        }
        let frame = std::task::ready!(this.body.as_mut().poll_frame(cx));
        if let Some(unread) = this.unread
            && (frame.is_none() || this.body.is_end_stream())
        {
            unread.store(false, Ordering::Relaxed);
        }
        let Some(Ok(frame)) = frame else { return Poll::Ready(frame.map(|frame| frame.map_err(Into::into))) };
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        // A body that arrived at once, as most do, is not held while the rest arrives.
        let is_whole = this.held.is_none() && this.body.is_end_stream();
        if bytes > 0 && !is_whole {
            let held = this.held.get_or_insert_with(|| this.bodies.begin(*this.address));
            if held.add(bytes).is_err() {
                return overloaded();
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
