//! Accepts connections, and drains them when the server stops. Written around hyper because neither tonic's nor axum's
//! server returns while a silent peer is connected.
//!
//! Only settings of connections belong here. A rule for *calls* belongs on the stack (`grpc`), which REST passes as
//! well.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connection::{AnswerBody, Connection, HttpService};
use super::limits::ConnectionRules;
use super::workers::Workers;

/// Serves connections until `stop`, and then drains them for at most [`Limits::drain`](super::Limits::drain).
pub(crate) async fn serve<S: HttpService<B>, B: AnswerBody>(
    listener: TcpListener,
    app: S,
    stop: impl Future<Output = ()>,
    rules: ConnectionRules,
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
                    // A socket for both protocols shows IPv4 clients as IPv6 addresses.
                    let address = peer.ip().to_canonical();
                    let admitted = rules.bounds.as_ref().map(|bounds| bounds.connect(address).ok_or(())).transpose();
                    // The stream is dropped, and thus closed, if its address has too many connections.
                    let Ok(admitted) = admitted else { continue };
                    let is_proxy = admitted.as_ref().is_some_and(|peer| peer.is_proxy);
                    // Fails only for a connection that is gone already: there is always a worker thread.
                    let (Ok(stream), Some(slot)) = (stream.into_std(), workers.slot()) else { continue };
                    let (runtime, held) = (slot.runtime.clone(), (permit, slot, admitted));
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
    // Closes the port first: the system refuses new clients at once, and they can try another replica.
    drop(listener);
    stopping.cancel();
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(rules.limits.drain, drained).await.is_err() {
        tracing::warn!(event = "drain", cut_off = connections.len());
    }
}

/// Pauses after a failed accept, unless the connection was only aborted before it was accepted. Without free file
/// descriptors, accepting fails at once for as long as there are none, and the loop must not spin.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::error!(event = "accept", cause = error as &dyn std::error::Error);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
