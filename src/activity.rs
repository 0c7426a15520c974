//! The time of each session's latest token, in memory until it is written. Separate from the store, because no call may
//! cost a write, and from the layer, which mints tokens and must not know the store: `grpc` passes a closure to the
//! layer, a job of the server writes the times, and `accounts` merges them into the sessions that it reads.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use time::OffsetDateTime;
use uuid::Uuid;

use countersign_guard::clock::Clock;

/// The number of locks. Every authenticated call takes one for some 50 ns, and concurrent calls rarely need the same
/// one.
const STRIPES: usize = 16;

/// The most sessions under one lock: 262,144 in total, in some 16 MiB. There are so many between two writes only while
/// the database is out of reach; then further sessions keep the time that was written last.
const SESSIONS_PER_STRIPE: usize = 16_384;

/// The times that are not yet written.
pub(crate) struct Activity {
    clock: Arc<dyn Clock>,
    stripes: [Mutex<HashMap<Uuid, OffsetDateTime, RandomState>>; STRIPES],
}

impl Activity {
    /// A record without any sessions.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, stripes: Default::default() }
    }

    /// Records that a session has just received a token.
    pub(crate) fn note(&self, session_id: Uuid) {
        // To the millisecond, as the store keeps it, so that a time that was shown does not go back when it is written.
        let now = self.clock.now().truncate_to_millisecond();
        let mut stripe = self.stripe(session_id);
        let has_room = stripe.len() < SESSIONS_PER_STRIPE;
        if let Some(last) = stripe.get_mut(&session_id) {
            *last = now.max(*last);
        } else if has_room {
            stripe.insert(session_id, now);
        }
    }

    /// The time of the latest token of a session, if it is not yet written.
    pub(crate) fn last(&self, session_id: Uuid) -> Option<OffsetDateTime> {
        self.stripe(session_id).get(&session_id).copied()
    }

    /// All times to write, in the order of session ids, so that replicas that write at once lock rows in the same
    /// order. They stay here until [`Self::written`], so that readers see them meanwhile.
    pub(crate) fn unwritten(&self) -> Vec<(Uuid, OffsetDateTime)> {
        let mut all: Vec<_> = Vec::new();
        for stripe in &self.stripes {
            all.extend(lock(stripe).iter().map(|(&id, &at)| (id, at)));
        }
        all.sort_unstable();
        all
    }

    /// Removes times that were written, except of sessions that have received another token since.
    pub(crate) fn written(&self, times: &[(Uuid, OffsetDateTime)]) {
        for (id, at) in times {
            let mut stripe = self.stripe(*id);
            if stripe.get(id) == Some(at) {
                stripe.remove(id);
            }
        }
    }

    /// Chooses the lock by the last byte of the id, which is random in every version of UUIDs.
    fn stripe(&self, id: Uuid) -> MutexGuard<'_, HashMap<Uuid, OffsetDateTime, RandomState>> {
        lock(&self.stripes[usize::from(id.as_bytes()[15]) % STRIPES])
    }
}

// No code panics half-way through a change under these locks, so a poisoned lock guards consistent data.
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

    use uuid::Uuid;

    use super::{Activity, SESSIONS_PER_STRIPE, STRIPES};
    use countersign_guard::clock::{Clock as _, ManualClock};

    #[test]
    fn a_recorded_time_is_shown_until_it_is_written() {
        let clock = ManualClock::at(100);
        let activity = Activity::new(Arc::new(clock.clone()));
        let [first, second, stranger] = [1, 2, 3].map(Uuid::from_u128);
        for id in [second, first] {
            activity.note(id);
        }
        let then = clock.now();
        let batch = activity.unwritten();
        assert_eq!(batch, [(first, then), (second, then)]);

        // While the batch is written, one of the sessions receives another token.
        clock.advance(1);
        activity.note(first);
        assert_eq!((activity.last(second), activity.last(stranger)), (Some(then), None));
        activity.written(&batch);
        assert_eq!(activity.unwritten(), [(first, clock.now())]);
        assert_eq!(activity.last(second), None);

        clock.advance(-50);
        activity.note(first);
        assert!(activity.last(first) > Some(then), "a clock that is set back does not set times back");
    }

    #[test]
    fn memory_is_bounded_and_recorded_sessions_are_still_updated() {
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
