//! What values of settings look like, read and checked: durations, numbers and bounds of both.

use std::time::Duration;

use countersign_guard::clock::Skew;
use countersign_guard::revocations::MAX_STALENESS;
use countersign_guard::token::MAX_LIFETIME;

/// Reads `90s`, `15m`, `1h` or `30d`: a positive whole number and a unit, at most ten years.
pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    const FORM: &str = "write a whole number and a unit, as in 90s, 15m, 1h or 30d, of at most 3650d";
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3_600,
        Some(b'd') => 86_400,
        _ => return Err(FORM),
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(FORM);
    }
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or(FORM)?;
    if (1..=3_650 * 86_400).contains(&seconds) { Ok(Duration::from_secs(seconds)) } else { Err(FORM) }
}

/// Reads a duration of at most five minutes, which may be zero.
pub(super) fn shutdown_delay(text: &str) -> Result<Duration, &'static str> {
    let delay = if text == "0s" { Ok(Duration::ZERO) } else { duration(text) };
    let delay = delay.ok().filter(|delay| *delay <= Duration::from_secs(300));
    delay.ok_or("write a whole number and a unit, as in 0s, 15s or 1m, of at most 5m")
}

/// Reads a whole number from 1 to `MOST`.
pub(super) fn number<const MOST: usize>(text: &str) -> Result<usize, String> {
    let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok()).filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| format!("write a whole number from 1 to {MOST}"))
}

/// Reads a [`duration`] that a token may be valid.
pub(super) fn token_lifetime(text: &str) -> Result<Duration, &'static str> {
    let lifetime = duration(text)?;
    if lifetime <= MAX_LIFETIME { Ok(lifetime) } else { Err("a token may live for at most 90d") }
}

/// Reads the [`Skew`] of two clocks: a [`duration`], or none at all.
pub(super) fn skew(text: &str) -> Result<Skew, &'static str> {
    let skew = if text == "0s" { Duration::ZERO } else { duration(text)? };
    Skew::parse(skew).ok_or("clocks may be apart by at most 120s")
}

/// Reads a [`duration`] that the set of revocations may be old.
pub(super) fn staleness(text: &str) -> Result<Duration, &'static str> {
    let bound = duration(text)?;
    if bound <= MAX_STALENESS { Ok(bound) } else { Err("revocations may go unread for at most 60s") }
}
