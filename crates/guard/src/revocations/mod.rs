//! The set of live revocations, in memory: it holds the sessions that ended before their tokens expired. A token is
//! checked against it without a database read.
//!
//! A feed fills the set: the server's reads a database, and a `watch::Watcher` reads the server's stream. Either may
//! fall behind, and then the set lacks a revocation. So a feed [marks](Revocations::mark_complete) the set as complete
//! each time it has read everything, and that mark is good for a bounded time, the staleness. A wrong clock is as
//! harmful: by a clock that is an hour behind, a token looks valid after its revocation was forgotten.
//! [`Revocations::standing`] takes all of that into account.
//!
//! Inside, `shard` stores the entries, `publisher` tells subscribers of new ones, and `reference` compares this
//! machine's clock with the reference clock.

mod publisher;
mod reference;
mod shard;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::clock::{Clock, Skew, SystemClock};
use reference::ReferenceTime;
use shard::Shard;

pub use publisher::{Batch, Position, Publisher, Subscription};
pub use reference::ReferenceClock;

/// The number of parts of the set, each with a lock of its own. While one part is purged or moves to a larger table,
/// the others answer. A sixteenth of a million entries is purged in about a millisecond.
const SHARDS: usize = 16;

/// The largest staleness: a minute. A revocation is remembered for nine minutes longer than its tokens live, and a
/// service that is cut off refreshes tokens for as long as its set is not stale. So the staleness must be far below
/// nine minutes.
pub const MAX_STALENESS: Duration = Duration::from_secs(60);

/// The value of `complete_until` before the set was ever complete.
const NEVER_COMPLETE: u64 = u64::MAX;

/// A token that expired this long before a purge may have had an entry that was purged: two clocks may differ by so
/// much.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(2 * Skew::MAX.as_secs());

/// The end of one session, or of all sessions of an account that began before an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// The session with this id has ended.
    Session(Uuid),
    /// Every session of an account with a smaller epoch has ended.
    Account {
        /// The id of the account.
        id: Uuid,
        /// The first epoch that is not affected.
        epoch: i64,
    },
}

impl Revocation {
    /// Returns the id of the session or of the account.
    pub fn target(self) -> Uuid {
        match self {
            Self::Session(id) | Self::Account { id, .. } => id,
        }
    }
}

/// The set of live revocations. A revocation is live until the last token that it concerns has expired.
pub struct Revocations {
    shards: [Shard; SHARDS],
    clock: Arc<dyn Clock>,
    /// The tolerated age of the last mark; `None` if no feed fills the set.
    staleness: Option<Duration>,
    /// The time of [`Clock::elapsed`], in nanoseconds, until which the set is complete. An atomic instead of a lock,
    /// because every check of a token reads it.
    complete_until: AtomicU64,
    publisher: Publisher,
    reference: ReferenceTime,
    skew: Skew,
    /// Seconds since the Unix epoch. The revocations of tokens that expired until then may have been purged.
    forgotten: AtomicI64,
}

/// The answer of the set about the session of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The session was not revoked.
    Live,
    /// The session was revoked. This answer is final, even if the set is stale.
    Revoked,
    /// The set cannot tell at the moment: it is stale, or this machine's clock is wrong. The token may be good.
    Unknown,
}

/// A revocation with the time until which it must be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The revoked session or sessions.
    pub revocation: Revocation,
    /// The time when the last token concerned has expired, in UTC.
    pub until: OffsetDateTime,
}

impl Default for Revocations {
    /// Makes a set without a feed: it holds only what this process inserts, and it is never stale.
    fn default() -> Self {
        Self {
            shards: Default::default(),
            clock: Arc::new(SystemClock),
            staleness: None,
            complete_until: AtomicU64::new(NEVER_COMPLETE),
            publisher: Publisher::default(),
            reference: ReferenceTime::default(),
            skew: Skew::default(),
            forgotten: AtomicI64::new(i64::MIN),
        }
    }
}

impl Revocations {
    /// Makes a set that a feed fills. It is stale until it is first marked as complete, and whenever the last mark is
    /// older than `staleness`; a value above [`MAX_STALENESS`] counts as that. The age is measured by
    /// [`Clock::elapsed`], so a process that was stopped for a while wakes up with a stale set.
    pub fn fed(clock: Arc<dyn Clock>, staleness: Duration) -> Self {
        Self { clock, staleness: Some(staleness.min(MAX_STALENESS)), ..Self::default() }
    }

