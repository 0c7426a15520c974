//! How often an address may fail to sign in. Unlike what else an address may do only so often ([`Addresses`]), this is
//! charged when it is known: whoever waits, or is right, has not failed.
//!
//! 1. Whose budget is spent already is refused at the door, and once more when the turn at the hash comes.
//! 2. Until it is known how they end, never more guesses of an address are under way than may still fail. Those beyond wait.
//!    So many at once gain nothing, and no budget is ever overdrawn.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_guard::clock::Clock;

use super::addresses::{Addresses, Keys, Networks};

/// The budget of each address, and what is under way.
pub struct Failures {
    budget: Addresses,
    /// How many guesses are under way. Only addresses and networks that have any are here.
    under_way: Mutex<HashMap<Level, u64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Level {
    Address(u64),
    Network(u64),
}

/// An address that guesses; by default none, which may fail for ever.
#[derive(Debug, Clone, Default)]
pub struct Source(Option<(Arc<Failures>, Keys)>);

/// A guess under way. Over when it is dropped.
#[must_use]
pub struct Flight(Source);

impl Failures {
    /// So many an hour, all at once if one likes; 0 is without limit.
    pub fn new(per_hour: u32, clock: &Arc<dyn Clock>) -> Self {
        Self { budget: Addresses::new(per_hour, Networks::All, clock), under_way: Mutex::default() }
    }

    /// The budget of an address.
    pub fn of(self: &Arc<Self>, address: Option<IpAddr>) -> Source {
        Source(address.map(|address| (Arc::clone(self), self.budget.keys(address))))
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Level, u64>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source {
    /// Whether another failure is free; or after how long one will be.
    pub fn look(&self) -> Result<(), Duration> {
        let Some((failures, keys)) = &self.0 else { return Ok(()) };
        failures.budget.room(*keys).map(drop)
    }

    /// Begins a guess. `None` while those under way may still fail as often as is free.
    pub fn begin(&self) -> Result<Option<Flight>, Duration> {
        let Some((failures, keys)) = &self.0 else { return Ok(Some(Flight(self.clone()))) };
        let mut under_way = failures.under_way();
        let (of_address, of_network) = failures.budget.room(*keys)?;
        let is_free = |level, room| under_way.get(&level).is_none_or(|&count| count < room);
        if levels(*keys).zip([of_address, of_network]).any(|(level, room)| !is_free(level, room)) {
            return Ok(None);
        }
        levels(*keys).for_each(|level| *under_way.entry(level).or_default() += 1);
        Ok(Some(Flight(self.clone())))
    }

    /// A guess has failed.
    pub fn failed(&self) {
        if let Some((failures, keys)) = &self.0 {
            failures.budget.add(*keys);
        }
    }
}

fn levels(keys: Keys) -> impl Iterator<Item = Level> {
    [Some(Level::Address(keys.address)), keys.network.map(Level::Network)].into_iter().flatten()
}

impl Drop for Flight {
    fn drop(&mut self) {
        let Some((failures, keys)) = &self.0.0 else { return };
        let mut under_way = failures.under_way();
        for level in levels(*keys) {
            if let Some(count) = under_way.get_mut(&level) {
                *count -= 1;
                if *count == 0 {
                    under_way.remove(&level);
                }
            }
        }
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failures").field("budget", &self.budget).finish_non_exhaustive()
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flight(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use countersign_guard::clock::{Clock, ManualClock};

    use super::{Failures, Source};

    fn failures(per_hour: u32) -> Arc<Failures> {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(0));
        Arc::new(Failures::new(per_hour, &clock))
    }

    fn of(failures: &Arc<Failures>, address: &str) -> Source {
        failures.of(Some(address.parse().unwrap()))
    }

    #[test]
    fn whoever_is_right_may_guess_for_ever_and_however_many_at_once_as_may_fail() {
        let failures = failures(3);
        let source = of(&failures, "192.0.2.1");
        for _ in 0..1_000 {
            assert!(source.look().is_ok());
            drop(source.begin().unwrap().unwrap());
        }
        let mut flying: Vec<_> = (0..3).map(|_| source.begin().unwrap().unwrap()).collect();
        assert!(matches!(source.begin(), Ok(None)), "the fourth waits");
        assert!(source.look().is_ok(), "none has failed yet");
        flying.pop();
        assert!(matches!(source.begin(), Ok(Some(_))));
    }

    #[test]
    fn each_failure_leaves_room_for_one_fewer_until_none_is_left() {
        let failures = failures(3);
        let source = of(&failures, "192.0.2.1");
        let [first, second, third] = [(); 3].map(|()| source.begin().unwrap().unwrap());
        source.failed();
        drop(first);
        assert!(matches!(source.begin(), Ok(None)), "two are under way, and two are free");
        drop(second);
        let second = source.begin().unwrap().unwrap();
        source.failed();
        source.failed();
        let wait = Duration::from_secs(1_200);
        assert_eq!((source.look(), source.begin().map(drop)), (Err(wait), Err(wait)));
        source.failed();
        assert_eq!(source.look(), Err(2 * wait), "a debt makes the wait longer");
        drop((second, third));
        assert!(failures.under_way().is_empty(), "nobody is remembered");
    }

    #[test]
    fn addresses_share_what_their_network_may_fail() {
        let failures = failures(1);
        let sources: Vec<_> = (0..17).map(|n| of(&failures, &format!("2001:db8:0:{n:x}::1"))).collect();
        let flights: Vec<_> = sources[..16].iter().map(|source| source.begin().unwrap().unwrap()).collect();
        assert!(matches!(sources[16].begin(), Ok(None)));
        assert!(matches!(of(&failures, "2001:db8:1::1").begin(), Ok(Some(_))));
        sources[..16].iter().for_each(Source::failed);
        assert_eq!(sources[16].look(), Err(Duration::from_secs(225)));
        drop(flights);
        assert!(failures.under_way().is_empty());
    }

    #[test]
    fn without_a_limit_or_an_address_any_number_is_under_way() {
        let [unlimited, limited] = [0, 1].map(failures);
        for source in [of(&unlimited, "192.0.2.1"), limited.of(None)] {
            let flights: Vec<_> = (0..1_000).map(|_| source.begin().unwrap().unwrap()).collect();
            flights.iter().for_each(|_| source.failed());
            assert!(source.look().is_ok());
        }
    }
}
