//! The arguments of `calibrate`. Separate from the settings because they belong to one run.

use std::time::Duration;

use clap::Args;

use super::{duration, number};

/// The time that hashes may take, and the time to measure for.
#[derive(Debug, Clone, Copy, Args)]
pub struct CalibrateArgs {
    /// The longest time that a hash may take while every thread is hashing
    #[arg(long, default_value = "50ms", value_parser = milliseconds)]
    pub target: Duration,
    /// How long to measure, approximately; a longer measurement is steadier
    #[arg(long, default_value = "12s", value_parser = duration)]
    pub within: Duration,
}

/// Reads `50ms`: a positive whole number of milliseconds, at most ten seconds.
fn milliseconds(text: &str) -> Result<Duration, &'static str> {
    let number = text.strip_suffix("ms").and_then(|digits| number::<10_000>(digits).ok());
    number.map(|n| Duration::from_millis(n as u64)).ok_or("write milliseconds, as in 50ms, of at most 10000ms")
}
