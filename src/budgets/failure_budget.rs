//! The limit of the failed guesses of an address, at passwords, service credentials or tokens. Separate from the other
//! budgets ([`AddressBudget`]) because it is charged only when a guess has failed: a guess that waits or is right costs
//! nothing.
//!
//! 1. An address with a spent budget is refused when its call arrives, and again when its hash is about to begin.
//! 2. An address never has more guesses in progress than may still fail. Further guesses wait. Many guesses at once
//!    thus gain nothing, and no budget is overdrawn.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::address_budget::{AddressBudget, BucketKeys, CountedNetworks};
use countersign_guard::clock::Clock;

/// The failures left of each address, and the guesses in progress.
pub struct FailureBudget {
    budget: AddressBudget,
    /// The number of guesses in progress, of the addresses and networks that have any.
    in_progress: Mutex<HashMap<BudgetOwner, u64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum BudgetOwner {
    Address(u64),
    Network(u64),
}

/// An address that guesses. The default has no address and no limit.
#[derive(Debug, Clone, Default)]
pub struct GuessingAddress(Option<(Arc<FailureBudget>, BucketKeys)>);

/// A guess that is in progress until this is dropped.
#[must_use]
pub struct GuessInProgress(GuessingAddress);

impl FailureBudget {
    /// Budgets of `per_hour` failures, which may come all at once; 0 means no limit.
    pub fn new(per_hour: u32, clock: &Arc<dyn Clock>) -> Self {
        Self { budget: AddressBudget::new(per_hour, CountedNetworks::All, clock), in_progress: Mutex::default() }
    }

    /// An address and its budget.
    pub fn of(self: &Arc<Self>, address: Option<IpAddr>) -> GuessingAddress {
        GuessingAddress(address.map(|address| (Arc::clone(self), self.budget.keys(address))))
    }

    fn in_progress(&self) -> MutexGuard<'_, HashMap<BudgetOwner, u64>> {
        self.in_progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GuessingAddress {
    /// Refuses if no failure is left, with the time until there is one.
    pub fn require_room(&self) -> Result<(), Duration> {
        let Some((failures, keys)) = &self.0 else { return Ok(()) };
        failures.budget.room(*keys).map(drop)
    }

    /// Begins a guess. Returns `None` while the guesses in progress may use up all failures that are left.
    pub fn begin_guess(&self) -> Result<Option<GuessInProgress>, Duration> {
        let Some((failures, keys)) = &self.0 else { return Ok(Some(GuessInProgress(self.clone()))) };
        let mut in_progress = failures.in_progress();
        let (of_address, of_network) = failures.budget.room(*keys)?;
        let is_free = |owner, room| in_progress.get(&owner).is_none_or(|&count| count < room);
        if owners(*keys).zip([of_address, of_network]).any(|(owner, room)| !is_free(owner, room)) {
            return Ok(None);
        }
        owners(*keys).for_each(|owner| *in_progress.entry(owner).or_default() += 1);
        Ok(Some(GuessInProgress(self.clone())))
    }

    /// Charges a failed guess.
    pub fn count_failure(&self) {
        if let Some((failures, keys)) = &self.0 {
            failures.budget.add(*keys);
        }
    }
}

fn owners(keys: BucketKeys) -> impl Iterator<Item = BudgetOwner> {
    [Some(BudgetOwner::Address(keys.address)), keys.network.map(BudgetOwner::Network)].into_iter().flatten()
}

impl Drop for GuessInProgress {
    fn drop(&mut self) {
        let Some((failures, keys)) = &self.0.0 else { return };
        let mut in_progress = failures.in_progress();
        for owner in owners(*keys) {
            if let Some(count) = in_progress.get_mut(&owner) {
                *count -= 1;
                if *count == 0 {
                    in_progress.remove(&owner);
                }
            }
        }
    }
}

impl fmt::Debug for FailureBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailureBudget").field("budget", &self.budget).finish_non_exhaustive()
    }
}

impl fmt::Debug for GuessInProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuessInProgress(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{FailureBudget, GuessingAddress};
    use countersign_guard::clock::{Clock, ManualClock};

    fn failures(per_hour: u32) -> Arc<FailureBudget> {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(0));
        Arc::new(FailureBudget::new(per_hour, &clock))
    }

    fn of(failures: &Arc<FailureBudget>, address: &str) -> GuessingAddress {
        failures.of(Some(address.parse().unwrap()))
    }

    #[test]
    fn right_guesses_cost_nothing_and_as_many_are_in_progress_as_may_fail() {
        let failures = failures(3);
        let source = of(&failures, "192.0.2.1");
        for _ in 0..1_000 {
            assert!(source.require_room().is_ok());
            drop(source.begin_guess().unwrap().unwrap());
        }
        let mut guesses: Vec<_> = (0..3).map(|_| source.begin_guess().unwrap().unwrap()).collect();
        assert!(matches!(source.begin_guess(), Ok(None)), "the fourth waits");
        assert!(source.require_room().is_ok(), "none has failed yet");
        guesses.pop();
        assert!(matches!(source.begin_guess(), Ok(Some(_))));
    }

    #[test]
    fn each_failure_leaves_room_for_one_fewer_until_none_is_left() {
        let failures = failures(3);
        let source = of(&failures, "192.0.2.1");
        let [first, second, third] = [(); 3].map(|()| source.begin_guess().unwrap().unwrap());
        source.count_failure();
        drop(first);
        assert!(matches!(source.begin_guess(), Ok(None)), "two are in progress, and two failures are left");
        drop(second);
        let second = source.begin_guess().unwrap().unwrap();
        source.count_failure();
        source.count_failure();
        let wait = Duration::from_secs(1_200);
        assert_eq!((source.require_room(), source.begin_guess().map(drop)), (Err(wait), Err(wait)));
        source.count_failure();
        assert_eq!(source.require_room(), Err(2 * wait), "a debt makes the wait longer");
        drop((second, third));
        assert!(failures.in_progress().is_empty(), "no address is remembered");
    }

    #[test]
    fn addresses_share_the_failures_of_their_network() {
        let failures = failures(1);
        let sources: Vec<_> = (0..17).map(|n| of(&failures, &format!("2001:db8:0:{n:x}::1"))).collect();
        let guesses: Vec<_> = sources[..16].iter().map(|source| source.begin_guess().unwrap().unwrap()).collect();
        assert!(matches!(sources[16].begin_guess(), Ok(None)));
        assert!(matches!(of(&failures, "2001:db8:1::1").begin_guess(), Ok(Some(_))));
        sources[..16].iter().for_each(GuessingAddress::count_failure);
        assert_eq!(sources[16].require_room(), Err(Duration::from_secs(225)));
        drop(guesses);
        assert!(failures.in_progress().is_empty());
    }

    #[test]
    fn without_a_limit_or_an_address_any_number_is_in_progress() {
        let [unlimited, limited] = [0, 1].map(failures);
        for source in [of(&unlimited, "192.0.2.1"), limited.of(None)] {
            let guesses: Vec<_> = (0..1_000).map(|_| source.begin_guess().unwrap().unwrap()).collect();
            guesses.iter().for_each(|_| source.count_failure());
            assert!(source.require_room().is_ok());
        }
    }
}
