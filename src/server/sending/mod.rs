//! Whether a peer takes what it is sent. hyper sets no limit here: a peer that reads nothing more keeps its connection and its
//! answers for ever, whether it leaves the socket unread or, over HTTP/2, answers pings and opens no window.
//!
//! `body` gives answers out in chunks that note when they are taken, `socket` notes what the system takes, and the connection is
//! dropped ([`unless_stalled`]) when something waits and none of it was taken for a time. One byte begins that time anew, so
//! whoever reads slowly is not hurried. A stream that has nothing to say waits for nothing.

mod body;
mod socket;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub(super) use body::Outgoing;
pub(super) use socket::Noted;

/// What one connection has to send.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Chunks of answers that have begun to wait and are not all taken.
    chunks: AtomicUsize,
    /// Bytes of chunks that were taken.
    taken: AtomicUsize,
    /// Whether the system takes nothing at the moment.
    is_blocked: AtomicBool,
    /// Bytes that the system has taken.
    written: AtomicUsize,
    /// Whether the peer has taken nothing for too long.
    is_given_up: AtomicBool,
}

/// What a connection waits with, at some moment. Two that are equal mean that nothing was taken in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// Pings are written all the while, so only answers count.
    Answers(usize),
    Bytes(usize),
}

impl Outbox {
    fn waits(&self) -> Option<Waits> {
        if self.chunks.load(Ordering::Relaxed) > 0 {
            Some(Waits::Answers(self.taken.load(Ordering::Relaxed)))
        } else if self.is_blocked.load(Ordering::Relaxed) {
            Some(Waits::Bytes(self.written.load(Ordering::Relaxed)))
        } else {
            None
        }
    }
}

/// Is over when something has waited for too long.
type Limit = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How long a peer may take nothing of what waits for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub usual: Duration,
    /// Once the server stops.
    pub last: Duration,
}

/// What becomes of a connection's `work`, or `None` when its peer takes nothing. Looks whenever the work is polled, which pings
/// see to.
pub(super) async fn unless_stalled<T>(
    outbox: &Outbox,
    patience: Patience,
    stopping: &CancellationToken,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let mut waiting: Option<(Waits, Limit)> = None;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        let Some(now) = outbox.waits() else {
            waiting = None;
            return Poll::Pending;
        };
        if waiting.as_ref().is_none_or(|(since, _)| *since != now) {
            let stopping = stopping.clone();
            let limit: Limit = Box::pin(async move {
                tokio::select! {
                    () = sleep(patience.usual) => {}
                    () = async { stopping.cancelled().await; sleep(patience.last).await } => {}
                }
            });
            waiting = Some((now, limit));
        }
        let Some((_, limit)) = &mut waiting else { return Poll::Pending };
        limit.as_mut().poll(cx).map(|()| {
            outbox.is_given_up.store(true, Ordering::Relaxed);
            None
        })
    })
    .await
}
