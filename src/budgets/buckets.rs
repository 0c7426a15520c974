//! Leaky buckets, one for each key, in a map of bounded size that forgets the least recently used key. Separate from
//! the budgets because it knows nothing of addresses.
//!
//! A bucket is one number, the time at which it will be empty (GCRA), so no timer is needed to empty it. Forgetting
//! keys gives an attacker nothing: one with so many keys had a bucket for each of them anyway.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::unsync::Cache;

use countersign_guard::clock::Clock;

/// An hour in microseconds.
const HOUR: u64 = 3_600_000_000;

/// The number of locks. Two concurrent calls rarely need the same one.
pub(super) const STRIPES: usize = 16;

pub(super) struct Buckets {
    clock: Arc<dyn Clock>,
    /// Microseconds in which one unit leaks; `None` if there is no limit.
    interval: Option<u64>,
    /// The time at which each bucket will be empty, in microseconds of [`Clock::elapsed`].
    stripes: [Mutex<Cache<u64, u64>>; STRIPES],
}

impl Buckets {
    /// Buckets with room for `per_hour` units, which may come all at once; 0 means no limit. Remembers at most `keys`
    /// buckets.
    pub(super) fn new(per_hour: u32, keys: usize, clock: Arc<dyn Clock>) -> Self {
        let interval = (per_hour > 0).then(|| HOUR / u64::from(per_hour));
        let capacity = if interval.is_some() { keys / STRIPES } else { 0 };
        Self { clock, interval, stripes: [(); STRIPES].map(|()| Mutex::new(Cache::new(capacity))) }
    }

    /// How many units fit into a bucket, at least one; or the time until one fits.
    pub(super) fn room(&self, key: u64) -> Result<u64, Duration> {
        self.interval.map_or(Ok(u64::MAX), |interval| room(interval, self.empty(&self.stripe(key), key), self.now()))
    }

    /// Adds one unit if it fits, or returns the time until it does.
    pub(super) fn take(&self, key: u64) -> Result<(), Duration> {
        let Some(interval) = self.interval else { return Ok(()) };
        let mut stripe = self.stripe(key);
        let empty = self.empty(&stripe, key);
        room(interval, empty, self.now())?;
        stripe.insert(key, empty + interval);
        Ok(())
    }

    /// Adds one unit, even if it does not fit: then the wait gets longer.
    pub(super) fn add(&self, key: u64) {
        let Some(interval) = self.interval else { return };
        let mut stripe = self.stripe(key);
        let empty = self.empty(&stripe, key);
        stripe.insert(key, empty + interval);
    }

    /// Takes one unit out again.
    pub(super) fn give_back(&self, key: u64) {
        if let (Some(interval), Some(mut empty)) = (self.interval, self.stripe(key).get_mut(&key)) {
            *empty = empty.saturating_sub(interval);
        }
    }

    /// The number of remembered keys.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.stripes.iter().map(|stripe| stripe.lock().unwrap().len()).sum()
    }

    /// The time at which a bucket will be empty; now, if it is empty.
    fn empty(&self, stripe: &Cache<u64, u64>, key: u64) -> u64 {
        stripe.get(&key).copied().unwrap_or_default().max(self.now())
    }

    /// A monotonic time: the time of day may be set back.
    fn now(&self) -> u64 {
        self.clock.elapsed().as_micros().try_into().unwrap_or(u64::MAX / 2)
    }

    fn stripe(&self, key: u64) -> MutexGuard<'_, Cache<u64, u64>> {
        // Mixes the last bytes of an IPv4 address, of a /64, and of a /48.
        let stripe = &self.stripes[(key ^ (key >> 16) ^ (key >> 8)) as usize % STRIPES];
        stripe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many units fit into a bucket, which is full when it takes an hour to leak.
fn room(interval: u64, empty: u64, now: u64) -> Result<u64, Duration> {
    let full = now + HOUR;
    match full.saturating_sub(empty) / interval {
        0 => Err(Duration::from_micros((empty + interval).saturating_sub(full))),
        room => Ok(room),
    }
}
