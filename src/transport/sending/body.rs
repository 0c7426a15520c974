//! An answer's body in chunks that record when hyper has taken them. Separate from the timeout because it implements
//! the traits of bodies and buffers.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{Flow, OpenCall};
use crate::transport::bounds::CountGuard;

pin_project! {
    /// `body` of a call that counts as in progress until the last byte of it was taken.
    pub(in crate::transport) struct Outgoing<B> {
        #[pin]
        body: B,
        call: OpenCall,
        guard: Option<Arc<CountGuard>>,
    }
}

impl<B> Outgoing<B> {
    pub(crate) fn new(body: B, call: OpenCall, guard: Option<Arc<CountGuard>>) -> Self {
        Self { body, call, guard }
    }
}

impl<B: Body<Data = Bytes>> Body for Outgoing<B> {
    type Data = Chunk;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Chunk>, B::Error>>> {
        let this = self.project();
        let chunk = |bytes| Chunk::new(bytes, &this.call.0, this.guard.as_ref());
        this.body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A part of an answer, until the connection has taken it.
#[derive(Debug)]
pub(in crate::transport) struct Chunk {
    bytes: Bytes,
    flow: Arc<Flow>,
    _guard: Option<Arc<CountGuard>>,
}

impl Chunk {
    fn new(bytes: Bytes, flow: &Arc<Flow>, guard: Option<&Arc<CountGuard>>) -> Self {
        flow.chunks.fetch_add(1, Ordering::Relaxed);
        Self { bytes, flow: Arc::clone(flow), _guard: guard.cloned() }
    }
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.flow.taken.fetch_add(count, Ordering::Relaxed);
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.flow.chunks.fetch_sub(1, Ordering::Relaxed);
        // Counts for an empty chunk as well, so that the progress changes.
        self.flow.taken.fetch_add(1, Ordering::Relaxed);
    }
}
