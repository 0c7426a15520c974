//! Slows clients down that come again although they are refused. A refusal is cheap, but a flood of them takes the
//! cores from the calls that could be served. So an address that was refused is heard again only as often as calls can
//! be served: the first refusal comes at once and a connection with refused calls is left unread for a time, so that
//! the rest of the flood waits in the sockets of its sender. The connection of a trusted proxy carries the calls of
//! many clients and is always read; the answer to a refused call waits instead.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::subscriber;

/// The longest time that a client is not heard. The queue of the password lane lasts about as long, so it does not run
/// empty meanwhile.
const LONGEST: Duration = Duration::from_secs(5);

/// The longest time that a new connection is not heard. Honest clients of the address make new ones.
const LONGEST_OF_NEW: Duration = Duration::from_secs(1);

/// Pauses end together at these steps of time, so that a flood wakes a thread once for several of its connections.
const STEP: Duration = Duration::from_millis(20);

/// The most addresses that are remembered, in some 4 MiB. Of more, the others are not slowed down.
const MOST: usize = 65_536;

/// The addresses that were refused lately. An address is one subscriber, a /64 of IPv6.
#[derive(Debug)]
pub(crate) struct Pacing(Mutex<Paced>);

#[derive(Debug)]
struct Paced {
    /// The time at which the next call of each address may come.
    next: HashMap<IpAddr, Instant>,
    /// When those that may come at any time are forgotten.
    forget: Instant,
    /// The time from which [`STEP`] counts.
    begun: Instant,
}

impl Pacing {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self(Mutex::new(Paced { next: HashMap::new(), forget: now, begun: now }))
    }

    /// Notes that a call of this address was refused, and returns the time for which the address is not to be heard.
    /// `distance` is the time after which the next refused call of any address may come.
    pub(in crate::transport) fn refused(&self, address: IpAddr, distance: Duration) -> Duration {
        self.refused_at(address, distance, Instant::now())
    }

    /// The time for which a new connection of this address is not to be heard.
    pub(in crate::transport) fn wait(&self, address: IpAddr) -> Duration {
        let paced = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = paced.next.get(&subscriber(address));
        next.map_or(Duration::ZERO, |next| next.saturating_duration_since(Instant::now())).min(LONGEST_OF_NEW)
    }

    fn refused_at(&self, address: IpAddr, distance: Duration, now: Instant) -> Duration {
        let mut paced = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Paced { next, forget, begun } = &mut *paced;
        if *forget <= now {
            next.retain(|_, next| *next > now);
            *forget = now + LONGEST;
        }
        let address = subscriber(address);
        if next.len() >= MOST && !next.contains_key(&address) {
            return Duration::ZERO;
        }
        // Together, all addresses come at that distance.
        let others = u32::try_from(next.len()).unwrap_or(u32::MAX).max(1);
        let next = next.entry(address).or_insert(now);
        let wait = next.saturating_duration_since(now);
        *next = (now + wait + distance.saturating_mul(others)).min(now + LONGEST);
        to_step(wait, now.saturating_duration_since(*begun))
    }
}

/// Lengthens a wait that begins at this time, so that it ends at a step.
fn to_step(wait: Duration, now: Duration) -> Duration {
    let step = STEP.as_micros();
    let beyond = (now + wait).as_micros() % step;
    if wait.is_zero() || beyond == 0 {
        return wait;
    }
    wait + Duration::from_micros((step - beyond).try_into().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::{Duration, Instant};

    use super::{LONGEST, MOST, Pacing, STEP, to_step};

    const DISTANCE: Duration = Duration::from_millis(2);

    #[test]
    fn the_first_refusal_is_prompt_and_the_following_ones_come_at_the_distance_up_to_the_longest_wait() {
        let (pacing, address, now) = (Pacing::new(), IpAddr::from([192, 0, 2, 1]), Instant::now());
        let waits: Vec<_> = (0..5_000).map(|_| pacing.refused_at(address, DISTANCE, now)).collect();
        assert_eq!(waits[0], Duration::ZERO);
        for (wait, exact) in waits[1..].iter().zip(1..) {
            let exact = (exact * DISTANCE).min(LONGEST);
            assert!((exact..exact + STEP).contains(wait), "{wait:?}, and not {exact:?}");
        }
        assert_eq!(pacing.refused_at(address, DISTANCE, now + LONGEST), Duration::ZERO, "soon forgiven");
    }

    #[test]
    fn waits_end_at_common_steps() {
        let ms = Duration::from_millis;
        assert_eq!(to_step(Duration::ZERO, ms(7)), Duration::ZERO);
        assert_eq!([to_step(ms(1), ms(7)), to_step(ms(12), ms(7))], [ms(13), ms(13)]);
        assert_eq!([to_step(ms(13), ms(7)), to_step(ms(14), ms(7))], [ms(13), ms(33)]);
    }

    #[test]
    fn a_client_waits_for_its_own_refusals_only_and_a_subscriber_of_ipv6_is_one_client() {
        let (pacing, now) = (Pacing::new(), Instant::now());
        let refused = |address: &str| pacing.refused_at(address.parse().unwrap(), DISTANCE, now);
        for _ in 0..100 {
            refused("2001:db8::1");
        }
        assert_eq!(refused("192.0.2.1"), Duration::ZERO);
        assert!(refused("2001:db8::2") >= 100 * DISTANCE, "of the same /64");
        assert!(pacing.wait("2001:db8::3".parse().unwrap()) > Duration::ZERO);
        assert_eq!(pacing.wait("2001:db8:0:1::3".parse().unwrap()), Duration::ZERO);
    }

    #[test]
    fn many_addresses_share_the_distance_and_take_bounded_memory() {
        let (pacing, now) = (Pacing::new(), Instant::now());
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..100 {
            pacing.refused_at(address(n), DISTANCE, now);
        }
        pacing.refused_at(address(7), DISTANCE, now);
        assert!(pacing.refused_at(address(7), DISTANCE, now) >= 100 * DISTANCE);
        for n in 0..2 * u32::try_from(MOST).unwrap() {
            pacing.refused_at(address(n), DISTANCE, now);
        }
        assert_eq!(pacing.0.lock().unwrap().next.len(), MOST);
        pacing.refused_at(address(1), DISTANCE, now + 3 * LONGEST);
        assert_eq!(pacing.0.lock().unwrap().next.len(), 1, "they are forgotten");
    }
}
