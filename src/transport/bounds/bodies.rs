//! Counts the bytes of incomplete request bodies, in total and by client address. If there are too many, one body is
//! displaced: of the address with the most bytes, the body that has received nothing for the longest time. An attacker
//! that sends many incomplete bodies thus displaces its own, and a body that makes progress is completed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use futures_util::task::AtomicWaker;

use crate::domain::subscriber;

/// The most bytes that count for one body: one message of the largest size. Earlier messages of a stream have been
/// processed.
const MESSAGE: usize = 64 * 1_024;

/// The incomplete bodies of one process.
#[derive(Debug)]
pub(crate) struct Bodies {
    most: usize,
    most_of_one: usize,
    held: Mutex<HeldBytes>,
}

/// The network of a client; `None` for calls from within the process.
type Subscriber = Option<IpAddr>;

#[derive(Debug, Default)]
struct HeldBytes {
    bytes: usize,
    by_subscriber: HashMap<Subscriber, Share>,
    /// The same subscribers, by the bytes of their bodies.
    by_bytes: BTreeSet<(usize, Subscriber)>,
    /// Counts arrivals of bytes.
    arrivals: u64,
    displaced: u64,
}

#[derive(Debug, Default)]
struct Share {
    bytes: usize,
    /// The bytes of each body, by its latest arrival.
    bodies: BTreeMap<u64, (usize, Arc<Displacement>)>,
}

/// Tells a body that it was displaced.
#[derive(Debug, Default)]
struct Displacement {
    is_displaced: AtomicBool,
    reader: AtomicWaker,
}

/// The counted bytes of one body, until this is dropped.
#[derive(Debug)]
pub(super) struct HeldBody {
    bodies: Arc<Bodies>,
    subscriber: Subscriber,
    displacement: Arc<Displacement>,
    /// The latest arrival of bytes, which is its key in the share of its subscriber.
    arrival: u64,
    bytes: usize,
}

impl Bodies {
    /// No bodies yet, with a limit in total and of one subscriber.
    pub(crate) fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_one, held: Mutex::default() })
    }

    /// A body of this address with no bytes yet.
    pub(super) fn begin(self: &Arc<Self>, address: Option<IpAddr>) -> HeldBody {
        let (bodies, subscriber) = (Arc::clone(self), address.map(subscriber));
        HeldBody { bodies, subscriber, displacement: Arc::default(), arrival: 0, bytes: 0 }
    }

    /// The number of bytes of incomplete bodies.
    pub(crate) fn bytes(&self) -> usize {
        self.held().bytes
    }

    /// How many bodies were displaced since the start.
    pub(crate) fn displaced(&self) -> u64 {
        self.held().displaced
    }

    fn held(&self) -> MutexGuard<'_, HeldBytes> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldBody {
    /// Whether the body was displaced. If not, the task is woken when it is.
    pub(super) fn is_displaced(&self, cx: &Context<'_>) -> bool {
        self.displacement.reader.register(cx.waker());
        self.displacement.is_displaced.load(Ordering::Acquire)
    }

    /// Counts bytes that have arrived, and displaces other bodies if there are too many. Fails if this body is
    /// displaced itself.
    pub(super) fn add(&mut self, bytes: usize) -> Result<(), ()> {
        let held = &mut *self.bodies.held();
        if self.displacement.is_displaced.load(Ordering::Acquire) {
            return Err(());
        }
        held.remove(self.subscriber, self.arrival);
        held.arrivals += 1;
        (self.arrival, self.bytes) = (held.arrivals, (self.bytes + bytes).min(MESSAGE));
        held.insert(self.subscriber, self.arrival, self.bytes, Arc::clone(&self.displacement));
        while held.by_subscriber.get(&self.subscriber).is_some_and(|share| share.bytes > self.bodies.most_of_one) {
            held.displace(self.subscriber);
        }
        while held.bytes > self.bodies.most {
            let Some(&(_, fullest)) = held.by_bytes.last() else { break };
            held.displace(fullest);
        }
        if self.displacement.is_displaced.load(Ordering::Acquire) { Err(()) } else { Ok(()) }
    }
}