    /// Tolerates another clock skew than the default, a minute.
    #[must_use]
    pub fn with_skew(self, skew: Skew) -> Self {
        Self { skew, ..self }
    }

    /// Returns the clock that measures staleness.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Takes note that the reference clock showed `time` when [`Clock::elapsed`] was `at`, and logs a difference
    /// between it and this machine's clock. The reference is the database server's clock; for a watcher, the server
    /// passes its time on.
    pub fn compare(&self, time: OffsetDateTime, at: Duration) {
        self.reference.set(time, at);
        self.reference.log_distance(&*self.clock, self.skew);
    }

    /// Returns the time of the reference clock; the time of this machine's clock if they were never compared.
    pub fn time(&self) -> OffsetDateTime {
        self.reference.time(&*self.clock).unwrap_or_else(|| self.clock.now())
    }

    /// Returns how far this machine's clock is ahead of the reference clock; negative if it is behind, and `None` if
    /// they were never compared.
    pub fn clock_offset(&self) -> Option<time::Duration> {
        self.reference.offset(&*self.clock)
    }

    /// Tells whether this machine's clock differs from the reference clock by more than the tolerated skew. Then no
    /// time in a token can be trusted here.
    pub fn is_clock_off(&self) -> bool {
        self.clock_offset().is_some_and(|offset| self.skew.is_exceeded_by(offset))
    }

    /// Returns the publisher of new revocations. Only the server's feed publishes there.
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// Marks the set as complete until `until`, a time of [`Clock::elapsed`]: every revocation that was acknowledged
    /// before is in the set. A feed that reads a database passes the time when it began to read.
    pub fn mark_complete(&self, until: Duration) {
        self.complete_until.store(nanos(until), Ordering::Release);
    }

    /// Returns the last mark, a time of [`Clock::elapsed`]; `None` if the set was never complete.
    pub fn complete_until(&self) -> Option<Duration> {
        let nanos = self.complete_until.load(Ordering::Acquire);
        (nanos != NEVER_COMPLETE).then(|| Duration::from_nanos(nanos))
    }

    /// Returns the age of the last mark; `None` if the set was never complete.
    pub fn age(&self) -> Option<Duration> {
        // Read in this order: if the process is stopped in between, the set looks older than it is, and never younger.
        let until = self.complete_until()?;
        Some(self.clock.elapsed().saturating_sub(until))
    }

    /// Tells whether the set may lack a revocation that is older than the tolerated staleness.
    pub fn is_stale(&self) -> bool {
        let Some(staleness) = self.staleness else {
            return false;
        };
        self.age().is_none_or(|age| age >= staleness)
    }

    /// Inserts a revocation that must be remembered until `until`, and tells whether it was new. Of two revocations of
    /// one account, the larger epoch and the later time count.
    pub fn insert(&self, revocation: Revocation, until: OffsetDateTime) -> bool {
        self.shard(revocation.target()).insert(revocation, until)
    }

    /// Looks up the session of a token. `expires` is the claim `exp`, in seconds since the Unix epoch. Pass `None` for
    /// a token that may have expired: then a revocation that was purged does not make the answer [`Standing::Unknown`].
    pub fn standing(&self, session_id: Uuid, account_id: Uuid, epoch: i64, expires: Option<i64>) -> Standing {
        // Asked before the set, because the feed inserts revocations before it marks the set as complete. In the other
        // order, it could do both between the two questions, and the set would look fresh although the answer is not.
        let is_unsure = self.is_stale() || self.is_clock_off();
        if self.contains(session_id, account_id, epoch) {
            Standing::Revoked
        // Asked after the set, because a purge notes what it forgets before it removes the entries. In the other order,
        // it could do both between the two questions.
        } else if is_unsure || expires.is_some_and(|at| self.has_forgotten(at)) {
            Standing::Unknown
        } else {
            Standing::Live
        }
    }

    /// Tells whether the set holds a revocation of this session, or of this account with a larger epoch.
    pub fn contains(&self, session_id: Uuid, account_id: Uuid, epoch: i64) -> bool {
        self.shard(session_id).has_session(session_id) || self.shard(account_id).has_account(account_id, epoch)
    }

    /// Removes the revocations that no live token needs at `now`. Does nothing while this machine's clock is wrong.
    pub fn purge(&self, now: OffsetDateTime) {
        if self.is_clock_off() {
            return;
        }
        // Stored before the entries are removed: otherwise a check in between would find no entry and call the token
        // live.
        self.forgotten.fetch_max((now - FORGOTTEN_AFTER).unix_timestamp(), Ordering::SeqCst);
        self.shards.iter().for_each(|shard| shard.purge(now));
    }

