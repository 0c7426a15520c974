//! A rate limit for each address and each network. IPv6 addresses are counted by their /64, the network of one
//! subscriber. Networks are a /48 of IPv6, which one subscriber can often get as well, and a /24 of IPv4.
//!
//! The budget of a network is [`NETWORK_FACTOR`] times that of an address. A few subscribers of one network never reach
//! it, and an attacker with all 65,536 /64s of a /48 has sixteen budgets instead of 65,536.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::buckets::Buckets;
use crate::domain::{network, subscriber};
use countersign_guard::clock::Clock;

/// The budget of a network in budgets of an address.
const NETWORK_FACTOR: u32 = 16;

/// The most addresses that a budget remembers, in some 3 MiB.
const MAX_ADDRESSES: usize = 65_536;

/// The most networks that a budget remembers, in some 1 MiB.
const MAX_NETWORKS: usize = 16_384;

/// The networks that have a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountedNetworks {
    /// Networks of IPv4 and IPv6.
    All,
    /// Networks of IPv6 only. A /24 of IPv4 may belong to a carrier with thousands of subscribers behind each address,
    /// and an attacker has to pay for the 256 budgets of a whole /24.
    Ipv6,
}

/// The budgets of all addresses and networks, for one kind of call.
pub struct AddressBudget {
    addresses: Buckets,
    networks: Buckets,
    counted: CountedNetworks,
}

/// The keys of an address in the buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BucketKeys {
    pub address: u64,
    pub network: Option<u64>,
}

/// One unit taken from the budget of an address. It is given back when dropped, unless it was [spent](Self::spend).
#[must_use]
pub struct Charge(Option<(Arc<AddressBudget>, BucketKeys)>);

impl AddressBudget {
    /// Budgets of `per_hour` calls, which may come all at once; 0 means no limit.
    pub fn new(per_hour: u32, counted: CountedNetworks, clock: &Arc<dyn Clock>) -> Self {
        let of_a_network = per_hour.saturating_mul(NETWORK_FACTOR);
        Self {
            addresses: Buckets::new(per_hour, MAX_ADDRESSES, Arc::clone(clock)),
            networks: Buckets::new(of_a_network, MAX_NETWORKS, Arc::clone(clock)),
            counted,
        }
    }

