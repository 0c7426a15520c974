//! One connection, from its first bytes to its end: what it may take its time for, how it learns that it is old, and what it is
//! served with. Apart from the listener, which accepts for all of them.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::codegen::StdError;
use tower::Service;

use super::bounds::Place;
use super::first_bytes::{FirstBytes, Protocol};
use super::listener::{Limits, Rules};
use super::sending::{Noted, Outbox, Outgoing, Patience, unless_stalled};
use crate::grpc::{ClientAddress, Closing};

/// Bytes of a request's head, under HTTP/1 and HTTP/2 alike. The longest token is half of it.
const MAX_HEADER_BYTES: u32 = 16 * 1_024;

/// What an HTTP/2 stream may send before it is read: one message of the largest size.
const STREAM_WINDOW: u32 = 64 * 1_024;

/// The same of a connection. Bodies of calls are read as they come, so this is what those may leave that are not: one stream
/// must not keep the others waiting. A proxy brings the streams of many.
const WINDOW: u32 = 2 * STREAM_WINDOW;
const PROXY_WINDOW: u32 = 16 * STREAM_WINDOW;

/// What answers requests; ready at any time.
pub(super) trait App<B>:
    Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S, B> App<B> for S where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

/// The body of an answer.
pub(super) trait Sent: Body<Data = Bytes, Error: Into<StdError>> + Send + 'static {}

impl<B> Sent for B where B: Body<Data = Bytes, Error: Into<StdError>> + Send + 'static {}

/// A connection that was accepted.
pub(super) struct Connection {
    context: Context,
    is_proxy: bool,
    rules: Arc<Rules>,
    stopping: CancellationToken,
}

/// What every request of a connection shares.
#[derive(Clone)]
struct Context {
    peer: IpAddr,
    closing: Closing,
    outbox: Arc<Outbox>,
}

/// A connection that has begun. In a box: within the future that drives it, it would take its room several times; and
/// that future is one for both protocols, with TLS and without.
type Begun = Pin<Box<dyn GracefulConnection<Output = hyper::Result<()>, Error = hyper::Error> + Send>>;

impl Connection {
    /// `stopping` is cancelled when the server stops.
    pub fn new(peer: IpAddr, is_proxy: bool, rules: Arc<Rules>, stopping: CancellationToken) -> Self {
        let closing = Closing(Arc::new(stopping.child_token()));
        Self { context: Context { peer, closing, outbox: Arc::default() }, is_proxy, rules, stopping }
    }

    /// Serves it to its end, on the runtime of its own thread from now on.
    pub async fn serve<S: App<B>, B: Sent>(self, stream: std::net::TcpStream, app: S) {
        let limits = &self.rules.limits;
        let Ok(stream) = TcpStream::from_std(stream) else { return };
        // Only ever fails on a connection that is gone already.
        let _ = stream.set_nodelay(true);
        let soon = Instant::now() + limits.first_bytes;
        let (connection, protocol) = match &self.rules.tls {
            None => {
                let said = {
                    let said = std::pin::pin!(timeout_at(soon, Protocol::of(&stream)));
                    self.before(said).await
                };
                let Some(protocol) = said else { return };
                (self.speak(protocol, Noted::new(stream, Arc::clone(&self.context.outbox)), soon, app), protocol)
            }
            // In a box: within this future, a connection in the clear would have room for a handshake.
            Some(tls) => {
                let said = Box::pin(timeout_at(soon, tls.begin(stream, &self.context.outbox)));
                let Some((stream, protocol)) = self.before(said).await else { return };
                (self.speak(protocol, stream, soon, app), protocol)
            }
        };
        let patience = Patience { usual: limits.unread, last: limits.unread.min(limits.drain / 10) };
        let driven = self.drive(connection, protocol);
        if unless_stalled(&self.context.outbox, patience, &self.stopping, driven).await.is_none() {
            tracing::debug!(event = "unread", peer = %self.context.peer);
        }
    }

    /// What a connection says first; nothing when it fails, is late, or the server stops before. Pinned by the caller, for
    /// what is moved into a future has its room there twice.
    async fn before<T>(&self, said: impl Future<Output = Result<io::Result<T>, Elapsed>> + Unpin) -> Option<T> {
        tokio::select! {
            said = said => said.ok()?.ok(),
            () = self.stopping.cancelled() => None,
        }
    }

    fn speak<S: App<B>, B: Sent>(
        &self,
        protocol: Protocol,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        soon: Instant,
        app: S,
    ) -> Begun {
        let io = TokioIo::new(FirstBytes::new(stream, soon, self.stopping.clone()));
        let context = self.context.clone();
        let service = service_fn(move |request| answer(app.clone(), request, context.clone()));
        let limits = &self.rules.limits;
        match protocol {
            Protocol::Http1 => Box::pin(http1(limits).serve_connection(io, service)),
            Protocol::Http2 => Box::pin(http2(limits, self.is_proxy).serve_connection(io, service)),
        }
    }

    /// To its end. Whatever is under way is finished, at its age and when the server stops: calls have a time limit of their own,
    /// and streams hear of it ([`Closing`]).
    async fn drive(&self, mut connection: Begun, protocol: Protocol) {
        let (limits, closing) = (&self.rules.limits, &self.context.closing.0);
        tokio::select! {
            _ = connection.as_mut() => return,
            // When the server stops. The connection's own, for this is asked at every poll, and that one is everybody's.
            () = closing.cancelled() => {}
            () = sleep(limits.age) => closing.cancel(),
        }
        if protocol == Protocol::Http1 {
            // HTTP/1 has no other way to say so than the next answer ([`answer`]). A request may be under way that is not here
            // yet, so a silent connection is closed at its idle limit, or, when the server stops, after longer than it could
            // have been under way.
            let stopped = async {
                self.stopping.cancelled().await;
                sleep(limits.drain / 20).await;
            };
            tokio::select! {
                _ = connection.as_mut() => return,
                () = stopped => {}
            }
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header).max_buf_size(MAX_HEADER_BYTES as usize);
    builder
}

fn http2(limits: &Limits, is_proxy: bool) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.ping)
        .keep_alive_timeout(limits.pong)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(MAX_HEADER_BYTES)
        // Guards against rapid reset and its kin; hyper's own defaults, stated so that none is lost by passing `None`.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(1_024)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(if is_proxy { PROXY_WINDOW } else { WINDOW });
    builder
}

async fn answer<S: App<B>, B: Sent>(
    mut app: S,
    mut request: Request<Incoming>,
    context: Context,
) -> Result<Response<Outgoing<B>>, Infallible> {
    // In the extensions, where no header reaches and both gRPC and REST find it.
    request.extensions_mut().insert(ClientAddress(context.peer));
    request.extensions_mut().insert(context.closing.clone());
    let is_http2 = request.version() == Version::HTTP_2;
    let mut response = app.call(request).await?;
    if response.status() == StatusCode::NO_CONTENT {
        // RFC 9110 section 8.6 forbids it; axum gives one to the answer of every HEAD.
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    if !is_http2 && context.closing.0.is_cancelled() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let place = response.extensions_mut().remove::<Arc<Place>>();
    Ok(response.map(|body| Outgoing::new(body, context.outbox, place)))
}
