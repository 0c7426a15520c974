//! How often an address may do something: a leaky bucket for each, in a map that forgets whom it has not seen for longest
//! when it is full. Addresses of IPv6 count by their /64, which is what one subscriber has.
//!
//! A bucket is one number, the time at which it will be empty (GCRA): nothing runs to empty it. Who has so many addresses
//! that the map forgets some had a bucket for each of them anyway.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::unsync::Cache;

use crate::clock::Clock;
use crate::domain::subscriber;

const HOUR: u64 = 3_600_000_000;

/// Two callers at once rarely want the same lock.
const STRIPES: usize = 16;

/// 65,536 addresses in all, in some 3 MiB.
const ADDRESSES_PER_STRIPE: usize = 4_096;

/// A budget of each address.
pub struct Addresses {
    clock: Arc<dyn Clock>,
    /// Microseconds until one more is free again; `None` without limit.
    interval: Option<u64>,
    /// When each bucket will be empty, in microseconds of [`Clock::elapsed`].
    stripes: [Mutex<Cache<u64, u64>>; STRIPES],
}

/// Something that an address has done, or is doing. Given back when dropped, unless it is [spent](Self::spend).
#[must_use]
pub struct Charge(Option<(Arc<Addresses>, u64)>);

impl Addresses {
    /// So often an hour, all at once if one likes; 0 is without limit.
    pub fn new(per_hour: u32, clock: Arc<dyn Clock>) -> Self {
        let interval = (per_hour > 0).then(|| HOUR / u64::from(per_hour));
        let capacity = if interval.is_some() { ADDRESSES_PER_STRIPE } else { 0 };
        Self { clock, interval, stripes: [(); STRIPES].map(|()| Mutex::new(Cache::new(capacity))) }
    }

