//! Publishes new revocations to subscribers, in the order of commits. A ring buffer holds the latest batches for all
//! subscribers, and a slow subscriber is dropped. Separate from the set because the set is unordered and holds
//! everything, and this is ordered and holds only the latest.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;
use uuid::Uuid;

use super::Entry;

/// The number of batches that a subscriber may be behind before it is dropped. With [`Batch::LARGEST`], that is less
/// than 20 MiB.
const RING_SIZE: usize = 512;

/// A position in the order of commits: the number of a revocation with its content. The number alone is ambiguous after
/// a database was restored from a backup, because it is then assigned again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// The number of the revocation in the database.
    pub seq: i64,
    /// The id of the revoked session or account; nil at the beginning.
    pub target: Uuid,
    /// The time until which the revocation must be remembered, in milliseconds since the Unix epoch. It differs each
    /// time that the sessions of the same account are revoked.
    pub until: i64,
}

impl Position {
    /// Makes the position of a stored revocation.
    pub fn of(seq: i64, Entry { revocation, until }: Entry) -> Self {
        let until = i64::try_from(until.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX);
        Self { seq, target: revocation.target(), until }
    }
}

/// Consecutive revocations in the order of commits.
#[derive(Debug)]
pub struct Batch {
    /// The revocations: at least one, and at most [`Batch::LARGEST`].
    pub entries: Vec<Entry>,
    /// The position of the last one.
    pub position: Position,
}

impl Batch {
    /// The largest number of revocations in a batch. As a message, they take about 30 KiB.
    pub const LARGEST: usize = 500;
}

/// The feed publishes here, and the streams of `WatchRevocations` subscribe.
#[derive(Debug)]
pub struct Publisher(Mutex<PublisherState>);

#[derive(Debug)]
struct PublisherState {
    position: Position,
    /// The sender of the current subscriptions; `None` after [`Publisher::close`].
    sender: Option<broadcast::Sender<Arc<Batch>>>,
}

/// A subscriber's receiver of every batch after `position`.
#[derive(Debug)]
pub struct Subscription {
    /// The set held every revocation up to this position when the subscription began.
    pub position: Position,
    /// The batches. Closed when the next one may not follow without a gap.
    pub batches: broadcast::Receiver<Arc<Batch>>,
}

impl Default for Publisher {
    fn default() -> Self {
        Self(Mutex::new(PublisherState {
            position: Position::default(),
            sender: Some(broadcast::Sender::new(RING_SIZE)),
        }))
    }
}

impl Publisher {
    /// Sends a batch to all subscribers. Call it after the revocations were inserted into the set.
    pub fn publish(&self, batch: Batch) {
        let mut state = self.lock();
        state.position = batch.position;
        if let Some(sender) = &state.sender {
            // Sending fails only without subscribers.
            let _ = sender.send(Arc::new(batch));
        }
    }

    /// Ends every subscription, because the feed has started again at `position` and may have skipped revocations
    /// before it.
    pub fn begin(&self, position: Position) {
        let mut state = self.lock();
        state.position = position;
        if let Some(sender) = &mut state.sender {
            *sender = broadcast::Sender::new(RING_SIZE);
        }
    }

    /// Ends every subscription, and accepts no more.
    pub fn close(&self) {
        self.lock().sender = None;
    }

    /// Subscribes to all batches from now on. Returns `None` after [`Self::close`].
    pub fn subscribe(&self) -> Option<Subscription> {
        let state = self.lock();
        state.sender.as_ref().map(|sender| Subscription { position: state.position, batches: sender.subscribe() })
    }

    /// Returns the number of subscriptions.
    pub fn watchers(&self) -> usize {
        self.lock().sender.as_ref().map_or(0, broadcast::Sender::receiver_count)
    }

    fn lock(&self) -> MutexGuard<'_, PublisherState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
