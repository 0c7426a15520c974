//! The limits of what clients may hold at a time, in total and by client address, as trusted proxies state it. Each
//! limit is checked before anything is kept in memory:
//!
//! 1. **connections** count when one is accepted (`listener`). Beyond the total, connections wait in the queue of the
//!    system; beyond the limit of an address, they are closed at once. A trusted proxy is no client and may have any
//!    number.
//! 2. **calls** count from the end of their head (`routing`) until the last byte of their answer is written. Further
//!    calls are refused before anything of their body is read. [`Count`] counts these two.
//! 3. **streams** count apart from calls, because they are few and last as long as the client likes. The streams of
//!    health and reflection count apart from the others, because anybody may open them.
//! 4. **bytes of bodies** count as they arrive ([`Bodies`]). If there are too many, the slowest body of the client with
//!    most bytes is refused.
//!
//! A client that goes on although it is refused is slowed down ([`Pacing`]).
//!
//! The documentation lists the memory that this allows with the default settings, under "What clients may hold".

mod admission;
mod bodies;
mod body;
mod count;
mod pacing;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ipnet::IpNet;

use crate::config::BoundSettings;

pub(super) use admission::leave_unread;
pub(super) use count::CountGuard;

use bodies::Bodies;
use count::Count;
use pacing::Pacing;

/// The most streams in total, of each of the two kinds. Each has a task and may leave a window of 64 KiB unread.
const STREAMS: usize = 1_024;

/// The most streams of one address, of each of the two kinds.
const STREAMS_OF_ONE: usize = 256;

/// The limits of one process, and how much of each is in use.
#[derive(Debug)]
pub(crate) struct Bounds {
    /// Open connections, by client address.
    pub connections: Arc<Count>,
    /// Calls other than streams.
    pub calls: Arc<Count>,
    /// Streams that need credentials.
    pub streams: Arc<Count>,
    /// Streams that anybody may open. They must not keep out the services that watch revocations.
    pub open_streams: Arc<Count>,
    /// The bytes of incomplete bodies.
    pub bodies: Arc<Bodies>,
    /// Slows down clients that are refused again and again.
    pub pacing: Pacing,
    /// Requests that were refused because their head is too large.
    pub large_heads: AtomicU64,
    trusted_proxies: Vec<IpNet>,
}

/// Lets nothing be read from the connection for a time after its answer. In the extensions of the answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct PauseReading(pub Duration);

/// A connection that was admitted, until this is dropped.
#[derive(Debug)]
pub(super) struct Peer {
    /// Whether the peer is a trusted proxy. Then the addresses of its clients count.
    pub is_proxy: bool,
    _guard: CountGuard,
}

impl Bounds {
    /// The limits of the settings.
    pub(crate) fn new(settings: &BoundSettings, trusted_proxies: Vec<IpNet>) -> Self {
        Self {
            // The total is limited by the listener, which lets further connections wait.
            connections: Count::new(usize::MAX, settings.connections_of_one()),
            calls: Count::new(settings.max_calls, settings.calls_of_one()),
            streams: Count::new(STREAMS, STREAMS_OF_ONE),
            open_streams: Count::new(STREAMS, STREAMS_OF_ONE),
            bodies: Bodies::new(settings.max_body_bytes, settings.body_bytes_of_one()),
            pacing: Pacing::new(),
            large_heads: AtomicU64::new(0),
            trusted_proxies,
        }
    }

    /// Admits a connection, unless its address has too many.
    pub(super) fn connect(&self, address: IpAddr) -> Option<Peer> {
        let address = address.to_canonical();
        let is_proxy = self.is_proxy(address);
        let guard = self.connections.take(Some(address).filter(|_| !is_proxy))?;
        Some(Peer { is_proxy, _guard: guard })
    }

    /// Whether this is the address of a trusted proxy.
    fn is_proxy(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }

    /// How often each limit refused something since the start.
    pub(crate) fn refused(&self) -> [(&'static str, u64); 5] {
        [
            ("connections", self.connections.refused()),
            ("calls", self.calls.refused()),
            ("streams", self.streams.refused() + self.open_streams.refused()),
            ("bodies", self.bodies.displaced()),
            ("heads", self.large_heads.load(Ordering::Relaxed)),
        ]
    }
}
