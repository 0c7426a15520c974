//! One connection from its first bytes to its end: its deadlines, its protocol, and how it is asked to end at its age
//! or when the server stops. Separate from the listener, which accepts all of them.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::codegen::StdError;
use tower::Service;

use super::bounds::{CountGuard, PauseReading};
use super::first_bytes::{FirstBytes, Protocol};
use super::large_heads::{LargeHeads, MAX_HEAD, MAX_HTTP2_HEAD};
use super::limits::{ConnectionRules, Limits};
use super::request_body::RequestBody;
use super::sending::{Flow, ObservedSocket, OpenCall, Outgoing, StallLimits, unless_stalled};
use crate::grpc::{ClientAddress, Closing};

/// The bytes that an HTTP/2 stream may send before they are read: one message of the largest size.
const STREAM_WINDOW: u32 = 64 * 1_024;

/// The unread bytes of all streams of a connection: of two streams, so that one unread stream does not stop the others.
const WINDOW: u32 = 2 * STREAM_WINDOW;

/// The unread bytes of all streams of a trusted proxy's connection, which carries the calls of many clients.
const PROXY_WINDOW: u32 = 16 * STREAM_WINDOW;

/// How long an idle HTTP/1 connection stays open when the server stops: longer than a request travels within a data
/// centre. HTTP/2 announces the end and waits for the peer to confirm it, so its grace is only for silent peers.
const HTTP1_GRACE: Duration = Duration::from_millis(20);

/// A service that answers HTTP requests and is ready at any time.
pub(crate) trait HttpService<B>:
    Service<Request<RequestBody>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S, B> HttpService<B> for S where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

/// The body of an answer.
pub(crate) trait AnswerBody: Body<Data = Bytes, Error: Into<StdError>> + Send + 'static {}

impl<B> AnswerBody for B where B: Body<Data = Bytes, Error: Into<StdError>> + Send + 'static {}

/// A connection that was just accepted.
pub(super) struct Connection {
    context: Context,
    is_proxy: bool,
    rules: Arc<ConnectionRules>,
    stopping: CancellationToken,
}

/// The values that every request of a connection shares.
#[derive(Clone)]
struct Context {
    peer: IpAddr,
    closing: Closing,
    flow: Arc<Flow>,
}

/// A connection that speaks HTTP. Boxed, because it would take its space several times within the future that drives
/// it, and because that future is the same for both protocols, with and without TLS.
type Begun = Pin<Box<dyn GracefulConnection<Output = hyper::Result<()>, Error = hyper::Error> + Send>>;

impl Connection {
    /// `stopping` is cancelled when the server stops.
    pub(super) fn new(peer: IpAddr, is_proxy: bool, rules: Arc<ConnectionRules>, stopping: CancellationToken) -> Self {
        let closing = Closing(Arc::new(stopping.child_token()));
        Self { context: Context { peer, closing, flow: Arc::default() }, is_proxy, rules, stopping }
    }

    /// Serves the connection to its end, on the runtime of the current thread.
    pub(super) async fn serve<S: HttpService<B>, B: AnswerBody>(self, stream: std::net::TcpStream, app: S) {
        let limits = &self.rules.limits;
        if let Some(bounds) = self.rules.bounds.as_ref().filter(|_| !self.is_proxy) {
            let wait = bounds.pacing.wait(self.context.peer);
            if !wait.is_zero() && timeout(wait, self.stopping.cancelled()).await.is_ok() {
                return;
            }
        }
        let Ok(stream) = TcpStream::from_std(stream) else { return };
        // Fails only for a connection that is gone already.
        let _ = stream.set_nodelay(true);
        let deadline = Instant::now() + limits.first_bytes;
        let (connection, protocol) = match &self.rules.tls {
            None => {
                let protocol = {
                    let protocol = std::pin::pin!(timeout_at(deadline, Protocol::of(&stream)));
                    self.unless_stopping(protocol).await
                };
                let Some(protocol) = protocol else { return };
                let stream = ObservedSocket::new(stream, Arc::clone(&self.context.flow));
                (self.speak(protocol, stream, deadline, app), protocol)
            }
            // Boxed, because a connection without TLS would otherwise reserve space for a handshake in this future.
            Some(tls) => {
                let handshake = Box::pin(timeout_at(deadline, tls.begin(stream, &self.context.flow)));
                let Some((stream, protocol)) = self.unless_stopping(handshake).await else { return };
                (self.speak(protocol, stream, deadline, app), protocol)
            }
        };
        let stall = StallLimits { usual: limits.unread, stopping: limits.unread.min(limits.drain / 10) };
        let driven = self.drive(connection, protocol);
        if unless_stalled(&self.context.flow, stall, &self.stopping, driven).await.is_none() {
            tracing::debug!(event = "unread", peer = %self.context.peer);
        }
    }

