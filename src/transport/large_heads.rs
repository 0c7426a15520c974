//! Requests with a head that is too large. Over HTTP/1, hyper answers them without a body and closes the connection;
//! [`LargeHeads`] replaces that answer on its way to the socket. Over HTTP/2, the `h2` crate could answer only with a
//! bare status, so it accepts more than the limit, and the router refuses the call ([`is_large`]).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response, Version};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// The most bytes of a request's head, in HTTP/1 and HTTP/2. The longest token takes half of them.
pub(super) const MAX_HEAD: usize = 16 * 1_024;

/// The bytes of a head that HTTP/2 accepts, so that the router can refuse it: more than usual proxies forward. Every
/// connection may hold so many of a head that is incomplete. A larger head gets 431 without a body, and one of more
/// than four times as many bytes ends its connection.
pub(super) const MAX_HTTP2_HEAD: u32 = 64 * 1_024;

/// Makes the answer to a head that begins with these bytes.
pub(crate) type LargeHeadAnswer = Arc<dyn Fn(&[u8]) -> Response<bytes::Bytes> + Send + Sync>;

/// Whether the head of a request over HTTP/2 is larger than [`MAX_HEAD`], counted as RFC 9113 section 6.5.2 says. Over
/// HTTP/1, no such request arrives.
pub(super) fn is_large<B>(request: &Request<B>) -> bool {
    if request.version() != Version::HTTP_2 {
        return false;
    }
    let fields: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
    fields + request.uri().path_and_query().map_or(0, |target| target.as_str().len()) > MAX_HEAD
}

/// The beginning of hyper's answer. No other answer to an HTTP/1 request begins so.
const BARE_ANSWER: &[u8] = b"HTTP/1.1 431 ";

/// The line of hyper's answer that the new headers replace.
const NO_BODY: &[u8] = b"content-length: 0\r\n";

/// The bytes of a head that are kept: its method, the beginning of its path, and the first headers, among which a
/// browser sends `Origin`.
const START: usize = 1_024;

/// How long the rest of a refused head is read, and the most bytes of it. If unread bytes were left, the system would
/// reset the connection, and the client might lose the answer.
const REST_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_REST: usize = 1_024 * 1_024;

/// An HTTP/1 stream that replaces hyper's answer to a head that is too large.
pub(super) struct LargeHeads<S> {
    stream: S,
    answer: Option<LargeHeadAnswer>,
    /// The beginning of what was read since the last write: the latest head, or a part of its body.
    start: Vec<u8>,
    has_written: bool,
    refused: Option<Refused>,
}

/// The answer that is being sent, and what is left to read after it.
struct Refused {
    answer: Vec<u8>,
    sent: usize,
    is_shut_down: bool,
    rest: usize,
    timer: Pin<Box<Sleep>>,
}

impl<S> LargeHeads<S> {
    /// Without `answer`, hyper's own answer is sent.
    pub(super) fn new(stream: S, answer: Option<LargeHeadAnswer>) -> Self {
        Self { stream, answer, start: Vec::new(), has_written: true, refused: None }
    }

    /// Replaces `bare` if it is hyper's answer.
    fn refuse(&mut self, bare: &[u8]) {
        let Some(answer) = self.answer.as_ref().filter(|_| bare.starts_with(BARE_ANSWER)) else { return };
        let Some(at) = bare.windows(NO_BODY.len()).position(|line| line == NO_BODY) else { return };
        let (head, body) = answer(&self.start).into_parts();
        let mut bytes = bare[..at].to_vec();
        for (name, value) in &head.headers {
            bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        bytes.extend(format!("content-length: {}\r\n", body.len()).into_bytes());
        bytes.extend(&bare[at + NO_BODY.len()..]);
        if !self.start.starts_with(b"HEAD ") {
            bytes.extend(body);
        }
        let timer = Box::pin(sleep(REST_TIMEOUT));
        self.refused = Some(Refused { answer: bytes, sent: 0, is_shut_down: false, rest: MAX_REST, timer });
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LargeHeads<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        let new = &buf.filled()[before..];
        if !new.is_empty() && std::mem::take(&mut self.has_written) {
            self.start.clear();
            self.start.extend(&new[..new.len().min(START)]);
        }
        poll
    }
}

impl<S: AsyncWrite + Unpin> LargeHeads<S> {
    /// Sends the replaced answer instead of `bare`, if this is hyper's answer.
    fn poll_refuse(&mut self, cx: &mut Context<'_>, bare: &[u8]) -> Option<Poll<io::Result<usize>>> {
        self.has_written = true;
        if self.refused.is_none() {
            self.refuse(bare);
        }
        let Refused { answer, sent, .. } = self.refused.as_mut()?;
        while *sent < answer.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &answer[*sent..]) {
                Poll::Ready(Ok(0)) => return Some(Poll::Ready(Ok(0))),
                Poll::Ready(Ok(more)) => *sent += more,
                other => return Some(other),
            }
        }
        Some(Poll::Ready(Ok(bare.len())))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for LargeHeads<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.poll_refuse(cx, bytes) {
            Some(refused) => refused,
            None => Pin::new(&mut self.stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
        match self.poll_refuse(cx, first) {
            Some(refused) => refused,
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// After a refused head, also reads its rest.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(refused) = &mut this.refused else { return Pin::new(&mut this.stream).poll_shutdown(cx) };
        if !refused.is_shut_down {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            refused.is_shut_down = true;
        }
        let mut bytes = [0; 4_096];
        while refused.timer.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buf))?;
            match refused.rest.checked_sub(buf.filled().len()) {
                Some(rest) if !buf.filled().is_empty() => refused.rest = rest,
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
