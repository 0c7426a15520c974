//! The sessions that ended before their tokens did, in memory, so that asking costs no database read. Separate from the
//! store, where they are durable, and from the layer, which asks: each entry arrives here by whoever ended the session
//! in this process, or by a feed when another process did. `shard` is how they are kept; `news` is what the feed has
//! just read, for those who watch; `reference` is the clock that all go by.
//!
//! A set that is fed may fall behind, and then a token that it does not hold may be dead all the same. So the feed
//! [vouches](Revocations::vouch) for it each time it has read everything, and that is good for a bounded time. A clock that
//! is wrong is as bad: by one that is an hour behind, tokens are good of which everything is forgotten. Whoever judges a
//! token asks for its [`Standing`], which knows all of that.

mod news;
mod reference;
mod shard;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::clock::{Clock, Skew, SystemClock};
use crate::domain::Revocation;
use reference::Reference;
use shard::Shard;

pub use news::{Batch, News, Position, Subscription};
pub use reference::CommonClock;

/// Of the set, each behind a lock of its own: while one is swept, or moves to a larger table, the others answer. Of a
/// million entries, a sixteenth is swept in about a millisecond.
const SHARDS: usize = 16;

/// The longest that a set may be stale: far below what a revocation outlives its tokens by (nine minutes), for whoever is
/// cut off slides tokens until then.
pub const MAX_STALENESS: Duration = Duration::from_secs(60);

/// Nobody has vouched yet.
const NEVER: u64 = u64::MAX;

/// How much longer than the end of an entry the set answers for tokens as that entry would: two clocks may be as far apart.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(2 * Skew::MAX.as_secs());

/// The live revocations. An entry is live until the last token it concerns has expired by itself.
pub struct Revocations {
    shards: [Shard; SHARDS],
    clock: Arc<dyn Clock>,
    /// `None` when nobody feeds it.
    staleness: Option<Duration>,
    /// The time of [`Clock::elapsed`], in nanoseconds, until which the set is known to be complete. Under no lock: every
    /// token is judged by it.
    complete_until: AtomicU64,
    news: News,
    reference: Reference,
    skew: Skew,
    /// Of tokens that expired by then, in seconds since the Unix epoch, revocations may have been forgotten.
    forgotten: AtomicI64,
}

/// What is known of a token's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has not ended early.
    Live,
    /// It has. That is final, whatever else is not known.
    Revoked,
    /// Whether it has cannot be told at the moment.
    Unknown,
}

/// A revocation, and until when it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What ended.
    pub revocation: Revocation,
    /// When the last token that it concerns has expired.
    pub until: OffsetDateTime,
}

impl Default for Revocations {
    /// A set that nobody feeds: it holds what this process puts into it, and is never stale.
    fn default() -> Self {
        Self {
            shards: Default::default(),
            clock: Arc::new(SystemClock),
            staleness: None,
            complete_until: AtomicU64::new(NEVER),
            news: News::default(),
            reference: Reference::default(),
            skew: Skew::default(),
            forgotten: AtomicI64::new(i64::MIN),
        }
    }
}

impl Revocations {
    /// A set that is stale until somebody vouches for it, and again when nobody has for longer than `staleness`, which is
    /// [`MAX_STALENESS`] at most. Measured
    /// with [`Clock::elapsed`]: a process that was stopped for a while wakes up stale, whatever its tasks do first.
    pub fn fed(clock: Arc<dyn Clock>, staleness: Duration) -> Self {
        Self { clock, staleness: Some(staleness.min(MAX_STALENESS)), ..Self::default() }
    }

    /// With another tolerance of this machine's clock than a minute.
    #[must_use]
    pub fn tolerating(self, skew: Skew) -> Self {
        Self { skew, ..self }
    }

    /// What staleness is measured with.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Compares this machine's clock with the one that all go by: that one was at `time` when [`Clock::elapsed`] was `at`.
    pub fn compare(&self, time: OffsetDateTime, at: Duration) {
        self.reference.hear(time, at);
        self.reference.tell(&*self.clock, self.skew);
    }

    /// The time by the clock that all go by, and by this machine's while that is not known.
    pub fn time(&self) -> OffsetDateTime {
        self.reference.time(&*self.clock).unwrap_or_else(|| self.clock.now())
    }

    /// How far this machine's clock is ahead; negative when behind. `None` if it was never compared.
    pub fn clock_offset(&self) -> Option<time::Duration> {
        self.reference.offset(&*self.clock)
    }

    /// Whether this machine's clock is further off than is tolerated, so that no time in a token means anything here.
    pub fn is_clock_off(&self) -> bool {
        self.clock_offset().is_some_and(|offset| self.skew.is_exceeded_by(offset))
    }

    /// What a feed that reads a database has read last.
    pub fn news(&self) -> &News {
        &self.news
    }

