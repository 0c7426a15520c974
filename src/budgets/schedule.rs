//! What failures mean: how many are free, and how long each one after them keeps the next guess waiting. Separate because
//! it is arithmetic, and the one place that has the numbers.
//!
//! Ten free guesses are more than anybody needs who knows the password; ninety more at an hour each are too few to find
//! even a poor one.

use std::time::Duration;

use time::OffsetDateTime;

use crate::domain::Attempts;

/// Failures in a row that cost no wait.
pub const FREE: u32 = 10;

/// The most failures in a row. Then only a new password or an administrator opens the account again.
pub const MOST: u32 = 100;

/// After the last of the free failures; it doubles with each further one, …
const FIRST_WAIT: Duration = Duration::from_secs(30);

/// … up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// How long after the latest failure they are forgotten, unless there is an account and it is locked.
pub const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

/// How long after a failure the next guess may come, when that was the `failures`th in a row.
pub fn wait(failures: u32) -> Duration {
    match failures.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(more) => FIRST_WAIT.saturating_mul(2_u32.saturating_pow(more)).min(LONGEST_WAIT),
    }
}

/// Whether no guess will be tried any more, however long one waits.
pub fn is_locked(failures: u32) -> bool {
    failures >= MOST
}

/// How many guesses may be under way at once, at least one; or after how long to come back, when none may.
pub fn judge(attempts: Option<Attempts>, now: OffsetDateTime) -> Result<u32, Duration> {
    let Some(Attempts { failures, last_failed_at }) = attempts else { return Ok(FREE) };
    if is_locked(failures) {
        return Err(LONGEST_WAIT);
    }
    let over = last_failed_at + wait(failures);
    // A failure that is further ahead than any wait is of a clock that was set back: nobody is made to wait for years.
    if failures < FREE || over <= now || last_failed_at > now + LONGEST_WAIT {
        return Ok(FREE.saturating_sub(failures).max(1));
    }
    // Never more than the wait, whatever another replica's clock says.
    Err(Duration::try_from(over - now).unwrap_or_default().min(wait(failures)))
}

/// At how many failures a guess comes too late that was admitted at `seen` of them: others failed meanwhile, on other
/// replicas. It is not judged then, for whoever learnt that it was wrong would have had a guess more.
pub fn below(seen: u32) -> u32 {
    FREE.max(seen.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::OffsetDateTime;

    use super::{FREE, MOST, below, judge, wait};
    use crate::domain::Attempts;

    #[test]
    fn ten_failures_are_free_then_waits_double_from_half_a_minute_to_an_hour() {
        let seconds: Vec<u64> = (0..=20).map(|failures| wait(failures).as_secs()).collect();
        assert_eq!(seconds[..10], [0; 10]);
        assert_eq!(seconds[10..], [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600, 3_600]);
        assert_eq!(wait(u32::MAX), Duration::from_secs(3_600));
    }

    #[test]
    fn as_many_may_be_under_way_as_may_still_fail() {
        let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        let at = |failures, ago| {
            let last_failed_at = now - time::Duration::seconds(ago);
            judge(Some(Attempts { failures, last_failed_at }), now)
        };
        let seconds = Duration::from_secs;
        assert_eq!(judge(None, now), Ok(10));
        for (failures, ago, expected) in [
            (1, 0, Ok(9)),
            (9, 0, Ok(1)),
            (10, 0, Err(seconds(30))),
            (10, 29, Err(seconds(1))),
            (10, 30, Ok(1)),
            (12, 30, Err(seconds(90))),
            (99, 3_599, Err(seconds(1))),
            (99, 3_600, Ok(1)),
            (100, 3_600, Err(seconds(3_600))),
            (100, 1_000_000, Err(seconds(3_600))),
            (101, 0, Err(seconds(3_600))),
            // Another replica's clock is ahead by a little; or this one was set back.
            (10, -20, Err(seconds(30))),
            (10, -3_601, Ok(1)),
            (5, -20, Ok(5)),
        ] {
            assert_eq!(at(failures, ago), expected, "{failures} failures, the last {ago} s ago");
        }
    }

    #[test]
    fn no_failure_is_counted_beyond_the_most() {
        assert_eq!([below(0), below(9), below(10), below(99)], [FREE, FREE, 11, MOST]);
    }
}
