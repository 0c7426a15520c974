//! The time, as an argument. Separate because everything that asks for it must be testable at any moment: tests hold
//! a [`ManualClock`], and `clippy.toml` forbids asking the system anywhere but here.

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

/// A clock that stands still until it is moved, each hand by itself. For tests, in this crate and in those that use its
/// layer.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<AtomicI64>,
    elapsed: Arc<AtomicU64>,
}

impl ManualClock {
    /// Stands at `seconds` after the Unix epoch.
    pub fn at(seconds: i64) -> Self {
        Self { now: Arc::new(AtomicI64::new(seconds)), elapsed: Arc::default() }
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
        // Out of range only after the year 9999, which no test visits.
        OffsetDateTime::from_unix_timestamp(self.now.load(Ordering::SeqCst)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.elapsed.load(Ordering::SeqCst))
    }
}
