//! The clock that all processes go by, and how far this machine's is from it. For a server it is the database's, for a
//! service that watches it is its server's. Separate from the set because the set needs nothing of it but the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::Duration;

use time::OffsetDateTime;

use super::Revocations;
use crate::clock::{Clock, Skew};

/// The clock that all processes go by, as far as a set knows it: for whatever is stored by one and read by another. By two
/// clocks that are half a minute apart, a wait of half a minute is over on one replica as it begins on the other.
#[derive(Debug)]
pub struct CommonClock(Arc<Revocations>);

impl CommonClock {
    /// As `revocations` knows it.
    pub fn of(revocations: &Arc<Revocations>) -> Self {
        Self(Arc::clone(revocations))
    }
}

impl Clock for CommonClock {
    fn now(&self) -> OffsetDateTime {
        self.0.time()
    }

    fn elapsed(&self) -> Duration {
        self.0.clock().elapsed()
    }
}

/// No time was heard yet.
const NEVER: i64 = i64::MIN;

/// Once heard, it is counted on with [`Clock::elapsed`]. So a clock that is set to another time is noticed at once, and not
/// when the reference is heard again.
#[derive(Debug)]
pub(super) struct Reference {
    /// Its time when [`Clock::elapsed`] was zero, in nanoseconds since the Unix epoch. Under no lock: every token asks.
    origin: AtomicI64,
    /// The [`Distance`] that the log was last told of.
    told: AtomicU8,
}

/// How far apart the two clocks are.
#[derive(Debug, Clone, Copy)]
enum Distance {
    Near,
    /// By so much that another replica, as far on the other side, would be too far.
    Noticeable,
    /// By more than the skew.
    TooFar,
}

impl Default for Reference {
    fn default() -> Self {
        Self { origin: AtomicI64::new(NEVER), told: AtomicU8::new(Distance::Near as u8) }
    }
}

impl Reference {
    /// It was `time` when [`Clock::elapsed`] was `at`.
    pub fn hear(&self, time: OffsetDateTime, at: Duration) {
        let at = i128::try_from(at.as_nanos()).unwrap_or(i128::MAX);
        let origin = time.unix_timestamp_nanos().saturating_sub(at);
        self.origin.store(i64::try_from(origin).unwrap_or(i64::MAX), Ordering::Release);
    }

    /// Its time now; `None` while it is not known.
    pub fn time(&self, clock: &dyn Clock) -> Option<OffsetDateTime> {
        let origin = self.origin.load(Ordering::Acquire);
        let origin = (origin != NEVER).then(|| OffsetDateTime::from_unix_timestamp_nanos(origin.into()).ok())??;
        origin.checked_add(clock.elapsed().try_into().ok()?)
    }

    /// How far `clock` is ahead of it; negative when behind.
    pub fn offset(&self, clock: &dyn Clock) -> Option<time::Duration> {
        self.time(clock).map(|time| clock.now() - time)
    }

    /// Tells the log when the clocks come apart, and when they are together again.
    pub fn tell(&self, clock: &dyn Clock, skew: Skew) {
        let Some(offset) = self.offset(clock) else { return };
        let distance = if skew.is_exceeded_by(offset) {
            Distance::TooFar
        } else if offset.unsigned_abs() > (skew.as_duration() / 2).max(Duration::from_secs(1)) {
            Distance::Noticeable
        } else {
            Distance::Near
        };
        if self.told.swap(distance as u8, Ordering::Relaxed) == distance as u8 {
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

    use super::Reference;
    use crate::clock::{Clock as _, ManualClock};

    #[test]
    fn a_clock_that_is_set_is_noticed_without_asking_again() {
        let (reference, clock) = (Reference::default(), ManualClock::at(1_000));
        assert_eq!((reference.time(&clock), reference.offset(&clock)), (None, None));
        clock.elapse(50);
        // Heard half-way through a question that took ten seconds.
        reference.hear(clock.now() - Duration::from_secs(5), Duration::from_secs(45));
        assert_eq!(reference.offset(&clock), Some(time::Duration::ZERO));
        for (passed, set, offset) in [(7, 7, 0), (0, -3_600, -3_600), (10, 10 + 3_600, 0), (0, 30, 30)] {
            clock.elapse(passed);
            clock.advance(set);
            assert_eq!(reference.offset(&clock), Some(time::Duration::seconds(offset)));
        }
    }
}
