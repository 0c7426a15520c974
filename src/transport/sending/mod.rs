//! What flows over a connection. Reading from it pauses when its calls are refused for their number (`bounds::pacing`),
//! so that a flood waits in the sockets of its sender. And a connection is closed if its peer stopped reading: hyper
//! has no limit here: such a peer keeps its connection and its answers in memory for ever, whether it leaves the socket
//! unread or, in HTTP/2, answers pings but opens no window.
//!
//! `body` sends answers in chunks that record when they are taken, and `socket` records what the system takes. The
//! connection is dropped ([`unless_stalled`]) when something waits to be sent and none of it was taken for a time. Each
//! byte restarts that time, so slow readers are not affected. A stream with nothing to send is not affected either.

mod body;
mod socket;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub(super) use body::Outgoing;
pub(super) use socket::ObservedSocket;

/// The data that one connection has to send, and the pause until more is read from it.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// The next pause in reading, in microseconds; 0 for none.
    pause: AtomicU64,
    /// The number of calls that wait for the rest of their body.
    awaited: AtomicUsize,
    /// The number of calls with an answer that is not completely sent.
    calls: AtomicUsize,
    /// The number of chunks that are not yet completely taken.
    chunks: AtomicUsize,
    /// The number of bytes of chunks that were taken.
    taken: AtomicUsize,
    /// Whether the system takes no bytes at the moment.
    is_blocked: AtomicBool,
    /// The number of bytes that the system has taken.
    written: AtomicUsize,
    /// Whether the peer has read nothing for too long.
    is_given_up: AtomicBool,
}

/// The progress of a connection with data to send. Two equal values mean that nothing was taken in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SendProgress {
    /// While answers wait, only they count, because pings are written all the time.
    Answers(usize),
    Bytes(usize),
}

/// A call in progress on a connection, until this is dropped.
#[derive(Debug)]
pub(super) struct OpenCall(Arc<Flow>);

impl OpenCall {
    pub(super) fn new(flow: Arc<Flow>) -> Self {
        flow.calls.fetch_add(1, Ordering::Relaxed);
        Self(flow)
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A call that waits for the rest of its body, until this is dropped.
#[derive(Debug)]
pub(super) struct AwaitedBody(Arc<Flow>);

impl AwaitedBody {
    pub(super) fn new(flow: Arc<Flow>) -> Self {
        flow.awaited.fetch_add(1, Ordering::Relaxed);
        Self(flow)
    }
}

impl Drop for AwaitedBody {
    fn drop(&mut self) {
        self.0.awaited.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Flow {
    /// Whether a call is in progress, or data waits to be sent.
    pub(super) fn is_busy(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > 0 || self.progress().is_some()
    }

    /// Lets nothing be read for this time.
    pub(super) fn pause(&self, time: Duration) {
        self.pause.fetch_max(time.as_micros().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn progress(&self) -> Option<SendProgress> {
        if self.chunks.load(Ordering::Relaxed) > 0 {
            Some(SendProgress::Answers(self.taken.load(Ordering::Relaxed)))
        } else if self.is_blocked.load(Ordering::Relaxed) {
            Some(SendProgress::Bytes(self.written.load(Ordering::Relaxed)))
        } else {
            None
        }
    }
}

/// Completes when something has waited for too long.
type StallTimer = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How long a peer may read nothing while data waits for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct StallLimits {
    pub usual: Duration,
    /// The limit once the server stops.
    pub stopping: Duration,
}

/// The result of a connection's `work`, or `None` if its peer has stopped reading. SendProgress is checked whenever the
/// work is polled, which pings cause.
pub(super) async fn unless_stalled<T>(
    flow: &Flow,
    limits: StallLimits,
    stopping: &CancellationToken,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = std::pin::pin!(work);
    let mut waiting: Option<(SendProgress, StallTimer)> = None;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        let Some(now) = flow.progress() else {
            waiting = None;
            return Poll::Pending;
        };
        if waiting.as_ref().is_none_or(|(since, _)| *since != now) {
            let stopping = stopping.clone();
            let timer: StallTimer = Box::pin(async move {
                tokio::select! {
                    () = sleep(limits.usual) => {}
                    () = async { stopping.cancelled().await; sleep(limits.stopping).await } => {}
                }
            });
            waiting = Some((now, timer));
        }
        let Some((_, timer)) = &mut waiting else { return Poll::Pending };
        timer.as_mut().poll(cx).map(|()| {
            flow.is_given_up.store(true, Ordering::Relaxed);
            None
        })
    })
    .await
}
