//! The one port: accepting, the limits of a connection, and the drain. Of our own around hyper because neither
//! tonic's nor axum's server returns while a silent peer is connected.
//!
//! Knobs of connections only. What must hold for a *call* belongs on the stack (`grpc`), where REST passes too.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::codegen::StdError;
use tower::Service;

use super::first_bytes::{FirstBytes, Protocol};
use super::tls::Tls;
use super::workers::Workers;
use crate::grpc::ClientAddress;

/// Bytes of a request's head, under HTTP/1 and HTTP/2 alike. The longest token is half of it.
const MAX_HEADER_BYTES: u32 = 16 * 1_024;

/// What one connection may do, and how many there may be.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Threads that serve them, each a runtime of its own; none: the caller's runtime serves.
    pub threads: usize,
    /// Connections at a time; more wait in the system's queue.
    pub connections: usize,
    /// Until the first bytes of a connection, and of a half-sent HTTP/2 preface. Under TLS, of what was encrypted.
    pub first_bytes: Duration,
    /// Until an HTTP/1 head is complete, and how long such a connection may idle.
    pub header: Duration,
    /// Between two pings of an HTTP/2 connection, …
    pub ping: Duration,
    /// … and until the answer to one: a peer that is gone or stalled is not waited for.
    pub pong: Duration,
    /// Calls at a time on an HTTP/2 connection.
    pub streams: u32,
    /// After which a connection is asked to end, so that a balancer can spread clients anew.
    pub age: Duration,
    /// What calls under way are given at the end, of a connection or of the process.
    pub drain: Duration,
    /// Between two looks at the files of TLS: a new certificate is used after the second that finds it.
    pub reread: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            connections: 20_000,
            first_bytes: Duration::from_secs(10),
            header: Duration::from_secs(20),
            ping: Duration::from_secs(20),
            pong: Duration::from_secs(10),
            streams: 200,
            age: Duration::from_secs(3_600),
            drain: Duration::from_secs(10),
            reread: Duration::from_secs(1),
        }
    }
}

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

/// Serves until `stop`, then drains, for [`Limits::drain`] at most. Without `tls`, in the clear.
pub(super) async fn serve<S: App<B>, B: Sent>(
    listener: TcpListener,
    app: S,
    stop: impl Future<Output = ()>,
    limits: Limits,
    tls: Option<Tls>,
    workers: &Workers,
) {
    let permits = Arc::new(Semaphore::new(limits.connections));
    let (stopping, stopped) = watch::channel(());
    let rules = Arc::new((limits, tls));
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accept = async {
            // Never closed, so never an error.
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            (permit, accepted) = accept => match accepted {
                Ok((stream, peer)) => {
                    // Fails on a connection that is gone already; there is always a worker.
                    let (Ok(stream), Some(place)) = (stream.into_std(), workers.place()) else { continue };
                    let (runtime, held) = (place.runtime.clone(), (permit, place));
                    let connection = connection(stream, peer, app.clone(), Arc::clone(&rules), stopped.clone(), held);
                    connections.spawn_on(connection, &runtime);
                }
                Err(error) => pause_after(&error).await,
            },
        }
    }
    // Closes the port first: who connects from now on is refused by the system and can try elsewhere.
    drop(listener);
    drop(stopping);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(rules.0.drain, drained).await.is_err() {
        tracing::warn!(event = "drain", cut_off = connections.len());
    }
}

/// A connection that was aborted before it was accepted is no matter. Without free file descriptors, accepting fails at
/// once and for as long as there are none: then the loop must not spin.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::error!(event = "accept", cause = error as &dyn std::error::Error);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Serves one connection. `_held` is let go when it is over.
async fn connection<S: App<B>, B: Sent>(
    stream: std::net::TcpStream,
    peer: SocketAddr,
    app: S,
    rules: Arc<(Limits, Option<Tls>)>,
    mut stopped: watch::Receiver<()>,
    _held: impl Send,
) {
    let (limits, tls) = &*rules;
    // On the runtime of its own thread from now on.
    let Ok(stream) = TcpStream::from_std(stream) else { return };
    // Only ever fails on a connection that is gone already.
    let _ = stream.set_nodelay(true);
    let soon = Instant::now() + limits.first_bytes;
    let connection = match tls {
        None => {
            let said = {
                let said = std::pin::pin!(timeout_at(soon, Protocol::of(&stream)));
                before(&mut stopped, said).await
            };
            let Some(protocol) = said else { return };
            speak(protocol, FirstBytes::new(stream, soon, stopped.clone()), app, peer, limits)
        }
        // In a box: within this future, a connection in the clear would have room for a handshake.
        Some(tls) => {
            let said = Box::pin(timeout_at(soon, tls.begin(stream)));
            let Some((stream, protocol)) = before(&mut stopped, said).await else { return };
            speak(protocol, FirstBytes::new(stream, soon, stopped.clone()), app, peer, limits)
        }
    };
    drive(connection, &mut stopped, limits).await;
}

/// What a connection says first; nothing when it fails, is late, or the server stops before. Pinned by the caller, for
/// what is moved into a future has its room there twice.
async fn before<T>(
    stopped: &mut watch::Receiver<()>,
    said: impl Future<Output = Result<io::Result<T>, Elapsed>> + Unpin,
) -> Option<T> {
    tokio::select! {
        said = said => said.ok()?.ok(),
        _ = stopped.changed() => None,
    }
}

/// A connection that has begun. In a box: within the future that drives it, it would take its room several times; and
/// that future is one for both protocols, with TLS and without.
type Begun = Pin<Box<dyn GracefulConnection<Output = hyper::Result<()>, Error = hyper::Error> + Send>>;

fn speak<S: App<B>, B: Sent>(
    protocol: Protocol,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    app: S,
    peer: SocketAddr,
    limits: &Limits,
) -> Begun {
    let io = TokioIo::new(stream);
    let service = service_fn(move |request| answer(app.clone(), request, peer));
    match protocol {
        Protocol::Http1 => Box::pin(http1(limits).serve_connection(io, service)),
        Protocol::Http2 => Box::pin(http2(limits).serve_connection(io, service)),
    }
}

async fn drive(mut connection: Begun, stopped: &mut watch::Receiver<()>, limits: &Limits) {
    tokio::select! {
        _ = connection.as_mut() => return,
        // Its sender is dropped: the server stops, and counts and cuts off what outlasts the drain.
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
            return;
        }
        () = tokio::time::sleep(limits.age) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(limits.drain, connection).await;
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header).max_buf_size(MAX_HEADER_BYTES as usize);
    builder
}

fn http2(limits: &Limits) -> http2::Builder<TokioExecutor> {
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
        // What a stream may send before it is read: one message of the largest size.
        .initial_stream_window_size(64 * 1_024)
        .initial_connection_window_size(1_024 * 1_024);
    builder
}

async fn answer<S: App<B>, B: Sent>(
    mut app: S,
    mut request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response<B>, Infallible> {
    // In the extensions, where no header reaches and both gRPC and REST find it.
    // Of an IPv4 client of a socket that takes both, its IPv4 address.
    request.extensions_mut().insert(ClientAddress(peer.ip().to_canonical()));
    let mut response = app.call(request).await?;
    if response.status() == StatusCode::NO_CONTENT {
        // RFC 9110 section 8.6 forbids it; axum gives one to the answer of every HEAD.
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    Ok(response)
}
