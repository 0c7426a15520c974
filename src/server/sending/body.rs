//! An answer's body in chunks that know when they have been taken. Separate for the two traits that it takes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::Outbox;
use crate::server::bounds::Place;

pin_project! {
    /// `body`, of a call whose place is held until the last byte of it has been taken.
    pub(in crate::server) struct Outgoing<B> {
        #[pin]
        body: B,
        outbox: Arc<Outbox>,
        place: Option<Arc<Place>>,
    }
}

impl<B> Outgoing<B> {
    pub fn new(body: B, outbox: Arc<Outbox>, place: Option<Arc<Place>>) -> Self {
        Self { body, outbox, place }
    }
}

impl<B: Body<Data = Bytes>> Body for Outgoing<B> {
    type Data = Chunk;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Chunk>, B::Error>>> {
        let this = self.project();
        let chunk = |bytes| Chunk::new(bytes, this.outbox, this.place.as_ref());
        this.body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A part of an answer, until the connection has taken it over.
#[derive(Debug)]
pub(in crate::server) struct Chunk {
    bytes: Bytes,
    outbox: Arc<Outbox>,
    _place: Option<Arc<Place>>,
}

impl Chunk {
    fn new(bytes: Bytes, outbox: &Arc<Outbox>, place: Option<&Arc<Place>>) -> Self {
        outbox.chunks.fetch_add(1, Ordering::Relaxed);
        Self { bytes, outbox: Arc::clone(outbox), _place: place.cloned() }
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
        self.outbox.taken.fetch_add(count, Ordering::Relaxed);
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.outbox.chunks.fetch_sub(1, Ordering::Relaxed);
        // Also of an empty one: something has moved.
        self.outbox.taken.fetch_add(1, Ordering::Relaxed);
    }
}
