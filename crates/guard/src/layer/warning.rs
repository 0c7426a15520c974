//! The log line about a token from the future. Separate from the rules because it is limited to one line a minute: if a
//! replica's clock is wrong, each call of its clients brings such a token.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The shortest time between two lines.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The time of the last line.
#[derive(Debug, Default)]
pub(super) struct FutureTokenWarning(Mutex<Option<Instant>>);

impl FutureTokenWarning {
    /// Logs that a token is `ahead` of this machine's clock, unless that was logged within the last minute.
    pub(super) fn log(&self, ahead: Duration) {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            *logged = Some(Instant::now());
            tracing::warn!(
                event = "clock",
                ahead_seconds = ahead.as_secs(),
                "a token is from the future: the clock here is behind, or that of the replica which minted it is ahead. Have \
                 NTP set both, or raise CLOCK_SKEW"
            );
        }
    }
}