    /// Takes one unit from the budget of an address, or returns the time until there is one. A call that was made in
    /// process has no address and no budget.
    pub fn charge(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Charge, Duration> {
        let Some(keys) = address.map(|address| self.keys(address)) else { return Ok(Charge(None)) };
        self.addresses.take(keys.address)?;
        if let Some(network) = keys.network {
            self.networks.take(network).inspect_err(|_| self.addresses.give_back(keys.address))?;
        }
        Ok(Charge(Some((Arc::clone(self), keys))))
    }

    pub(super) fn keys(&self, address: IpAddr) -> BucketKeys {
        let is_counted = self.counted == CountedNetworks::All || address.to_canonical().is_ipv6();
        BucketKeys { address: key(subscriber(address)), network: is_counted.then(|| key(network(address))) }
    }

    /// The units left of an address and of its network, or the time until both have one.
    pub(super) fn room(&self, keys: BucketKeys) -> Result<(u64, u64), Duration> {
        let address = self.addresses.room(keys.address)?;
        let network = keys.network.map_or(Ok(u64::MAX), |network| self.networks.room(network))?;
        Ok((address, network))
    }

    /// Takes one unit, even if none is left.
    pub(super) fn add(&self, keys: BucketKeys) {
        self.addresses.add(keys.address);
        if let Some(network) = keys.network {
            self.networks.add(network);
        }
    }

    fn give_back(&self, keys: BucketKeys) {
        self.addresses.give_back(keys.address);
        if let Some(network) = keys.network {
            self.networks.give_back(network);
        }
    }
}

/// The first half of an IPv6 address. An IPv4 address is placed behind a prefix that no sender has in IPv6.
fn key(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => 0xffff_ffff_0000_0000 | u64::from(address.to_bits()),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

impl Charge {
    /// Keeps the unit from being given back.
    pub fn spend(mut self) {
        self.0 = None;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some((addresses, keys)) = self.0.take() {
            addresses.give_back(keys);
        }
    }
}

impl fmt::Debug for AddressBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddressBudget").field("counted", &self.counted).finish_non_exhaustive()
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

    use super::{AddressBudget, CountedNetworks, MAX_ADDRESSES, MAX_NETWORKS};
    use countersign_guard::clock::{Clock, ManualClock};

    fn budget(per_hour: u32) -> (Arc<AddressBudget>, ManualClock) {
        let clock = ManualClock::at(0);
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        (Arc::new(AddressBudget::new(per_hour, CountedNetworks::All, &shared)), clock)
    }

    /// Spends one unit, or returns how many seconds to wait.
    fn spend(budget: &Arc<AddressBudget>, address: &str) -> Result<(), f64> {
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
        assert_eq!(spend(&budget, "192.0.2.2"), Ok(()), "another address has its own budget");
        clock.elapse(59);
        assert_eq!(spend(&budget, "192.0.2.1"), Err(1.0));
        clock.elapse(1);
        assert_eq!(spend(&budget, "192.0.2.1"), Ok(()));
        assert_eq!(spend(&budget, "192.0.2.1"), Err(60.0), "a refused call has spent nothing");
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
    fn a_network_has_sixteen_budgets_however_many_addresses_it_has() {
        for (name, address, elsewhere) in [
            ("/48", (|n| format!("2001:db8:1:{n:x}::1")) as fn(u32) -> String, "2001:db8:2::1"),
            ("/24", |n| format!("192.0.2.{n}"), "192.0.3.1"),
        ] {
            let (budget, clock) = budget(60);
            let spent = (0..200).map(|n| spend(&budget, &address(n % 100))).take_while(Result::is_ok);
            assert_eq!(spent.count(), 200, "{name}");
            let spent = (0..100).flat_map(|n| [(); 60].map(|()| spend(&budget, &address(n)))).filter(Result::is_ok);
            assert_eq!(spent.count(), 16 * 60 - 200, "{name}");
            assert_eq!(spend(&budget, &address(101)), Err(3.75), "{name}: of a fresh address, too");
            assert_eq!(spend(&budget, elsewhere), Ok(()), "{name}");
            clock.elapse(4);
            assert_eq!(spend(&budget, &address(101)), Ok(()), "{name}");
            assert!(spend(&budget, &address(101)).is_err(), "{name}");
            clock.elapse(3_600);
            let spent = (0..60).filter(|_| spend(&budget, &address(101)).is_ok());
            assert_eq!(spent.count(), 60, "{name}: a call refused for the network has spent nothing of the address");
        }
    }

    #[test]
    fn where_networks_of_ipv4_do_not_count_each_address_has_its_own() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(0));
        let budget = Arc::new(AddressBudget::new(1, CountedNetworks::Ipv6, &clock));
        assert!((0..=255).all(|n| spend(&budget, &format!("192.0.2.{n}")).is_ok()));
        let spent = (0..=255).filter(|n| spend(&budget, &format!("2001:db8:0:{n:x}::1")).is_ok());
        assert_eq!(spent.count(), 16);
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
    fn memory_is_bounded_and_frequent_addresses_are_remembered_longest() {
        let (budget, _) = budget(100);
        let often = "2001:db8::1";
        for n in 0..1_000_000_u32 {
            budget.charge(Some(IpAddr::from(n.to_be_bytes()))).unwrap().spend();
            if n % 20_000 == 0 {
                assert_eq!(spend(&budget, often), Ok(()));
            }
        }
        let (addresses, networks) = (budget.addresses.len(), budget.networks.len());
        assert!(addresses <= MAX_ADDRESSES && networks <= MAX_NETWORKS, "{addresses} {networks}");
        // Fifty were spent before.
        let left = (0..100).take_while(|_| spend(&budget, often).is_ok()).count();
        assert_eq!(left, 50);
        assert_eq!(budget.charge(Some(often.parse().unwrap())).unwrap_err(), Duration::from_secs(36));
    }
}
