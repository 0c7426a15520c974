//! So many at a time, in all and of one address. Apart from what is counted, because connections, calls and streams are
//! counted alike.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::subscriber;

/// Threads that serve at once rarely want the same lock.
const STRIPES: usize = 16;

/// How many there are and may be. An address is remembered only while it has one.
#[derive(Debug)]
pub struct Count {
    most: usize,
    most_of_one: usize,
    all: AtomicUsize,
    by_address: [Mutex<HashMap<IpAddr, usize>>; STRIPES],
    refused: AtomicU64,
}

/// One of them, until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Place {
    count: Arc<Count>,
    subscriber: Option<IpAddr>,
}

impl Count {
    pub fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        let by_address = [(); STRIPES].map(|()| Mutex::default());
        Arc::new(Self { most, most_of_one, all: AtomicUsize::new(0), by_address, refused: AtomicU64::new(0) })
    }

    /// One more of this address, if there is room. What did not come by the network has no address, and counts in all only.
    pub fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Place> {
        let place = self.try_take(address);
        if place.is_none() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        place
    }

    fn try_take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Place> {
        let subscriber = address.map(subscriber);
        if let Some(subscriber) = subscriber {
            let mut stripe = self.stripe(subscriber);
            let of_one = stripe.entry(subscriber).or_default();
            if *of_one >= self.most_of_one {
                return None;
            }
            *of_one += 1;
        }
        // Gives back what it has just taken of the address, if there is none for it.
        let place = Place { count: Arc::clone(self), subscriber };
        (self.all.fetch_add(1, Ordering::Relaxed) < self.most).then_some(place)
    }

    /// How many there are.
    pub fn now(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }

    /// How many there were too many, since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn stripe(&self, subscriber: IpAddr) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // The last bytes of an IPv4 address, and of a /64.
        let bits = match subscriber {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
        };
        let stripe = &self.by_address[(bits ^ (bits >> 16)) as usize % STRIPES];
        stripe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
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
    fn there_are_only_so_many_in_all_and_of_one_address() {
        let count = Count::new(5, 2);
        let take = |address: &str| count.take(Some(address.parse().unwrap()));
        let [one, other] = [take("192.0.2.1").unwrap(), take("192.0.2.1").unwrap()];
        assert!(take("192.0.2.1").is_none() && take("::ffff:192.0.2.1").is_none());
        let others = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|address| take(address).unwrap());
        assert!(take("2001:db8::3").is_none(), "a /64 is one subscriber");
        assert!(take("192.0.2.2").is_none(), "in all");
        assert_eq!((count.now(), count.refused()), (5, 4));
        drop(one);
        assert!(take("192.0.2.2").is_some());
        drop((other, others));
        assert_eq!(count.now(), 0);
        assert!(count.by_address.iter().all(|stripe| stripe.lock().unwrap().is_empty()), "nobody is remembered");
        let unknown: Vec<_> = std::iter::from_fn(|| count.take(None)).collect();
        assert_eq!(unknown.len(), 5, "without an address, in all only");
    }
}
