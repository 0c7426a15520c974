//! A request's body, of which every byte is counted before it is handed on. Separate from the counting, which knows nothing of
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

use super::bodies::{Bodies, Held};
use crate::grpc;

pin_project! {
    /// `body`, which fails with [`grpc::overloaded`] once it gave way to others.
    pub(in crate::server) struct Counted<B> {
        #[pin]
        body: B,
        bodies: Arc<Bodies>,
        address: Option<IpAddr>,
        held: Option<Held>,
        gave_way: Option<Arc<AtomicBool>>,
    }
}

impl<B> Counted<B> {
    /// `gave_way` is told of it.
    pub(super) fn new(
        body: B,
        bodies: Arc<Bodies>,
        address: Option<IpAddr>,
        gave_way: Option<Arc<AtomicBool>>,
    ) -> Self {
        Self { body, bodies, address, held: None, gave_way }
    }
}

fn refuse(gave_way: Option<&Arc<AtomicBool>>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
    if let Some(gave_way) = gave_way {
        gave_way.store(true, Ordering::Relaxed);
    }
    Poll::Ready(Some(Err(grpc::overloaded().into())))
}

impl<B> Body for Counted<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<StdError>,
{
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let mut this = self.project();
        if this.held.as_ref().is_some_and(|held| held.has_given_way(cx)) {
            return refuse(this.gave_way.as_ref());
        }
        let frame = std::task::ready!(this.body.as_mut().poll_frame(cx));
        let Some(Ok(frame)) = frame else { return Poll::Ready(frame.map(|frame| frame.map_err(Into::into))) };
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        // What came whole is not waited with, and most of what ever comes is that.
        let is_whole = this.held.is_none() && this.body.is_end_stream();
        if bytes > 0 && !is_whole {
            let held = this.held.get_or_insert_with(|| this.bodies.begin(*this.address));
            if held.add(bytes).is_err() {
                return refuse(this.gave_way.as_ref());
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
