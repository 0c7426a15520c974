//! The limits and rules of connections. Separate because the listener and each of its connections keep to them.

use std::sync::Arc;
use std::time::Duration;

use super::bounds::Bounds;
use super::large_heads::LargeHeadAnswer;
use super::tls::Tls;

/// The limits of a connection, and of their number.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Threads that serve connections, each with a runtime of its own; with 0, the runtime of the caller serves.
    pub threads: usize,
    /// Connections at a time; further ones wait in the queue of the system.
    pub connections: usize,
    /// The deadline of the first bytes of a connection, of a complete HTTP/2 preface, and of a TLS handshake.
    pub first_bytes: Duration,
    /// The deadline of a complete HTTP/1 head, and the idle timeout of an HTTP/1 connection.
    pub header: Duration,
    /// The time between two pings of an HTTP/2 connection.
    pub ping: Duration,
    /// The deadline of the answer to a ping, after which the peer counts as gone.
    pub pong: Duration,
    /// Calls at a time on one HTTP/2 connection.
    pub streams: u32,
    /// The age at which a connection is asked to end, so that a load balancer can spread clients anew.
    pub age: Duration,
    /// How long a peer may read nothing while something waits to be sent.
    pub unread: Duration,
    /// The deadline of calls in progress at the end of the process.
    pub drain: Duration,
    /// The time between two reads of the TLS files. A new certificate is used once two reads have found it.
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
            // The last writes have the rest of the ten seconds in which the process ends (`server::run`).
            drain: Duration::from_secs(9),
            reread: Duration::from_secs(1),
        }
    }
}

/// The rules that all connections of a listener share.
pub(crate) struct ConnectionRules {
    pub limits: Limits,
    /// TLS; `None` for plain text.
    pub tls: Option<Tls>,
    /// Limits by address; `None` for a listener without them.
    pub bounds: Option<Arc<Bounds>>,
    /// Answers HTTP/1 heads that are too large; `None` for an answer without a body.
    pub large_head: Option<LargeHeadAnswer>,
}
