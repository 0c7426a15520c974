//! How often each RPC and each route was called, how that ended and how long it took: counted where the calls pass (`grpc`,
//! `server`), shown where Prometheus reads it. Apart from both, and from any format. The names are given beforehand, so that
//! no caller can make the table grow.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// An end that a call may have: the number that it is known by, and its name.
pub type End = (u16, &'static str);

/// Upper bounds of the times that are told apart, in seconds: from a token check to the longest that a call may take.
pub const BOUNDS: [f64; 13] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// Whatever has no name of its own.
const OTHER: &str = "other";

/// Calls by name.
pub struct Meter {
    indexes: HashMap<String, usize>,
    /// Of each name, and at the end of all others.
    calls: Vec<Calls>,
    ends: &'static [End],
}

struct Calls {
    name: String,
    /// In the order of the ends, and at the end all others.
    by_end: Vec<AtomicU64>,
    /// Up to the bound of the same index and above the one before; the last is those above every bound.
    by_time: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

/// A call under way. Dropped before it was answered, it counts as what was said at its beginning: its caller has hung up.
#[derive(Debug)]
pub struct Running {
    meter: Arc<Meter>,
    name: String,
    end: u16,
    since: Instant,
}

impl Running {
    /// A call of this name, which ends as `unanswered` unless [`Self::answered`] is told otherwise.
    pub fn begin(meter: &Arc<Meter>, name: &str, unanswered: u16) -> Self {
        Self { meter: Arc::clone(meter), name: name.to_owned(), end: unanswered, since: Instant::now() }
    }

    /// It is answered like this.
    pub fn answered(mut self, end: u16) {
        self.end = end;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.meter.count(&self.name, self.end, self.since.elapsed());
    }
}

/// What was counted of one name.
#[derive(Debug)]
pub struct Reading<'a> {
    /// The name, or `other`.
    pub name: &'a str,
    /// How many ended how; those that never happened are left out.
    pub by_end: Vec<(&'static str, u64)>,
    /// Upper bound in seconds and how many took so long, and longer than the bound before; the last bound is infinite.
    pub by_time: Vec<(f64, u64)>,
    /// All times added up, in seconds.
    pub seconds: f64,
}

impl Meter {
    /// Counts calls of these names, and whatever else there is as one.
    pub fn new(names: impl IntoIterator<Item = String>, ends: &'static [End]) -> Self {
        let calls = |name: String| Calls {
            name,
            by_end: (0..=ends.len()).map(|_| AtomicU64::new(0)).collect(),
            by_time: Default::default(),
            nanos: AtomicU64::new(0),
        };
        let calls: Vec<_> = names.into_iter().chain([OTHER.to_owned()]).map(calls).collect();
        let indexes = calls.iter().enumerate().map(|(index, calls)| (calls.name.clone(), index)).collect();
        Self { indexes, calls, ends }
    }

    fn count(&self, name: &str, end: u16, took: Duration) {
        let index = self.indexes.get(name).copied().unwrap_or(self.calls.len() - 1);
        let Some(calls) = self.calls.get(index) else { return };
        let end = self.ends.iter().position(|(number, _)| *number == end).unwrap_or(self.ends.len());
        let time = BOUNDS.partition_point(|bound| *bound < took.as_secs_f64());
        for counter in [calls.by_end.get(end), calls.by_time.get(time)].into_iter().flatten() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        calls.nanos.fetch_add(took.as_nanos().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn read(&self) -> impl Iterator<Item = Reading<'_>> {
        let ends = || self.ends.iter().map(|(_, name)| *name).chain([OTHER]);
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.calls.iter().map(move |calls| Reading {
            name: &calls.name,
            by_end: ends().zip(calls.by_end.iter().map(number)).filter(|(_, count)| *count > 0).collect(),
            by_time: BOUNDS.into_iter().chain([f64::INFINITY]).zip(calls.by_time.iter().map(number)).collect(),
            seconds: Duration::from_nanos(number(&calls.nanos)).as_secs_f64(),
        })
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.read()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Meter;

    #[test]
    fn calls_are_counted_by_name_end_and_time_and_strangers_together() {
        let meter = Meter::new(["/a".to_owned()], &[(0, "OK"), (5, "NOT_FOUND")]);
        meter.count("/a", 0, Duration::from_micros(50));
        meter.count("/a", 5, Duration::from_secs(60));
        for stranger in 0..100 {
            meter.count(&format!("/stranger/{stranger}"), 17, Duration::ZERO);
        }
        let readings: Vec<_> = meter.read().collect();
        assert_eq!(readings.iter().map(|reading| reading.name).collect::<Vec<_>>(), ["/a", "other"]);
        assert_eq!(readings[0].by_end, [("OK", 1), ("NOT_FOUND", 1)]);
        assert_eq!(readings[1].by_end, [("other", 100)]);
        assert_eq!(readings[0].by_time[0], (0.000_05, 1), "a bound is in its bucket");
        assert_eq!(readings[0].by_time.last(), Some(&(f64::INFINITY, 1)));
        assert!((readings[0].seconds - 60.000_05).abs() < 1e-9);
    }
}