impl HeldBytes {
    fn insert(&mut self, subscriber: Subscriber, arrival: u64, bytes: usize, displacement: Arc<Displacement>) {
        let share = self.by_subscriber.entry(subscriber).or_default();
        share.bodies.insert(arrival, (bytes, displacement));
        self.by_bytes.remove(&(share.bytes, subscriber));
        share.bytes += bytes;
        self.by_bytes.insert((share.bytes, subscriber));
        self.bytes += bytes;
    }

    fn remove(&mut self, subscriber: Subscriber, arrival: u64) -> Option<Arc<Displacement>> {
        let share = self.by_subscriber.get_mut(&subscriber)?;
        let (bytes, displacement) = share.bodies.remove(&arrival)?;
        self.by_bytes.remove(&(share.bytes, subscriber));
        share.bytes -= bytes;
        self.bytes -= bytes;
        if share.bodies.is_empty() {
            self.by_subscriber.remove(&subscriber);
        } else {
            self.by_bytes.insert((share.bytes, subscriber));
        }
        Some(displacement)
    }

    /// Displaces the body of a subscriber that has received nothing for the longest time.
    fn displace(&mut self, subscriber: Subscriber) {
        let oldest = self.by_subscriber.get(&subscriber).and_then(|share| share.bodies.keys().next().copied());
        let Some(displacement) = oldest.and_then(|arrival| self.remove(subscriber, arrival)) else { return };
        self.displaced += 1;
        displacement.is_displaced.store(true, Ordering::Release);
        displacement.reader.wake();
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        self.bodies.held().remove(self.subscriber, self.arrival);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::{Bodies, HeldBody, MESSAGE};

    fn begin(bodies: &std::sync::Arc<Bodies>, address: &str) -> HeldBody {
        bodies.begin(Some(address.parse().unwrap()))
    }

    fn is_displaced(held: &HeldBody) -> bool {
        held.is_displaced(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_body_without_progress_for_longest_is_displaced_by_others_of_its_address() {
        let bodies = Bodies::new(10 * MESSAGE, 3 * MESSAGE);
        let mut of_one = [(); 3].map(|()| begin(&bodies, "192.0.2.1"));
        of_one.iter_mut().for_each(|body| body.add(MESSAGE - 1).unwrap());
        // A body that makes progress is not displaced, and no more than one message of it counts.
        of_one[0].add(1_000_000).unwrap();
        let mut more = begin(&bodies, "192.0.2.1");
        assert_eq!(more.add(MESSAGE), Ok(()));
        assert_eq!(of_one.each_ref().map(is_displaced), [false, true, false]);
        assert_eq!(of_one[1].add(1), Err(()), "a displaced body stays displaced");
        assert_eq!((bodies.bytes(), bodies.displaced()), (3 * MESSAGE - 1, 1));
        drop((of_one, more));
        assert_eq!(bodies.bytes(), 0);
        assert!(bodies.held().by_subscriber.is_empty() && bodies.held().by_bytes.is_empty(), "no client is remembered");
    }

    #[test]
    fn the_client_with_most_bytes_is_displaced_by_one_with_few() {
        let bodies = Bodies::new(4 * MESSAGE, 3 * MESSAGE);
        let mut much = [(); 3].map(|()| begin(&bodies, "192.0.2.1"));
        let mut less = begin(&bodies, "192.0.2.2");
        less.add(MESSAGE).unwrap();
        much.iter_mut().for_each(|body| body.add(MESSAGE).unwrap());
        let mut little = begin(&bodies, "2001:db8::1");
        assert_eq!(little.add(1), Ok(()));
        assert_eq!(much.each_ref().map(is_displaced), [true, false, false]);
        assert!(!is_displaced(&less), "although its last byte came first");
    }

    #[test]
    fn a_body_with_most_bytes_by_itself_is_displaced() {
        let bodies = Bodies::new(MESSAGE, MESSAGE);
        let [mut one, mut other] = ["192.0.2.1", "192.0.2.2"].map(|address| begin(&bodies, address));
        one.add(10).unwrap();
        assert_eq!(other.add(MESSAGE), Err(()));
        assert!(is_displaced(&other) && !is_displaced(&one));
        assert_eq!(bodies.bytes(), 10);
    }
}
