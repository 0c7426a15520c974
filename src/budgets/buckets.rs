//! Leaky buckets, one for each key, in a map of bounded size: when it is full, it forgets the key that it has not seen for
//! longest.
//!
//! A bucket is one number, the time at which it will be empty (GCRA): nothing runs to empty it. Whoever has so many keys
//! that the map forgets some had a bucket for each of them anyway.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_guard::clock::Clock;
use quick_cache::unsync::Cache;

const HOUR: u64 = 3_600_000_000;

/// Two callers at once rarely want the same lock.
pub(super) const STRIPES: usize = 16;

pub(super) struct Buckets {
    clock: Arc<dyn Clock>,
    /// Microseconds until one more is free again; `None` without limit.
    interval: Option<u64>,
    /// When each bucket will be empty, in microseconds of [`Clock::elapsed`].
    stripes: [Mutex<Cache<u64, u64>>; STRIPES],
}

impl Buckets {
    /// Room for so many an hour, all at once if one likes; 0 is without limit. Remembers at most `keys` of them.
    pub fn new(per_hour: u32, keys: usize, clock: Arc<dyn Clock>) -> Self {
        let interval = (per_hour > 0).then(|| HOUR / u64::from(per_hour));
        let capacity = if interval.is_some() { keys / STRIPES } else { 0 };
        Self { clock, interval, stripes: [(); STRIPES].map(|()| Mutex::new(Cache::new(capacity))) }
    }

    /// How many more fit into a bucket, at least one; or after how long one will.
    pub fn room(&self, key: u64) -> Result<u64, Duration> {
        self.interval.map_or(Ok(u64::MAX), |interval| room(interval, self.empty(&self.stripe(key), key), self.now()))
    }

    /// Adds one if it fits, or tells after how long it will.
    pub fn take(&self, key: u64) -> Result<(), Duration> {
        let Some(interval) = self.interval else { return Ok(()) };
        let mut stripe = self.stripe(key);
        let empty = self.empty(&stripe, key);
        room(interval, empty, self.now())?;
        stripe.insert(key, empty + interval);
        Ok(())
    }

    /// Adds one, whether it fits or not: what does not fit makes the wait longer.
    pub fn add(&self, key: u64) {
        let Some(interval) = self.interval else { return };
        let mut stripe = self.stripe(key);
        let empty = self.empty(&stripe, key);
        stripe.insert(key, empty + interval);
    }

    /// Takes one out again.
    pub fn give_back(&self, key: u64) {
        if let (Some(interval), Some(mut empty)) = (self.interval, self.stripe(key).get_mut(&key)) {
            *empty = empty.saturating_sub(interval);
        }
    }

    /// How many keys it remembers.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.stripes.iter().map(|stripe| stripe.lock().unwrap().len()).sum()
    }

    /// When a bucket will be empty: not before now.
    fn empty(&self, stripe: &Cache<u64, u64>, key: u64) -> u64 {
        stripe.get(&key).copied().unwrap_or_default().max(self.now())
    }

    /// Not the time of day, which may be set back.
    fn now(&self) -> u64 {
        self.clock.elapsed().as_micros().try_into().unwrap_or(u64::MAX / 2)
    }

    fn stripe(&self, key: u64) -> MutexGuard<'_, Cache<u64, u64>> {
        // The last bytes of an IPv4 address, of a /64, and of a /48.
        let stripe = &self.stripes[(key ^ (key >> 16) ^ (key >> 8)) as usize % STRIPES];
        stripe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many more fit until a bucket takes an hour to leak.
fn room(interval: u64, empty: u64, now: u64) -> Result<u64, Duration> {
    let full = now + HOUR;
    match full.saturating_sub(empty) / interval {
        0 => Err(Duration::from_micros((empty + interval).saturating_sub(full))),
        room => Ok(room),
    }
}
