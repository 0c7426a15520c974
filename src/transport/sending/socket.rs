//! A socket that records how many bytes the system takes, and that pauses in reading. It is below TLS, because the
//! buffer of TLS takes bytes that nobody has read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::Flow;

/// The most bytes that are read at a time after a pause: one or two requests. Without this limit, all that has arrived
/// meanwhile would be answered at once.
const PART: usize = 256;

/// The time between two parts.
const BETWEEN_PARTS: Duration = Duration::from_millis(1);

/// The most parts that are read before a pause while a call waits for its body. A call that was admitted would
/// otherwise hold its place through the pause.
const GRACE: u8 = 4;

/// `stream` with a record of its writes, and with pauses in its reads.
#[derive(Debug)]
pub(in crate::transport) struct ObservedSocket {
    stream: TcpStream,
    flow: Arc<Flow>,
    pause: Option<Pin<Box<Sleep>>>,
    /// The parts that may still be read before the next pause.
    grace: u8,
    /// Whether a pause is over, and what has arrived meanwhile is not yet read.
    is_behind: bool,
}

impl ObservedSocket {
    pub(crate) fn new(stream: TcpStream, flow: Arc<Flow>) -> Self {
        Self { stream, flow, pause: None, grace: GRACE, is_behind: false }
    }

    fn record(&self, poll: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.flow.is_blocked.store(poll.is_pending(), Ordering::Relaxed);
        if let Poll::Ready(Ok(written)) = &poll {
            self.flow.written.fetch_add(*written, Ordering::Relaxed);
        }
        poll
    }
}

impl AsyncRead for ObservedSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            if self.flow.pause.load(Ordering::Relaxed) == 0 {
                break;
            }
            self.is_behind = true;
            if self.grace > 0 && self.flow.awaited.load(Ordering::Relaxed) > 0 {
                self.grace -= 1;
                break;
            }
            let micros = self.flow.pause.swap(0, Ordering::Relaxed);
            self.pause = Some(Box::pin(sleep(Duration::from_micros(micros))));
            self.grace = GRACE;
        }
        if !self.is_behind {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let mut bytes = [0; PART];
        let room = buf.remaining().min(PART);
        let mut part = ReadBuf::new(&mut bytes[..room]);
        let poll = Pin::new(&mut self.stream).poll_read(cx, &mut part);
        self.is_behind = poll.is_ready();
        if self.is_behind {
            // Meanwhile the tasks of these requests answer them, which may begin a longer pause.
            self.pause = Some(Box::pin(sleep(BETWEEN_PARTS)));
        }
        buf.put_slice(part.filled());
        poll
    }
}

impl AsyncWrite for ObservedSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.record(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.record(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for ObservedSocket {
    fn drop(&mut self) {
        if self.flow.is_given_up.load(Ordering::Relaxed) {
            // Closes with a reset: otherwise the system would keep the unread bytes for minutes.
            let _ = self.stream.set_zero_linger();
        }
    }
}
