//! The sessions that ended before their tokens did, in memory, so that asking costs no database read. Separate from the
//! store, where they are durable, and from the layer, which asks: each entry arrives here by whoever ended the session
//! in this process, or by the feed when another process did.
//!
//! A set that is fed may fall behind, and then a token that it does not hold may be dead all the same. So the feed
//! [vouches](Revocations::vouch) for it each time it has read everything, and that is good for a bounded time: whoever
//! judges tokens asks [`Revocations::is_stale`] **before** [`Revocations::contains`], for the feed vouches after it has
//! inserted.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::clock::{Clock, SystemClock};
use crate::domain::Revocation;

/// The live revocations. An entry is live until the last token it concerns has expired by itself.
pub struct Revocations {
    live: RwLock<Live>,
    clock: Arc<dyn Clock>,
    staleness: Duration,
    /// Nanoseconds of [`Clock::elapsed`] after which the set is stale. Its own atomic and not under the lock: every token
    /// is judged by it.
    vouched_until: AtomicU64,
}

#[derive(Debug, Default)]
struct Live {
    /// Session → until when the entry is needed.
    sessions: HashMap<Uuid, OffsetDateTime>,
    /// Account → first epoch that survives, and until when the entry is needed.
    accounts: HashMap<Uuid, (i64, OffsetDateTime)>,
}

impl Default for Revocations {
    /// A set that nobody feeds: it holds what this process puts into it, and is never stale.
    fn default() -> Self {
        Self {
            live: RwLock::default(),
            clock: Arc::new(SystemClock),
            staleness: Duration::MAX,
            vouched_until: AtomicU64::new(u64::MAX),
        }
    }
}

impl Revocations {
    /// A set that is stale until somebody vouches for it, and again when nobody has for longer than `staleness`. Measured
    /// with [`Clock::elapsed`]: a process that was stopped for a while wakes up stale, whatever its tasks do first.
    pub fn fed(clock: Arc<dyn Clock>, staleness: Duration) -> Self {
        Self { clock, staleness, vouched_until: AtomicU64::new(0), ..Self::default() }
    }

    /// Says that the set holds everything that was stored until `read`, which is a time of [`Clock::elapsed`] from before
    /// the reading began.
    pub fn vouch(&self, read: Duration) {
        self.vouched_until.store(nanos(read.saturating_add(self.staleness)), Ordering::Release);
    }

    /// Whether something may be missing that was stored longer ago than is tolerated.
    pub fn is_stale(&self) -> bool {
        let until = self.vouched_until.load(Ordering::Acquire);
        until != u64::MAX && nanos(self.clock.elapsed()) >= until
    }

    /// Takes note of a revocation, needed until `until`, and tells whether it was news. Saying it twice changes nothing.
    pub fn insert(&self, revocation: Revocation, until: OffsetDateTime) -> bool {
        let mut live = self.write();
        match revocation {
            Revocation::Session(id) => match live.sessions.get_mut(&id) {
                None => live.sessions.insert(id, until).is_none(),
                Some(known) => {
                    *known = until.max(*known);
                    false
                }
            },
            Revocation::Account { id, epoch } => match live.accounts.get_mut(&id) {
                None => live.accounts.insert(id, (epoch, until)).is_none(),
                Some(known) => {
                    let is_news = epoch > known.0;
                    *known = (epoch.max(known.0), until.max(known.1));
                    is_news
                }
            },
        }
    }

    /// Whether a token of this session, account and epoch is dead.
    pub fn contains(&self, session_id: Uuid, account_id: Uuid, epoch: i64) -> bool {
        let live = self.read();
        live.sessions.contains_key(&session_id)
            || live.accounts.get(&account_id).is_some_and(|&(survivor, _)| epoch < survivor)
    }

    /// Forgets what no living token needs any more.
    pub fn purge(&self, now: OffsetDateTime) {
        let mut live = self.write();
        live.sessions.retain(|_, until| *until > now);
        live.accounts.retain(|_, (_, until)| *until > now);
    }

    /// How many entries are live.
    pub fn len(&self) -> usize {
        let live = self.read();
        live.sessions.len() + live.accounts.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // No code can panic while it holds the lock half-way through a change, so a poisoned one is as good as new.
    fn read(&self) -> RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Live> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
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
    time.as_nanos().try_into().unwrap_or(u64::MAX)
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
