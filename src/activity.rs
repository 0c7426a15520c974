//! When each session was last given a token, in memory, until it is written. Separate from the store, because no call
//! may cost a write, and from the layer, which mints and must not learn of the store: `grpc` hands the layer a closure,
//! `server` writes what is collected here, and `accounts` merges it into what it reads.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_guard::clock::Clock;
use foldhash::fast::RandomState;
use time::OffsetDateTime;
use uuid::Uuid;

/// Every authenticated call takes one of these locks, for some 50 ns. With many of them two calls that are under way at
/// once rarely want the same one.
const STRIPES: usize = 16;

/// 262,144 sessions in all, some 16 MiB. Between two writes there are never so many, unless the database is away; then
/// further sessions keep the time that was written last.
const SESSIONS_PER_STRIPE: usize = 16_384;

/// The times that are not written yet.
pub struct Activity {
    clock: Arc<dyn Clock>,
    stripes: [Mutex<HashMap<Uuid, OffsetDateTime, RandomState>>; STRIPES],
}

impl Activity {
    /// Empty.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, stripes: Default::default() }
    }

    /// Takes note that a session has been given a token just now.
    pub fn note(&self, session_id: Uuid) {
        // As the store keeps it: what was told must not go back when it is written.
        let now = self.clock.now().truncate_to_millisecond();
        let mut stripe = self.stripe(session_id);
        let has_room = stripe.len() < SESSIONS_PER_STRIPE;
        if let Some(last) = stripe.get_mut(&session_id) {
            *last = now.max(*last);
        } else if has_room {
            stripe.insert(session_id, now);
        }
    }

    /// When it was, if that is not written yet.
    pub fn last(&self, session_id: Uuid) -> Option<OffsetDateTime> {
        self.stripe(session_id).get(&session_id).copied()
    }

    /// Everything that is to be written, in the order of ids: replicas that write at once then lock the same rows in the
    /// same order. It stays here until [`Self::written`], so that a reader misses nothing meanwhile.
    pub fn unwritten(&self) -> Vec<(Uuid, OffsetDateTime)> {
        let mut all: Vec<_> = Vec::new();
        for stripe in &self.stripes {
            all.extend(lock(stripe).iter().map(|(&id, &at)| (id, at)));
        }
        all.sort_unstable();
        all
    }

    /// Forgets what was written, but for sessions that were given another token since.
    pub fn written(&self, times: &[(Uuid, OffsetDateTime)]) {
        for (id, at) in times {
            let mut stripe = self.stripe(*id);
            if stripe.get(id) == Some(at) {
                stripe.remove(id);
            }
        }
    }

    /// By the last byte, which is random in every version of UUIDs.
    fn stripe(&self, id: Uuid) -> MutexGuard<'_, HashMap<Uuid, OffsetDateTime, RandomState>> {
        lock(&self.stripes[usize::from(id.as_bytes()[15]) % STRIPES])
    }
}

// No code can panic while it holds a lock half-way through a change, so a poisoned one is as good as new.
fn lock<T>(stripe: &Mutex<T>) -> MutexGuard<'_, T> {
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Activity").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use countersign_guard::clock::{Clock as _, ManualClock};
    use uuid::Uuid;

    use super::{Activity, SESSIONS_PER_STRIPE, STRIPES};

    #[test]
    fn what_was_noted_is_told_until_it_is_written() {
        let clock = ManualClock::at(100);
        let activity = Activity::new(Arc::new(clock.clone()));
        let [first, second, stranger] = [1, 2, 3].map(Uuid::from_u128);
        for id in [second, first] {
            activity.note(id);
        }
        let then = clock.now();
        let batch = activity.unwritten();
        assert_eq!(batch, [(first, then), (second, then)]);

        // While the batch is written, one of them is given another token.
        clock.advance(1);
        activity.note(first);
        assert_eq!((activity.last(second), activity.last(stranger)), (Some(then), None));
        activity.written(&batch);
        assert_eq!(activity.unwritten(), [(first, clock.now())]);
        assert_eq!(activity.last(second), None);

        clock.advance(-50);
        activity.note(first);
        assert!(activity.last(first) > Some(then), "a clock that is set back takes nothing back");
    }

    #[test]
    fn memory_is_bounded_and_what_is_known_still_moves() {
        let clock = ManualClock::at(100);
        let activity = Activity::new(Arc::new(clock.clone()));
        // All in one stripe.
        let ids = (0..).map(|n: u128| Uuid::from_u128(n * STRIPES as u128));
        for id in ids.take(SESSIONS_PER_STRIPE + 10) {
            activity.note(id);
        }
        assert_eq!(activity.unwritten().len(), SESSIONS_PER_STRIPE);
        clock.advance(1);
        activity.note(Uuid::nil());
        assert_eq!(activity.last(Uuid::nil()), Some(clock.now()));
        activity.note(Uuid::from_u128(1));
        assert_eq!(activity.last(Uuid::from_u128(1)), Some(clock.now()), "another stripe has room");
    }
}
