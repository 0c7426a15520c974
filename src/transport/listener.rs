//! Accepts connections, and drains them when the server stops. Written around hyper because neither tonic's nor axum's
//! server returns while a silent peer is connected.
//!
//! Only settings of connections belong here. A rule for *calls* belongs on the stack (`grpc`), which REST passes as
//! well.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connection::{AnswerBody, Connection, HttpService};
use super::limits::ConnectionRules;
use super::workers::Workers;

/// The bytes that the system receives of a connection before they are read, as large as the largest head. By default it
/// grows to megabytes. What a flood sends beyond this waits in the memory of its sender, and wakes nobody here.
const UNREAD: u32 = 16 * 1_024;

/// The connections that wait to be accepted, as many as tokio allows by default.
const BACKLOG: u32 = 1_024;

/// Opens the port, for the runtime of the current thread.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Its connections inherit it, and only before a connection is made does it limit the window that is offered.
    socket.set_recv_buffer_size(UNREAD)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

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
