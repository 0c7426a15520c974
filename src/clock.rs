//! The time, as an argument. Separate because everything that asks for it must be testable at any moment: tests hold
//! a [`ManualClock`], and `clippy.toml` forbids asking the system anywhere but here. [`Skew`] is how far two machines' clocks
//! may be apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use time::OffsetDateTime;

/// Tells the time in UTC, and how much of it has passed.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> OffsetDateTime;

    /// How long it is since some moment that never changes. Apart from [`Self::now`], which an operator or a time server
    /// may set back: a bound on "how long ago" that is measured with that could stretch to any length. It goes on while a
    /// machine sleeps.
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
        // Since the machine was started, on Linux; the usual monotonic clock stands still while it sleeps.
        #[cfg(target_os = "linux")]
        const CLOCK: ClockId = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        const CLOCK: ClockId = ClockId::Monotonic;
        clock_gettime(CLOCK).try_into().unwrap_or_default()
    }
}

/// The machine's clock, set to another time: to that of a database, for what is stored there.
#[derive(Debug, Clone, Copy)]
pub struct SetClock {
    ahead: time::Duration,
}

impl SetClock {
    /// Shows `time` now.
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

/// How far the clocks of two machines may be apart while they trust each other's tokens: in whole seconds, as tokens have
/// them, and a minute unless it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew(Duration);

impl Skew {
    /// The most that can be set: what was revoked is remembered for a multiple of it.
    pub const MAX: Duration = Duration::from_secs(120);

    /// `None` if that is more than [`Self::MAX`].
    pub fn parse(skew: Duration) -> Option<Self> {
        (skew <= Self::MAX).then_some(Self(Duration::from_secs(skew.as_secs())))
    }

    /// The same as a duration.
    pub fn as_duration(self) -> Duration {
        self.0
    }

    /// Whether two times that differ by `difference` differ by more. Less than a second does not count.
    pub fn is_exceeded_by(self, difference: time::Duration) -> bool {
        difference.unsigned_abs().as_secs() > self.0.as_secs()
    }
}

impl Default for Skew {
    fn default() -> Self {
        Self(Duration::from_secs(60))
    }
}

/// A clock that is moved by hand, each hand by itself. For tests, in this crate and in those that use its layer.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<AtomicI64>,
    elapsed: Arc<AtomicU64>,
    /// Whether `now` is added to the machine's time, and not to the Unix epoch.
    runs: bool,
}

impl ManualClock {
    /// Stands still, at `seconds` after the Unix epoch.
    pub fn at(seconds: i64) -> Self {
        Self { now: Arc::new(AtomicI64::new(seconds)), elapsed: Arc::default(), runs: false }
    }

    /// Shows the machine's time until it is moved, and runs on from there. [`Clock::elapsed`] stands still.
    pub fn running() -> Self {
        Self { runs: true, ..Self::at(0) }
    }

    /// Moves [`Clock::now`] on by `seconds`; backwards when negative.
    pub fn advance(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Lets `seconds` of [`Clock::elapsed`] pass.
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
