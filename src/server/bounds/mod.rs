//! What clients may hold of this process at a time, in all and by the address that they come from, as trusted proxies give it.
//! Each bound is taken before anything is kept:
//!
//! 1. **connections**, when one is accepted (`listener`): in all, more wait in the system's queue; of one address, more are closed
//!    at once. A trusted proxy is no client, and may have any number.
//! 2. **calls**, when their head has been read (`edge`), until the last byte of their answer has been written. More are refused
//!    before anything of their body is read. [`Count`] is both of these.
//! 3. **streams**, apart from calls, because they last for as long as somebody likes and are few; those of health and reflection
//!    apart from the others, because anybody may open them.
//! 4. **bytes of bodies**, as each arrives ([`Bodies`]): when there are too many, the body that makes least progress gives way.
//!
//! With the settings' defaults, and heads of 16 KiB, that is at most what `docs/limits.md` says.

mod admission;
mod bodies;
mod body;
mod count;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::config::BoundSettings;

pub(super) use admission::leave_unread;
pub(super) use bodies::Bodies;
pub(super) use body::Counted;
pub(super) use count::{Count, Place};

/// Streams in all and of one address, of those that anybody may open and of the others alike. Each may leave a window of 64 KiB unread, and has a task of its own.
const STREAMS: usize = 1_024;
const STREAMS_OF_ONE: usize = 256;

/// The bounds of one process.
#[derive(Debug)]
pub(super) struct Bounds {
    /// Connections by address.
    pub connections: Arc<Count>,
    /// Calls that end by themselves.
    pub calls: Arc<Count>,
    /// Those that end when somebody likes.
    pub streams: Arc<Count>,
    /// Those of them that anybody may open, who must not keep services out that watch revocations.
    pub open_streams: Arc<Count>,
    /// What has arrived of bodies that are not whole.
    pub bodies: Arc<Bodies>,
    trusted_proxies: Vec<IpNet>,
}

/// Whoever has a connection here.
#[derive(Debug)]
pub(super) struct Peer {
    /// Whether it asks for others, whose addresses are then those that count.
    pub is_proxy: bool,
    _place: Place,
}

impl Bounds {
    pub fn new(settings: &BoundSettings, trusted_proxies: Vec<IpNet>) -> Self {
        Self {
            // In all, the listener counts, which lets more wait.
            connections: Count::new(usize::MAX, settings.connections_of_one()),
            calls: Count::new(settings.max_calls, settings.calls_of_one()),
            streams: Count::new(STREAMS, STREAMS_OF_ONE),
            open_streams: Count::new(STREAMS, STREAMS_OF_ONE),
            bodies: Bodies::new(settings.max_body_bytes, settings.body_bytes_of_one()),
            trusted_proxies,
        }
    }

    /// Whoever has just connected, unless its address has as many connections as one may.
    pub fn connect(&self, address: IpAddr) -> Option<Peer> {
        let address = address.to_canonical();
        let is_proxy = self.trusted_proxies.iter().any(|network| network.contains(&address));
        let place = self.connections.take(Some(address).filter(|_| !is_proxy))?;
        Some(Peer { is_proxy, _place: place })
    }

    /// How many of what were too many, since the start.
    pub fn refused(&self) -> [(&'static str, u64); 4] {
        [
            ("connections", self.connections.refused()),
            ("calls", self.calls.refused()),
            ("streams", self.streams.refused() + self.open_streams.refused()),
            ("bodies", self.bodies.displaced()),
        ]
    }
}
