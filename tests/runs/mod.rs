//! Shared code of the longer runs: their two forms, their parts in sequence (they measure, so nothing may run beside
//! them), and figures. They do not use the usual test harness, which hides the output of a test that passes.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The number of parts that were run.
static PASSED: AtomicUsize = AtomicUsize::new(0);

/// Whether this is the full form (`FULL=1`) and not the short one.
#[expect(clippy::disallowed_methods, reason = "how long a test runs is no setting of the product")]
pub fn full() -> bool {
    std::env::var("FULL").is_ok_and(|value| value == "1")
}

/// `short` or `full`, by the form of the run.
pub fn either<T>(short: T, full: T) -> T {
    if self::full() { full } else { short }
}

/// Runs the parts of a longer run. A panic ends the process with code 101.
pub fn run(name: &str, parts: impl Future<Output = ()>) {
    println!("{name}, the {} form", either("short", "full"));
    let begun = Instant::now();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(parts);
    let passed = PASSED.load(Ordering::Relaxed);
    assert!(passed > 0, "no part has such a name");
    println!("\n{name}: {passed} passed, {:.1} s", begun.elapsed().as_secs_f64());
}

/// Runs one part, unless the command line names others: `cargo test --test cluster -- rolling`.
pub async fn part(name: &str, work: impl Future<Output = ()>) {
    let mut names = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    if names.peek().is_some() && !names.any(|part| name.contains(&part)) {
        return;
    }
    println!("\n== {name}");
    let begun = Instant::now();
    work.await;
    PASSED.fetch_add(1, Ordering::Relaxed);
    println!("-- ok, {:.1} s", begun.elapsed().as_secs_f64());
}

/// A random whole number below `bound`.
pub fn random(bound: usize) -> usize {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    (u64::from_ne_bytes(bytes) % bound as u64) as usize
}

/// A set of times, with its quantiles.
#[derive(Default, Clone)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub fn extend(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The shortest time that this share of all does not exceed: 0.5 is the median, 1.0 the maximum.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} times", self.len())?;
        for (name, share) in [("min", 0.0), ("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
            write!(f, ", {name} {}", millis(self.quantile(share)))?;
        }
        Ok(())
    }
}

/// A time in milliseconds, such as `12.3 ms`.
pub fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}