    /// Tells whether the revocation of a token that expires at `expires` may have been purged. Such a token looks valid
    /// again if the clock is set back.
    fn has_forgotten(&self, expires: i64) -> bool {
        expires <= self.forgotten.load(Ordering::SeqCst)
    }

    /// Returns all entries, unordered, one part of the set at a time, so that no lock is held for long. An entry that
    /// is inserted meanwhile may be among them or not.
    pub fn entries(self: Arc<Self>) -> impl Iterator<Item = Vec<Entry>> + Send {
        (0..SHARDS).map(move |index| self.shards[index].entries())
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.shards.iter().map(Shard::len).sum()
    }

    /// Tells whether the set has no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Chooses the part by the last byte of the id, which is random in UUIDs of versions 4 and 7.
    fn shard(&self, id: Uuid) -> &Shard {
        &self.shards[id.as_bytes()[15] as usize % SHARDS]
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (len, stale) = (self.len(), self.is_stale());
        f.debug_struct("Revocations").field("len", &len).field("stale", &stale).finish_non_exhaustive()
    }
}

/// Converts to nanoseconds. A `u64` has room for 584 years.
fn nanos(time: Duration) -> u64 {
    time.as_nanos().try_into().unwrap_or(NEVER_COMPLETE - 1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::thread;
    use std::time::Duration;

    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::{Revocation, Revocations, Standing};
    use crate::clock::{Clock as _, ManualClock};

    fn at(second: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(second).unwrap()
    }

    #[test]
    fn a_session_entry_kills_that_session_and_leaves_when_its_tokens_have_expired() {
        let (set, dead, alive, account) = (Revocations::default(), Uuid::from_u128(1), Uuid::from_u128(2), Uuid::nil());
        set.insert(Revocation::Session(dead), at(100));
        assert!(set.contains(dead, account, 0));
        assert!(!set.contains(alive, account, 0));
        set.purge(at(99));
        assert!(set.contains(dead, account, 0));
        set.purge(at(100));
        assert!(set.is_empty());
    }

    #[test]
    fn an_account_entry_kills_the_epochs_before_it_and_never_shrinks() {
        let (set, session, account) = (Revocations::default(), Uuid::from_u128(1), Uuid::from_u128(2));
        assert!(set.insert(Revocation::Account { id: account, epoch: 3 }, at(100)));
        assert!(!set.insert(Revocation::Account { id: account, epoch: 2 }, at(50)));
        set.purge(at(60));
        assert!(set.contains(session, account, 2));
        assert!(!set.contains(session, account, 3));
        assert!(!set.contains(session, Uuid::from_u128(9), 0));
        assert_eq!(set.len(), 1);
    }

    #[test]
    fn a_fed_set_is_stale_unless_it_was_complete_a_moment_ago_and_one_without_a_feed_never_is() {
        let clock = ManualClock::at(0);
        let set = Revocations::fed(Arc::new(clock.clone()), Duration::from_secs(5));
        assert!(set.is_stale(), "no feed has read anything yet");
        set.mark_complete(clock.elapsed());
        for (seconds, stale) in [(0, false), (4, false), (1, true), (1_000_000, true)] {
            clock.elapse(seconds);
            assert_eq!(set.is_stale(), stale, "{:?}", clock.elapsed());
        }
        // The mark is the time when the reading began.
        set.mark_complete(clock.elapsed() - Duration::from_secs(5));
        assert!(set.is_stale());
        set.mark_complete(clock.elapsed());
        clock.advance(1_000_000);
        assert!(!set.is_stale(), "the time of day does not count");
        assert!(!Revocations::default().is_stale());
    }

    #[test]
    fn an_ended_session_that_is_forgotten_in_the_middle_of_a_check_is_not_live() {
        for round in 0..100 {
            let (set, session) = (Revocations::default(), Uuid::nil());
            set.insert(Revocation::Session(session), at(10));
            let standing = thread::scope(|threads| {
                let mut check = None;
                // As `purge`, but with a check that waits for the lock while it notes what is forgotten.
                set.shard(session).forget_after(|| {
                    check = Some(threads.spawn(|| set.standing(session, Uuid::max(), 0, Some(5))));
                    (0..100).for_each(|_| thread::yield_now());
                    set.forgotten.fetch_max(10, Ordering::SeqCst);
                });
                check.unwrap().join().unwrap()
            });
            assert_eq!(standing, Standing::Unknown, "round {round}");
        }
    }
}
