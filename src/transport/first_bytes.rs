//! The first bytes of a connection: they tell its protocol, and they have a deadline. hyper has none here: its own
//! deadlines begin only once it has read the HTTP/2 preface or enough of a head.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.0 or HTTP/1.1, which begin alike.
    Http1,
    /// HTTP/2 with prior knowledge (RFC 9113 section 3.3) or by ALPN.
    Http2,
}

impl Protocol {
    /// Detects the protocol by the connection preface, and waits for its end: without it, hyper could not be asked to
    /// stop. The bytes are only peeked at. hyper-util would read them, and each connection would then need twice the
    /// buffer.
    pub(super) async fn of(stream: &TcpStream) -> io::Result<Self> {
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
            // Peeking cannot wait for more bytes. A client that sends the preface in pieces is rare, and must cost
            // nothing.
            sleep(pause).await;
            pause *= 2;
        }
    }
}

/// The connection preface of HTTP/2 (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The length of the HTTP/2 preface, and less than any HTTP/1.1 request. After so many bytes, the deadlines of hyper
/// apply.
const ENOUGH: usize = PREFACE.len();

/// A stream that fails to read if it has not received [`ENOUGH`] bytes by a deadline or when the server stops.
pub(super) struct FirstBytes<S> {
    stream: S,
    missing: usize,
    deadline: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<S> FirstBytes<S> {
    /// `stopping` matters under TLS, where the client may have sent nothing after the handshake: when hyper is asked to
    /// stop, it waits for a whole preface or head, even if no byte of it has arrived.
    pub(super) fn new(stream: S, deadline: Instant, stopping: CancellationToken) -> Self {
        let deadline = Box::pin(async move {
            tokio::select! {
                () = sleep_until(deadline) => {}
                () = stopping.cancelled() => {}
            }
        });
        Self { stream, missing: ENOUGH, deadline: Some(deadline) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytes<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Some(deadline) = &mut self.deadline {
            if poll.is_pending() && deadline.as_mut().poll(cx).is_ready() {
                // A further read fails as well.
                *deadline = Box::pin(std::future::poll_fn(|_| Poll::Ready(())));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.missing = self.missing.saturating_sub(buf.filled().len() - before);
            if self.missing == 0 {
                self.deadline = None;
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
