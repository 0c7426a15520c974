//! What a connection says first: which protocol it speaks, and that it must say something soon. hyper sets no limit here:
//! until it has read HTTP/2's preface, or enough of a head, none of its own has begun.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.0 or 1.1.
    Http1,
    /// HTTP/2, known to be spoken beforehand (RFC 9113 section 3.3).
    Http2,
}

impl Protocol {
    /// Tells by the connection preface, of which it waits for the end: without it hyper could not be asked to stop. The
    /// bytes stay where they are: hyper-util's own way takes them, and each connection then has twice the buffer.
    pub async fn of(stream: &TcpStream) -> io::Result<Self> {
        let (mut bytes, mut pause) = ([0; PREFACE.len()], Duration::from_millis(10));
        loop {
            let said = stream.peek(&mut bytes).await?;
            if said == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if !PREFACE.starts_with(&bytes[..said]) {
                return Ok(Self::Http1);
            }
            if said == PREFACE.len() {
                return Ok(Self::Http2);
            }
            // Nothing tells when there are more; but who sends a preface in pieces is in no hurry, and must cost nothing.
            sleep(pause).await;
            pause *= 2;
        }
    }
}

/// What a client says first that knows the server to speak HTTP/2 (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The length of HTTP/2's connection preface, and less than any HTTP/1.1 request: by then hyper's own limits apply.
const ENOUGH: usize = PREFACE.len();

/// A stream whose reads fail once a deadline has passed, or the server stops, without [`ENOUGH`] bytes.
pub(super) struct FirstBytes<S> {
    stream: S,
    missing: usize,
    over: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<S> FirstBytes<S> {
    /// `stopping` matters under TLS, where nothing was said before this but the handshake: asked to stop, hyper waits for
    /// the end of a preface or a head of which it has nothing.
    pub fn new(stream: S, deadline: Instant, stopping: CancellationToken) -> Self {
        let over = Box::pin(async move {
            tokio::select! {
                () = sleep_until(deadline) => {}
                () = stopping.cancelled() => {}
            }
        });
        Self { stream, missing: ENOUGH, over: Some(over) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytes<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(over) = &mut self.over {
            if poll.is_pending() && over.as_mut().poll(cx).is_ready() {
                // For whoever asks again.
                *over = Box::pin(std::future::poll_fn(|_| Poll::Ready(())));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.missing = self.missing.saturating_sub(buf.filled().len() - before);
            if self.missing == 0 {
                self.over = None;
            }
        }
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstBytes<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
