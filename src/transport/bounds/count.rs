//! Counts what is held at a time, in total and by client address. Separate because connections, calls and streams are
//! counted alike.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::subscriber;

/// The number of locks. Concurrent threads rarely need the same one.
const STRIPES: usize = 16;

/// A count and its limits. An address is remembered only while it holds something.
#[derive(Debug)]
pub(crate) struct Count {
    most: usize,
    most_of_one: usize,
    all: AtomicUsize,
    by_address: [Mutex<HashMap<IpAddr, usize>>; STRIPES],
    refused: AtomicU64,
}

/// One unit of a count, until this is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct CountGuard {
    count: Arc<Count>,
    subscriber: Option<IpAddr>,
}

impl Count {
    /// A count with a limit in total and of one subscriber.
    pub(crate) fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        let by_address = [(); STRIPES].map(|()| Mutex::default());
        Arc::new(Self { most, most_of_one, all: AtomicUsize::new(0), by_address, refused: AtomicU64::new(0) })
    }

    /// Counts one more of this address, if there is room. A call from within the process has no address, and counts in
    /// total only.
    pub(crate) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<CountGuard> {
        self.take_up_to(address, |limit| limit)
    }

    /// As [`Self::take`], but leaves a quarter of each limit to others.
    pub(crate) fn take_leaving_a_quarter(self: &Arc<Self>, address: Option<IpAddr>) -> Option<CountGuard> {
        self.take_up_to(address, |limit| limit - limit / 4)
    }

    fn take_up_to(self: &Arc<Self>, address: Option<IpAddr>, part: fn(usize) -> usize) -> Option<CountGuard> {
        let guard = self.try_take(address, part);
        if guard.is_none() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        guard
    }

    fn try_take(self: &Arc<Self>, address: Option<IpAddr>, part: fn(usize) -> usize) -> Option<CountGuard> {
        let subscriber = address.map(subscriber);
        if let Some(subscriber) = subscriber {
            let mut stripe = self.stripe(subscriber);
            let of_one = stripe.entry(subscriber).or_default();
            if *of_one >= part(self.most_of_one) {
                return None;
            }
            *of_one += 1;
        }
        // If there is no room in total, dropping the guard uncounts the address.
        let guard = CountGuard { count: Arc::clone(self), subscriber };
        (self.all.fetch_add(1, Ordering::Relaxed) < part(self.most)).then_some(guard)
    }

    /// The number that is held now.
    pub(crate) fn now(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }

    /// How many were refused since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn stripe(&self, subscriber: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Mixes the last bytes of an IPv4 address and of a /64.
        let bits = match subscriber {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        };
        let stripe = &self.by_address[(bits ^ (bits >> 16)) as usize % STRIPES];
        stripe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CountGuard {
    fn drop(&mut self) {
        self.count.all.fetch_sub(1, Ordering::Relaxed);
        let Some(subscriber) = self.subscriber else { return };
        let mut stripe = self.count.stripe(subscriber);
        match stripe.get_mut(&subscriber) {
            Some(of_one) if *of_one > 1 => *of_one -= 1,
            _ => drop(stripe.remove(&subscriber)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn a_quarter_is_left_to_others_and_a_limit_of_one_is_not_divided() {
        let address = Some("192.0.2.1".parse().unwrap());
        let count = Count::new(100, 8);
        let held: Vec<_> = std::iter::from_fn(|| count.take_leaving_a_quarter(address)).collect();
        assert_eq!(held.len(), 6);
        assert!(count.take(address).is_some());
        assert!(Count::new(1, 1).take_leaving_a_quarter(address).is_some());
    }

    #[test]
    fn the_count_is_limited_in_total_and_by_address() {
        let count = Count::new(5, 2);
        let take = |address: &str| count.take(Some(address.parse().unwrap()));
        let [one, other] = [take("192.0.2.1").unwrap(), take("192.0.2.1").unwrap()];
        assert!(take("192.0.2.1").is_none() && take("::ffff:192.0.2.1").is_none());
        let others = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|address| take(address).unwrap());
        assert!(take("2001:db8::3").is_none(), "a /64 is one subscriber");
        assert!(take("192.0.2.2").is_none(), "in total");
        assert_eq!((count.now(), count.refused()), (5, 4));
        drop(one);
        assert!(take("192.0.2.2").is_some());
        drop((other, others));
        assert_eq!(count.now(), 0);
        assert!(count.by_address.iter().all(|stripe| stripe.lock().unwrap().is_empty()), "no address is remembered");
        let unknown: Vec<_> = std::iter::from_fn(|| count.take(None)).collect();
        assert_eq!(unknown.len(), 5, "without an address, in total only");
    }
}
