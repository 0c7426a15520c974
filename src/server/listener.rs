//! The one port: accepting, and the drain. Of our own around hyper because neither tonic's nor axum's server returns while a
//! silent peer is connected.
//!
//! Knobs of connections only. What must hold for a *call* belongs on the stack (`grpc`), where REST passes too.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::bounds::Bounds;
use super::connection::{App, Connection, Sent};
use super::tls::Tls;
use super::workers::Workers;

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
    /// How long a peer may take nothing of what it is sent.
    pub unread: Duration,
    /// What calls under way are given at the end of the process.
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
            unread: Duration::from_secs(30),
            drain: Duration::from_secs(10),
            reread: Duration::from_secs(1),
        }
    }
}

/// What all connections keep to.
pub(super) struct Rules {
    pub limits: Limits,
    /// None: in the clear.
    pub tls: Option<Tls>,
    /// None: whoever comes may have any number of connections.
    pub bounds: Option<Arc<Bounds>>,
}

/// Serves until `stop`, then drains, for [`Limits::drain`] at most.
pub(super) async fn serve<S: App<B>, B: Sent>(
    listener: TcpListener,
    app: S,
    stop: impl Future<Output = ()>,
    rules: Rules,
    workers: &Workers,
) {
    let permits = Arc::new(Semaphore::new(rules.limits.connections));
    let rules = Arc::new(rules);
    let stopping = CancellationToken::new();
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
                    // Of an IPv4 client of a socket that takes both, its IPv4 address.
                    let address = peer.ip().to_canonical();
                    let known = rules.bounds.as_ref().map(|bounds| bounds.connect(address).ok_or(())).transpose();
                    // Dropped, and so closed, if there are too many from there.
                    let Ok(known) = known else { continue };
                    let is_proxy = known.as_ref().is_some_and(|peer| peer.is_proxy);
                    // Fails on a connection that is gone already; there is always a worker.
                    let (Ok(stream), Some(place)) = (stream.into_std(), workers.place()) else { continue };
                    let (runtime, held) = (place.runtime.clone(), (permit, place, known));
                    let connection = Connection::new(address, is_proxy, Arc::clone(&rules), stopping.clone());
                    let app = app.clone();
                    let served = async move {
                        connection.serve(stream, app).await;
                        drop(held);
                    };
                    connections.spawn_on(served, &runtime);
                }
                Err(error) => pause_after(&error).await,
            },
        }
    }
    // Closes the port first: who connects from now on is refused by the system and can try elsewhere.
    drop(listener);
    stopping.cancel();
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(rules.limits.drain, drained).await.is_err() {
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
