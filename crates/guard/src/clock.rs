//! The time as an argument. Code that takes a [`Clock`] can be tested at any moment, with a [`ManualClock`]; no other
//! file asks the system for the time. [`Skew`] is the tolerated difference between the clocks of two machines.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use time::OffsetDateTime;

/// Tells the time of day, and measures how much time has passed.
pub trait Clock: Send + Sync + 'static {
    /// Returns the time of day, in UTC. An operator or a time server may set it back.
    fn now(&self) -> OffsetDateTime;

    /// Returns the time since some moment that never changes. It never goes back, and it goes on while the machine
    /// sleeps. The age of something is measured by this, because a clock of day that is set back could stretch it to
    /// any length.
    fn elapsed(&self) -> Duration;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    fn elapsed(&self) -> Duration {
        // On Linux, the time since the machine was started: the usual monotonic clock stands still while it sleeps.
        #[cfg(target_os = "linux")]
        const CLOCK: ClockId = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        const CLOCK: ClockId = ClockId::Monotonic;
        clock_gettime(CLOCK).try_into().unwrap_or_default()
    }
}

/// The machine's clock with a fixed offset. The commands set one to the time of a database server before they write
/// there.
#[derive(Debug, Clone, Copy)]
pub struct SetClock {
    ahead: time::Duration,
}

impl SetClock {
    /// Makes a clock that shows `time` now, and runs on from there.
    pub fn to(time: OffsetDateTime) -> Self {
        Self { ahead: time - SystemClock.now() }
    }
}

impl Clock for SetClock {
    fn now(&self) -> OffsetDateTime {
        SystemClock.now().saturating_add(self.ahead)
    }

    fn elapsed(&self) -> Duration {
        SystemClock.elapsed()
    }
}

/// The clock skew that two machines tolerate while they accept each other's tokens: whole seconds, because a token's
/// times are whole seconds. The default is a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew(Duration);

impl Skew {
    /// The largest skew that can be set: two minutes. Revocations are remembered for a multiple of it.
    pub const MAX: Duration = Duration::from_secs(120);

    /// Rounds `skew` down to whole seconds. Returns `None` if it is more than [`Self::MAX`].
    pub fn parse(skew: Duration) -> Option<Self> {
        (skew <= Self::MAX).then_some(Self(Duration::from_secs(skew.as_secs())))
    }

    /// Returns the skew as a duration, in whole seconds.
    pub fn as_duration(self) -> Duration {
        self.0
    }

    /// Tells whether a difference between two clocks is larger than the skew. Fractions of a second do not count.
    pub fn is_exceeded_by(self, difference: time::Duration) -> bool {
        difference.unsigned_abs().as_secs() > self.0.as_secs()
    }
}

impl Default for Skew {
    fn default() -> Self {
        Self(Duration::from_secs(60))
    }
}

/// A clock for tests. The time of day and the elapsed time are moved by hand, independently of each other. A clone is
/// the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<AtomicI64>,
    elapsed: Arc<AtomicU64>,
    /// Whether `now` is relative to the machine's time instead of the Unix epoch.
    runs: bool,
}

impl ManualClock {
    /// Makes a clock that stands still at `seconds` after the Unix epoch.
    pub fn at(seconds: i64) -> Self {
        Self { now: Arc::new(AtomicI64::new(seconds)), elapsed: Arc::default(), runs: false }
    }

    /// Makes a clock that shows the machine's time plus what it is advanced by. Its [`Clock::elapsed`] stands still.
    pub fn running() -> Self {
        Self { runs: true, ..Self::at(0) }
    }

    /// Moves [`Clock::now`] on by `seconds`; backwards if that is negative.
    pub fn advance(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Moves [`Clock::elapsed`] on by `seconds`.
    pub fn elapse(&self, seconds: u64) {
        self.elapsed.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> OffsetDateTime {
        let from = if self.runs { SystemClock.now() } else { OffsetDateTime::UNIX_EPOCH };
        from.saturating_add(time::Duration::seconds(self.now.load(Ordering::SeqCst)))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.elapsed.load(Ordering::SeqCst))
    }
}
