//! What the feed has just read, for those who watch: a ring that holds the latest for everybody and waits for nobody. Apart
//! from the set because the set knows what is, and this what is new, in the order of commits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;
use uuid::Uuid;

use super::Entry;

/// How many batches a watcher may be behind before it is dropped. With [`Batch::LARGEST`], that is less than 20 MiB.
const RING: usize = 512;

/// A place in the order of commits: a revocation's number, and what it is. The number alone would lead astray in a database
/// that was restored from a backup, where it is given out again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// As stored.
    pub seq: i64,
    /// The session or account that ended; nil at the beginning.
    pub target: Uuid,
    /// Until when that must be remembered, in milliseconds since the Unix epoch: other each time that the same one ends.
    pub until: i64,
}

impl Position {
    /// Of a stored revocation.
    pub fn of(seq: i64, Entry { revocation, until }: Entry) -> Self {
        let until = i64::try_from(until.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX);
        Self { seq, target: revocation.target(), until }
    }
}

/// Revocations that follow each other in the order of commits.
#[derive(Debug)]
pub struct Batch {
    /// At most [`Batch::LARGEST`], and not none.
    pub entries: Vec<Entry>,
    /// Of the last of them.
    pub position: Position,
}

impl Batch {
    /// Some 30 KiB on the wire.
    pub const LARGEST: usize = 500;
}

/// Where the feed publishes and watchers subscribe.
#[derive(Debug)]
pub struct News(Mutex<State>);

#[derive(Debug)]
struct State {
    position: Position,
    /// `None` when there will be no more.
    sender: Option<broadcast::Sender<Arc<Batch>>>,
}

/// What a watcher has: every batch after `position`.
#[derive(Debug)]
pub struct Subscription {
    /// Up to here, everything was in the set when this began.
    pub position: Position,
    /// Closed when what follows may have a gap.
    pub batches: broadcast::Receiver<Arc<Batch>>,
}

impl Default for News {
    fn default() -> Self {
        Self(Mutex::new(State { position: Position::default(), sender: Some(broadcast::Sender::new(RING)) }))
    }
}

impl News {
    /// Tells everybody, once the set has it.
    pub fn publish(&self, batch: Batch) {
        let mut state = self.lock();
        state.position = batch.position;
        if let Some(sender) = &state.sender {
            // That nobody watches is no failure.
            let _ = sender.send(Arc::new(batch));
        }
    }

    /// Ends every subscription, for the feed has begun anew and is now at `position`: what was published before may have
    /// a gap after it.
    pub fn begin(&self, position: Position) {
        let mut state = self.lock();
        state.position = position;
        if let Some(sender) = &mut state.sender {
            *sender = broadcast::Sender::new(RING);
        }
    }

    /// Ends every subscription for good.
    pub fn close(&self) {
        self.lock().sender = None;
    }

    /// Everything from now on; `None` when that is nothing any more.
    pub fn subscribe(&self) -> Option<Subscription> {
        let state = self.lock();
        state.sender.as_ref().map(|sender| Subscription { position: state.position, batches: sender.subscribe() })
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.lock().sender.as_ref().map_or(0, broadcast::Sender::receiver_count)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