    /// The result of the first step of a connection; `None` if it fails, misses its deadline, or the server stops
    /// before. The caller pins the future, because a future that is moved into another one takes its space there twice.
    async fn unless_stopping<T>(
        &self,
        first: impl Future<Output = Result<io::Result<T>, Elapsed>> + Unpin,
    ) -> Option<T> {
        tokio::select! {
            result = first => result.ok()?.ok(),
            () = self.stopping.cancelled() => None,
        }
    }

    fn speak<S: HttpService<B>, B: AnswerBody>(
        &self,
        protocol: Protocol,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        deadline: Instant,
        app: S,
    ) -> Begun {
        let stream = FirstBytes::new(stream, deadline, self.stopping.clone());
        let context = self.context.clone();
        let service = service_fn(move |request| answer(app.clone(), request, context.clone()));
        let limits = &self.rules.limits;
        match protocol {
            Protocol::Http1 => {
                let stream = LargeHeads::new(stream, self.rules.large_head.clone());
                Box::pin(http1(limits).serve_connection(TokioIo::new(stream), service))
            }
            Protocol::Http2 => Box::pin(http2(limits, self.is_proxy).serve_connection(TokioIo::new(stream), service)),
        }
    }

    /// Drives the connection to its end. At its age, and when the server stops, calls in progress are finished: calls
    /// have deadlines of their own, and streams are told to end ([`Closing`]).
    async fn drive(&self, mut connection: Begun, protocol: Protocol) {
        let (limits, closing) = (&self.rules.limits, &self.context.closing.0);
        tokio::select! {
            _ = connection.as_mut() => return,
            // Cancelled when the server stops. A token of this connection, because it is locked at every poll.
            () = closing.cancelled() => {}
            () = sleep(limits.age) => closing.cancel(),
        }
        if protocol == Protocol::Http1 {
            // HTTP/1 can announce the end only in an answer ([`answer`]). A request may be on its way, so an idle
            // connection is closed at its idle timeout, or, when the server stops, after a grace.
            tokio::select! {
                biased;
                _ = connection.as_mut() => return,
                () = self.unused(HTTP1_GRACE) => {}
            }
        }
        connection.as_mut().graceful_shutdown();
        let grace = if protocol == Protocol::Http1 { HTTP1_GRACE } else { limits.drain / 20 };
        // The connection comes first, so that a request which has arrived is not lost.
        tokio::select! {
            biased;
            _ = connection.as_mut() => {}
            () = self.unused(grace) => {}
        }
    }

    /// Completes when the server stops and the connection has no call in progress after `grace`.
    async fn unused(&self, grace: Duration) {
        self.stopping.cancelled().await;
        loop {
            sleep(grace).await;
            if !self.context.flow.is_busy() {
                return;
            }
        }
    }
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header).max_buf_size(MAX_HEAD);
    builder
}

fn http2(limits: &Limits, is_proxy: bool) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.ping)
        .keep_alive_timeout(limits.pong)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(MAX_HTTP2_HEAD)
        // Protects against rapid-reset attacks. These are the defaults of hyper, stated so that they cannot be lost.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(1_024)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(if is_proxy { PROXY_WINDOW } else { WINDOW });
    builder
}

/// Passes a request to the app. Not an async function, which would keep the request until the answer.
fn answer<S: HttpService<B>, B: AnswerBody>(
    mut app: S,
    request: Request<Incoming>,
    context: Context,
) -> impl Future<Output = Result<Response<Outgoing<B>>, Infallible>> + Send {
    let is_http2 = request.version() == Version::HTTP_2;
    let call = OpenCall::new(Arc::clone(&context.flow));
    let mut request = request.map(|body| RequestBody::new(body, is_http2, &context.flow));
    // In the extensions, which no header of a client can set, and which gRPC and REST both read.
    request.extensions_mut().insert(ClientAddress(context.peer));
    request.extensions_mut().insert(context.closing.clone());
    let answer = app.call(request);
    async move {
        let mut response = answer.await?;
        if !is_http2 && context.closing.0.is_cancelled() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(PauseReading(time)) = response.extensions_mut().remove() {
            context.flow.pause(time);
        }
        let guard = response.extensions_mut().remove::<Arc<CountGuard>>();
        Ok(response.map(|body| Outgoing::new(body, call, guard)))
    }
}