    /// Says that the set holds everything that was acknowledged until `read`, a time of [`Clock::elapsed`]: of a feed
    /// that reads a database, from before the reading began.
    pub fn vouch(&self, read: Duration) {
        self.complete_until.store(nanos(read), Ordering::Release);
    }

    /// Until which time of [`Clock::elapsed`] the set is known to be complete; `None` before anybody has vouched for it.
    pub fn complete_until(&self) -> Option<Duration> {
        let nanos = self.complete_until.load(Ordering::Acquire);
        (nanos != NEVER).then(|| Duration::from_nanos(nanos))
    }

    /// How long ago the set was known to be complete; `None` before anybody has vouched for it.
    pub fn age(&self) -> Option<Duration> {
        // In this order: a process that is stopped between the two finds the set older than it is, not younger.
        let until = self.complete_until()?;
        Some(self.clock.elapsed().saturating_sub(until))
    }

    /// Whether something may be missing that was acknowledged longer ago than is tolerated.
    pub fn is_stale(&self) -> bool {
        let Some(staleness) = self.staleness else {
            return false;
        };
        self.age().is_none_or(|age| age >= staleness)
    }

    /// Takes note of a revocation, needed until `until`, and tells whether it was news. Saying it twice changes nothing.
    pub fn insert(&self, revocation: Revocation, until: OffsetDateTime) -> bool {
        self.shard(revocation.target()).insert(revocation, until)
    }

    /// What is known of the session of a token, which expires at `expires`, in seconds since the Unix epoch: `None` if
    /// nobody asks whether it has.
    pub fn standing(&self, session_id: Uuid, account_id: Uuid, epoch: i64, expires: Option<i64>) -> Standing {
        // Asked first. The other way round, the feed could come back between the two questions, and a revocation that it
        // brought would go unseen: it vouches after it has inserted.
        let is_unknown = self.is_stale() || self.is_clock_off() || expires.is_some_and(|at| self.has_forgotten(at));
        if self.contains(session_id, account_id, epoch) {
            Standing::Revoked
        } else if is_unknown {
            Standing::Unknown
        } else {
            Standing::Live
        }
    }

    /// Whether a token of this session, account and epoch is dead.
    pub fn contains(&self, session_id: Uuid, account_id: Uuid, epoch: i64) -> bool {
        self.shard(session_id).has_session(session_id) || self.shard(account_id).has_account(account_id, epoch)
    }

    /// Forgets what no living token needs any more; nothing while the clock is off, by which that cannot be told.
    pub fn purge(&self, now: OffsetDateTime) {
        if self.is_clock_off() {
            return;
        }
        // First, so that nobody finds an entry gone and the token good.
        self.forgotten.fetch_max((now - FORGOTTEN_AFTER).unix_timestamp(), Ordering::SeqCst);
        self.shards.iter().for_each(|shard| shard.purge(now));
    }

    /// Whether a revocation of a token that expires at `expires` may have been forgotten. By a clock that was set back, such
    /// a token can look as if it were good again.
    fn has_forgotten(&self, expires: i64) -> bool {
        expires <= self.forgotten.load(Ordering::SeqCst)
    }

    /// All entries, in no order and some at a time, so that no lock is held for long. What is inserted meanwhile may be
    /// among them or not.
    pub fn entries(self: Arc<Self>) -> impl Iterator<Item = Vec<Entry>> + Send {
        (0..SHARDS).map(move |index| self.shards[index].entries())
    }

    /// How many entries are live.
    pub fn len(&self) -> usize {
        self.shards.iter().map(Shard::len).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// By the last bits of an id, which are random in every version of UUID that is made of random bits.
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

/// Half a millennium fits.
fn nanos(time: Duration) -> u64 {
    time.as_nanos().try_into().unwrap_or(NEVER - 1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::Revocations;
    use crate::clock::{Clock as _, ManualClock};
    use crate::domain::Revocation;

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
    fn a_set_is_stale_unless_somebody_vouched_for_it_a_moment_ago_and_one_that_is_not_fed_never_is() {
        let clock = ManualClock::at(0);
        let set = Revocations::fed(Arc::new(clock.clone()), Duration::from_secs(5));
        assert!(set.is_stale(), "nobody has read anything yet");
        set.vouch(clock.elapsed());
        for (seconds, stale) in [(0, false), (4, false), (1, true), (1_000_000, true)] {
            clock.elapse(seconds);
            assert_eq!(set.is_stale(), stale, "{:?}", clock.elapsed());
        }
        // What counts is when the reading began.
        set.vouch(clock.elapsed() - Duration::from_secs(5));
        assert!(set.is_stale());
        set.vouch(clock.elapsed());
        clock.advance(1_000_000);
        assert!(!set.is_stale(), "the time of day has no say in it");
        assert!(!Revocations::default().is_stale());
    }
}