    /// Takes one from the budget of an address, or tells after how long there will be one. What did not come by the network
    /// has none to take from.
    pub fn charge(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Charge, Duration> {
        let (Some(interval), Some(address)) = (self.interval, address) else { return Ok(Charge(None)) };
        let key = key(address);
        let now = self.now();
        let mut stripe = self.stripe(key);
        let empty = stripe.get(&key).map_or(now, |&empty| empty.max(now)) + interval;
        if let Some(over) = empty.checked_sub(now + HOUR).filter(|&over| over > 0) {
            return Err(Duration::from_micros(over));
        }
        stripe.insert(key, empty);
        drop(stripe);
        Ok(Charge(Some((Arc::clone(self), key))))
    }

    fn give_back(&self, key: u64) {
        let mut stripe = self.stripe(key);
        if let (Some(interval), Some(mut empty)) = (self.interval, stripe.get_mut(&key)) {
            *empty = empty.saturating_sub(interval);
        }
    }

    /// Not the time of day, which may be set back.
    fn now(&self) -> u64 {
        self.clock.elapsed().as_micros().try_into().unwrap_or(u64::MAX / 2)
    }

    fn stripe(&self, key: u64) -> MutexGuard<'_, Cache<u64, u64>> {
        // The last bytes of an IPv4 address, and of a /64.
        let stripe = &self.stripes[(key ^ (key >> 16)) as usize % STRIPES];
        stripe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first half of an IPv6 address; of an IPv4 one itself, behind what no IPv6 address of a sender begins with.
fn key(address: IpAddr) -> u64 {
    match subscriber(address) {
        IpAddr::V4(address) => 0xffff_ffff_0000_0000 | u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

impl Charge {
    /// It is not given back.
    pub fn spend(mut self) {
        self.0 = None;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some((addresses, key)) = self.0.take() {
            addresses.give_back(key);
        }
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addresses").field("interval", &self.interval).finish_non_exhaustive()
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Charge(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use super::{ADDRESSES_PER_STRIPE, Addresses, STRIPES};
    use crate::clock::ManualClock;

    fn budget(per_hour: u32) -> (Arc<Addresses>, ManualClock) {
        let clock = ManualClock::at(0);
        (Arc::new(Addresses::new(per_hour, Arc::new(clock.clone()))), clock)
    }

    /// Spends one, or tells how many seconds to wait.
    fn spend(budget: &Arc<Addresses>, address: &str) -> Result<(), f64> {
        let charge = budget.charge(Some(address.parse().unwrap())).map_err(|wait| wait.as_secs_f64())?;
        charge.spend();
        Ok(())
    }

    #[test]
    fn an_address_has_its_budget_at_once_and_then_as_fast_as_it_leaks() {
        let (budget, clock) = budget(60);
        for _ in 0..60 {
            assert_eq!(spend(&budget, "192.0.2.1"), Ok(()));
        }
        assert_eq!(spend(&budget, "192.0.2.1"), Err(60.0));
        assert_eq!(spend(&budget, "192.0.2.2"), Ok(()), "another's is its own");
        clock.elapse(59);
        assert_eq!(spend(&budget, "192.0.2.1"), Err(1.0));
        clock.elapse(1);
        assert_eq!(spend(&budget, "192.0.2.1"), Ok(()));
        assert_eq!(spend(&budget, "192.0.2.1"), Err(60.0), "who was refused has spent nothing");
        clock.elapse(3_600);
        for _ in 0..60 {
            assert_eq!(spend(&budget, "192.0.2.1"), Ok(()));
        }
        assert_eq!(spend(&budget, "192.0.2.1"), Err(60.0), "an idle hour saves nothing up");
    }

    #[test]
    fn what_is_not_spent_is_given_back() {
        let (budget, _) = budget(2);
        for _ in 0..10 {
            drop(budget.charge(Some(IpAddr::from([192, 0, 2, 1]))).unwrap());
        }
        let held = [(); 2].map(|()| budget.charge(Some(IpAddr::from([192, 0, 2, 1]))).unwrap());
        assert_eq!(spend(&budget, "192.0.2.1"), Err(1_800.0), "both are under way");
        drop(held);
        assert_eq!(spend(&budget, "192.0.2.1"), Ok(()));
    }

    #[test]
    fn a_subscriber_has_one_budget_whatever_its_addresses() {
        for (name, one, other, same) in [
            ("one /64", "2001:db8::1", "2001:db8::ffff:1", true),
            ("the next /64", "2001:db8::1", "2001:db8:0:1::1", false),
            ("IPv4", "192.0.2.1", "192.0.2.2", false),
            ("IPv4 within IPv6", "192.0.2.1", "::ffff:192.0.2.1", true),
        ] {
            let (budget, _) = budget(1);
            assert_eq!(spend(&budget, one), Ok(()), "{name}");
            assert_eq!(spend(&budget, other).is_err(), same, "{name}");
        }
    }

    #[test]
    fn without_a_limit_or_an_address_nothing_is_counted() {
        let (unlimited, _) = budget(0);
        let (limited, _) = budget(1);
        for _ in 0..1_000 {
            assert_eq!(spend(&unlimited, "192.0.2.1"), Ok(()));
            limited.charge(None).unwrap().spend();
        }
    }

    #[test]
    fn it_remembers_no_more_than_it_has_room_for_and_who_comes_often_longest() {
        let (budget, _) = budget(100);
        let often = "2001:db8::1";
        for n in 0..1_000_000_u32 {
            budget.charge(Some(IpAddr::from(n.to_be_bytes()))).unwrap().spend();
            if n % 20_000 == 0 {
                assert_eq!(spend(&budget, often), Ok(()));
            }
        }
        let remembered: usize = budget.stripes.iter().map(|stripe| stripe.lock().unwrap().len()).sum();
        assert!(remembered <= STRIPES * ADDRESSES_PER_STRIPE, "{remembered}");
        // Fifty were spent before.
        let left = (0..100).take_while(|_| spend(&budget, often).is_ok()).count();
        assert_eq!(left, 50);
        assert_eq!(budget.charge(Some(often.parse().unwrap())).unwrap_err(), Duration::from_secs(36));
    }
}
