//! The limits of failed guesses of an account: how many failures in a row are free, how long each further one delays
//! the next guess, and when the account is locked. Separate because it is arithmetic, and the one place that has the
//! numbers. They are the same everywhere and cannot be set.
//!
//! A person that knows the password needs fewer than ten guesses. Ninety more, at up to an hour each, are too few to
//! find even a poor password.

use std::time::Duration;

use time::OffsetDateTime;

use crate::domain::Attempts;

/// The number of failures in a row after which guesses begin to be delayed.
pub(crate) const FREE_FAILURES: u32 = 10;

/// The number of failures in a row that locks the account, until it has a new password or an administrator unlocks it.
pub(crate) const LOCKED_AFTER: u32 = 100;

/// The delay after the last free failure. It doubles with each further failure, …
const FIRST_DELAY: Duration = Duration::from_secs(30);

/// … up to this delay.
const LONGEST_DELAY: Duration = Duration::from_secs(3_600);

/// How long failures are remembered after the latest one. Those of a locked account are never forgotten.
pub(crate) const REMEMBERED_FOR: Duration = Duration::from_secs(30 * 86_400);

/// The delay of the next guess after the `failures`th failure in a row.
pub(crate) fn wait(failures: u32) -> Duration {
    match failures.checked_sub(FREE_FAILURES) {
        None => Duration::ZERO,
        Some(more) => FIRST_DELAY.saturating_mul(2_u32.saturating_pow(more)).min(LONGEST_DELAY),
    }
}

/// Whether an account with so many failures is locked.
pub(crate) fn is_locked(failures: u32) -> bool {
    failures >= LOCKED_AFTER
}

/// How many guesses may be in progress at once, at least one; or the time until a guess is allowed.
pub(crate) fn allowed_guesses(attempts: Option<Attempts>, now: OffsetDateTime) -> Result<u32, Duration> {
    let Some(Attempts { failures, last_failed_at }) = attempts else { return Ok(FREE_FAILURES) };
    if is_locked(failures) {
        return Err(LONGEST_DELAY);
    }
    let over = last_failed_at + wait(failures);
    // If the latest failure is further in the future than the longest delay, the clock was set back since. Such a
    // failure must not delay guesses for years.
    if failures < FREE_FAILURES || over <= now || last_failed_at > now + LONGEST_DELAY {
        return Ok(FREE_FAILURES.saturating_sub(failures).max(1));
    }
    // Never longer than the delay, whatever the clock of another replica says.
    Err(Duration::try_from(over - now).unwrap_or_default().min(wait(failures)))
}

/// The number of failures at which a guess comes too late, if it was admitted at `seen` failures: then guesses on other
/// replicas failed meanwhile. Its outcome is not told, because that would be one guess more than the limit.
pub(crate) fn failure_limit(seen: u32) -> u32 {
    FREE_FAILURES.max(seen.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::OffsetDateTime;

    use super::{FREE_FAILURES, LOCKED_AFTER, allowed_guesses, failure_limit, wait};
    use crate::domain::Attempts;

    #[test]
    fn ten_failures_are_free_then_waits_double_from_half_a_minute_to_an_hour() {
        let seconds: Vec<u64> = (0..=20).map(|failures| wait(failures).as_secs()).collect();
        assert_eq!(seconds[..10], [0; 10]);
        assert_eq!(seconds[10..], [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600, 3_600]);
        assert_eq!(wait(u32::MAX), Duration::from_secs(3_600));
    }

    #[test]
    fn as_many_guesses_are_allowed_at_once_as_may_still_fail() {
        let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        let at = |failures, ago| {
            let last_failed_at = now - time::Duration::seconds(ago);
            allowed_guesses(Some(Attempts { failures, last_failed_at }), now)
        };
        let seconds = Duration::from_secs;
        assert_eq!(allowed_guesses(None, now), Ok(10));
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
        assert_eq!([0, 9, 10, 99].map(failure_limit), [FREE_FAILURES, FREE_FAILURES, 11, LOCKED_AFTER]);
    }
}
