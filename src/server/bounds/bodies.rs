//! How many bytes of request bodies are held until those bodies are whole, in all and of one address, and which body gives way
//! when there are too many: of the address that holds most, the one whose last byte came longest ago. So whoever sends halves
//! of bodies displaces their own, however many they are, and a body that arrives goes on arriving.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use futures_util::task::AtomicWaker;

use crate::domain::subscriber;

/// No body is held beyond its first message, and no message is longer: what a stream has sent besides has been taken.
const MESSAGE: usize = 64 * 1_024;

/// What is held of bodies.
#[derive(Debug)]
pub struct Bodies {
    most: usize,
    most_of_one: usize,
    state: Mutex<State>,
}

/// Whose bodies they are; nobody's who came by no network.
type Sender = Option<IpAddr>;

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    by_sender: HashMap<Sender, Share>,
    /// The same senders, by how much is held of them.
    by_bytes: BTreeSet<(usize, Sender)>,
    /// Of the last byte that came.
    turn: u64,
    displaced: u64,
}

#[derive(Debug, Default)]
struct Share {
    bytes: usize,
    /// By when their last byte came.
    bodies: BTreeMap<u64, (usize, Arc<Slot>)>,
}

/// What a body hears of giving way.
#[derive(Debug, Default)]
struct Slot {
    has_given_way: AtomicBool,
    reader: AtomicWaker,
}

/// What is held of one body, until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    bodies: Arc<Bodies>,
    sender: Sender,
    slot: Arc<Slot>,
    /// Where it stands in its share, and with how much.
    turn: u64,
    bytes: usize,
}

impl Bodies {
    pub fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_one, state: Mutex::default() })
    }

    /// A body of this address, of which nothing is held yet.
    pub(super) fn begin(self: &Arc<Self>, address: Option<IpAddr>) -> Held {
        Held { bodies: Arc::clone(self), sender: address.map(subscriber), slot: Arc::default(), turn: 0, bytes: 0 }
    }

    /// How many bytes are held.
    pub fn bytes(&self) -> usize {
        self.state().bytes
    }

    /// How many bodies have given way, since the start.
    pub fn displaced(&self) -> u64 {
        self.state().displaced
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Whether it has given way. If not, the task is woken when it does.
    pub fn has_given_way(&self, cx: &Context<'_>) -> bool {
        self.slot.reader.register(cx.waker());
        self.slot.has_given_way.load(Ordering::Acquire)
    }

    /// So many bytes more have come. Others give way to them, or this one does: then it is told so.
    pub fn add(&mut self, bytes: usize) -> Result<(), ()> {
        let state = &mut *self.bodies.state();
        if self.slot.has_given_way.load(Ordering::Acquire) {
            return Err(());
        }
        state.remove(self.sender, self.turn);
        state.turn += 1;
        (self.turn, self.bytes) = (state.turn, (self.bytes + bytes).min(MESSAGE));
        state.insert(self.sender, self.turn, self.bytes, Arc::clone(&self.slot));
        while state.by_sender.get(&self.sender).is_some_and(|share| share.bytes > self.bodies.most_of_one) {
            state.displace(self.sender);
        }
        while state.bytes > self.bodies.most {
            let Some(&(_, fullest)) = state.by_bytes.last() else { break };
            state.displace(fullest);
        }
        if self.slot.has_given_way.load(Ordering::Acquire) { Err(()) } else { Ok(()) }
    }
}

impl State {
    fn insert(&mut self, sender: Sender, turn: u64, bytes: usize, slot: Arc<Slot>) {
        let share = self.by_sender.entry(sender).or_default();
        share.bodies.insert(turn, (bytes, slot));
        self.by_bytes.remove(&(share.bytes, sender));
        share.bytes += bytes;
        self.by_bytes.insert((share.bytes, sender));
        self.bytes += bytes;
    }

    fn remove(&mut self, sender: Sender, turn: u64) -> Option<Arc<Slot>> {
        let share = self.by_sender.get_mut(&sender)?;
        let (bytes, slot) = share.bodies.remove(&turn)?;
        self.by_bytes.remove(&(share.bytes, sender));
        share.bytes -= bytes;
        self.bytes -= bytes;
        if share.bodies.is_empty() {
            self.by_sender.remove(&sender);
        } else {
            self.by_bytes.insert((share.bytes, sender));
        }
        Some(slot)
    }

    /// Of this sender's bodies, the one whose last byte came first gives way.
    fn displace(&mut self, sender: Sender) {
        let oldest = self.by_sender.get(&sender).and_then(|share| share.bodies.keys().next().copied());
        let Some(slot) = oldest.and_then(|turn| self.remove(sender, turn)) else { return };
        self.displaced += 1;
        slot.has_given_way.store(true, Ordering::Release);
        slot.reader.wake();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.bodies.state().remove(self.sender, self.turn);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::{Bodies, Held, MESSAGE};

    fn begin(bodies: &std::sync::Arc<Bodies>, address: &str) -> Held {
        bodies.begin(Some(address.parse().unwrap()))
    }

    fn gone(held: &Held) -> bool {
        held.has_given_way(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_body_that_has_said_nothing_for_longest_gives_way_to_others_of_its_address() {
        let bodies = Bodies::new(10 * MESSAGE, 3 * MESSAGE);
        let mut of_one = [(); 3].map(|()| begin(&bodies, "192.0.2.1"));
        of_one.iter_mut().for_each(|body| body.add(MESSAGE - 1).unwrap());
        // A body that goes on is not the one, and no more than a message of it counts.
        of_one[0].add(1_000_000).unwrap();
        let mut more = begin(&bodies, "192.0.2.1");
        assert_eq!(more.add(MESSAGE), Ok(()));
        assert_eq!(of_one.each_ref().map(gone), [false, true, false]);
        assert_eq!(of_one[1].add(1), Err(()), "what gave way stays so");
        assert_eq!((bodies.bytes(), bodies.displaced()), (3 * MESSAGE - 1, 1));
        drop((of_one, more));
        assert_eq!(bodies.bytes(), 0);
        assert!(bodies.state().by_sender.is_empty() && bodies.state().by_bytes.is_empty(), "nobody is remembered");
    }

    #[test]
    fn whoever_holds_most_gives_way_to_whoever_holds_little() {
        let bodies = Bodies::new(4 * MESSAGE, 3 * MESSAGE);
        let mut much = [(); 3].map(|()| begin(&bodies, "192.0.2.1"));
        let mut less = begin(&bodies, "192.0.2.2");
        less.add(MESSAGE).unwrap();
        much.iter_mut().for_each(|body| body.add(MESSAGE).unwrap());
        let mut little = begin(&bodies, "2001:db8::1");
        assert_eq!(little.add(1), Ok(()));
        assert_eq!(much.each_ref().map(gone), [true, false, false]);
        assert!(!gone(&less), "although its last byte came first");
    }

    #[test]
    fn a_body_that_holds_most_by_itself_gives_way_itself() {
        let bodies = Bodies::new(MESSAGE, MESSAGE);
        let [mut one, mut other] = ["192.0.2.1", "192.0.2.2"].map(|address| begin(&bodies, address));
        one.add(10).unwrap();
        assert_eq!(other.add(MESSAGE), Err(()));
        assert!(gone(&other) && !gone(&one));
        assert_eq!(bodies.bytes(), 10);
    }
}
