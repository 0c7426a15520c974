//! What the log is told of a token from the future. Apart from the rules because every client of a replica whose clock is
//! wrong comes with such a token, with every call.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// When the log was told last.
#[derive(Debug, Default)]
pub(super) struct Warning(Mutex<Option<Instant>>);

impl Warning {
    /// Tells it, unless it was told a moment ago.
    pub fn tell(&self, ahead: Duration) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|at| at.elapsed() >= PAUSE) {
            *told = Some(Instant::now());
            tracing::warn!(
                event = "clock",
                ahead_seconds = ahead.as_secs(),
                "a token is from the future: the clock here is behind, or that of the replica which minted it is ahead. Have \
                 NTP set both, or raise CLOCK_SKEW"
            );
        }
    }
}
