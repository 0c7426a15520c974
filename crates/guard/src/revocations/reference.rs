//! The reference clock that all processes share, and the distance of this machine's clock from it. For a server with
//! PostgreSQL it is the database server's clock; a watcher learns it from its server. Separate from the set because the
//! set needs only the time from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use time::OffsetDateTime;

use super::Revocations;
use crate::clock::{Clock, Skew};

/// The reference clock, as far as a set knows it. Use it for times that one replica stores and another one reads: if
/// two replicas used their own clocks, half a minute apart, a wait of half a minute would be over on one when it begins
/// on the other.
#[derive(Debug)]
pub struct ReferenceClock(Arc<Revocations>);

impl ReferenceClock {
    /// Makes the clock from the set that compares the clocks.
    pub fn of(revocations: &Arc<Revocations>) -> Self {
        Self(Arc::clone(revocations))
    }
}

impl Clock for ReferenceClock {
    fn now(&self) -> OffsetDateTime {
        self.0.time()
    }

    fn elapsed(&self) -> Duration {
        self.0.clock().elapsed()
    }
}

/// The value of `origin` before the clocks were compared.
const NEVER_COMPARED: i64 = i64::MIN;

/// The time of the reference clock, extrapolated by [`Clock::elapsed`]. So this machine's clock is known to be wrong as
/// soon as it is set to another time, and not only when the clocks are compared again.
#[derive(Debug)]
pub(super) struct ReferenceTime {
    /// The time of the reference clock when [`Clock::elapsed`] was zero, in nanoseconds since the Unix epoch. An atomic
    /// instead of a lock, because every check of a token reads it.
    origin: AtomicI64,
    /// The [`Distance`] that was logged last.
    logged: AtomicU8,
}

/// The distance between the two clocks, in steps that are logged.
#[derive(Debug, Clone, Copy)]
enum Distance {
    Near,
    /// More than half the skew: another replica with the opposite distance would differ from this one by more than the
    /// skew.
    Noticeable,
    /// More than the skew.
    TooFar,
}

impl Default for ReferenceTime {
    fn default() -> Self {
        Self { origin: AtomicI64::new(NEVER_COMPARED), logged: AtomicU8::new(Distance::Near as u8) }
    }
}

impl ReferenceTime {
    /// Takes note that the reference clock showed `time` when [`Clock::elapsed`] was `at`.
    pub(super) fn set(&self, time: OffsetDateTime, at: Duration) {
        let at = i128::try_from(at.as_nanos()).unwrap_or(i128::MAX);
        let origin = time.unix_timestamp_nanos().saturating_sub(at);
        self.origin.store(i64::try_from(origin).unwrap_or(i64::MAX), Ordering::Release);
    }

    /// Returns the time of the reference clock; `None` if the clocks were never compared.
    pub(super) fn time(&self, clock: &dyn Clock) -> Option<OffsetDateTime> {
        let origin = self.origin.load(Ordering::Acquire);
        let origin =
            (origin != NEVER_COMPARED).then(|| OffsetDateTime::from_unix_timestamp_nanos(origin.into()).ok())??;
        origin.checked_add(clock.elapsed().try_into().ok()?)
    }

    /// Returns how far `clock` is ahead of the reference clock; negative if it is behind.
    pub(super) fn offset(&self, clock: &dyn Clock) -> Option<time::Duration> {
        self.time(clock).map(|time| clock.now() - time)
    }

    /// Logs the distance when it has changed since it was last logged.
    pub(super) fn log_distance(&self, clock: &dyn Clock, skew: Skew) {
        let Some(offset) = self.offset(clock) else { return };
        let distance = if skew.is_exceeded_by(offset) {
            Distance::TooFar
        } else if offset.unsigned_abs() > (skew.as_duration() / 2).max(Duration::from_secs(1)) {
            Distance::Noticeable
        } else {
            Distance::Near
        };
        if self.logged.swap(distance as u8, Ordering::Relaxed) == distance as u8 {
            return;
        }
        let (seconds, tolerated) = (offset.as_seconds_f64(), skew.as_duration().as_secs());
        match distance {
            Distance::Near => tracing::info!(event = "clock", result = "right", ahead_seconds = seconds),
            Distance::Noticeable => tracing::warn!(
                event = "clock",
                ahead_seconds = seconds,
                tolerated_seconds = tolerated,
                "the clock of this machine differs from the database's or server's: have NTP set both"
            ),
            Distance::TooFar => tracing::error!(
                event = "clock",
                result = "off",
                ahead_seconds = seconds,
                tolerated_seconds = tolerated,
                "the clock of this machine differs from the database's or server's by more than CLOCK_SKEW: no token is \
                 accepted or given out until NTP has set both"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::ReferenceTime;
    use crate::clock::{Clock as _, ManualClock};

    #[test]
    fn a_clock_that_is_set_is_noticed_without_asking_again() {
        let (reference, clock) = (ReferenceTime::default(), ManualClock::at(1_000));
        assert_eq!((reference.time(&clock), reference.offset(&clock)), (None, None));
        clock.elapse(50);
        // Compared half-way through a query that took ten seconds.
        reference.set(clock.now() - Duration::from_secs(5), Duration::from_secs(45));
        assert_eq!(reference.offset(&clock), Some(time::Duration::ZERO));
        for (passed, set, offset) in [(7, 7, 0), (0, -3_600, -3_600), (10, 10 + 3_600, 0), (0, 30, 30)] {
            clock.elapse(passed);
            clock.advance(set);
            assert_eq!(reference.offset(&clock), Some(time::Duration::seconds(offset)));
        }
    }
}
