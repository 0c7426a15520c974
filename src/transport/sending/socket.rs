//! A socket that records how many bytes the system takes. It is below TLS, because the buffer of TLS takes bytes that
//! nobody has read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Outbox;

/// `stream` with a record of its writes.
#[derive(Debug)]
pub(in crate::transport) struct ObservedSocket {
    stream: TcpStream,
    outbox: Arc<Outbox>,
}

impl ObservedSocket {
    pub(crate) fn new(stream: TcpStream, outbox: Arc<Outbox>) -> Self {
        Self { stream, outbox }
    }

    fn record(&self, poll: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.outbox.is_blocked.store(poll.is_pending(), Ordering::Relaxed);
        if let Poll::Ready(Ok(written)) = &poll {
            self.outbox.written.fetch_add(*written, Ordering::Relaxed);
        }
        poll
    }
}

impl AsyncRead for ObservedSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
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
        if self.outbox.is_given_up.load(Ordering::Relaxed) {
            // Closes with a reset: otherwise the system would keep the unread bytes for minutes.
            let _ = self.stream.set_zero_linger();
        }
    }
}
