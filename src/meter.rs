//! Counts the calls of each RPC and each route, their outcomes and their durations. Separate from the places that count
//! (`grpc`, `transport`) and from the format of Prometheus (`server::metrics`). The names are given at the start, so
//! that no client can make the table grow.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A possible outcome of a call: its number (a gRPC code or an HTTP status) and its name.
pub(crate) type Outcome = (u16, &'static str);

/// The upper bounds of the histogram in seconds, from a token check to the longest possible call.
pub(crate) const BOUNDS: [f64; 13] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

/// The name for all calls and outcomes without a name of their own.
const OTHER: &str = "other";

/// Counters of calls by name.
pub(crate) struct Meter {
    indexes: HashMap<String, usize>,
    /// The counters of each name; the last are those of all other names.
    calls: Vec<Calls>,
    outcomes: &'static [Outcome],
}

struct Calls {
    name: String,
    /// In the order of the outcomes; the last counts all other outcomes.
    by_outcome: Vec<AtomicU64>,
    /// The calls up to the bound with the same index and above the one before; the last are those above all bounds.
    by_time: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

/// A call in progress. If it is dropped before its answer, because the client has disconnected, it counts with the
/// outcome that was given at its beginning.
#[derive(Debug)]
pub(crate) struct Running {
    meter: Arc<Meter>,
    name: Option<usize>,
    outcome: u16,
    since: Instant,
}

impl Running {
    /// Begins a call of the name with this index among those of the meter, or of another. It counts as `unanswered`
    /// unless [`Self::answered`] is called.
    pub(crate) fn begin(meter: &Arc<Meter>, name: Option<usize>, unanswered: u16) -> Self {
        Self { meter: Arc::clone(meter), name, outcome: unanswered, since: Instant::now() }
    }

    /// Ends the call with this outcome.
    pub(crate) fn answered(mut self, outcome: u16) {
        self.outcome = outcome;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.meter.count(self.name, self.outcome, self.since.elapsed());
    }
}

/// The counters of one name at a moment.
#[derive(Debug)]
pub(crate) struct MeterReading<'a> {
    /// The name of the RPC or route, or `other`.
    pub name: &'a str,
    /// The number of calls by outcome, without outcomes that never happened.
    pub by_outcome: Vec<(&'static str, u64)>,
    /// Upper bounds in seconds, each with the number of calls up to it and above the bound before; the last is
    /// infinite.
    pub by_time: Vec<(f64, u64)>,
    /// The sum of all durations in seconds.
    pub seconds: f64,
}

impl Meter {
    /// Counters for these names, each with its place among them as its index, and one for all others.
    pub(crate) fn new(names: impl IntoIterator<Item = String>, outcomes: &'static [Outcome]) -> Self {
        let calls = |name: String| Calls {
            name,
            by_outcome: (0..=outcomes.len()).map(|_| AtomicU64::new(0)).collect(),
            by_time: Default::default(),
            nanos: AtomicU64::new(0),
        };
        let calls: Vec<_> = names.into_iter().chain([OTHER.to_owned()]).map(calls).collect();
        let indexes = calls.iter().enumerate().map(|(index, calls)| (calls.name.clone(), index)).collect();
        Self { indexes, calls, outcomes }
    }

    /// The index of a name.
    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        self.indexes.get(name).copied()
    }

    fn count(&self, name: Option<usize>, outcome: u16, took: Duration) {
        let Some(calls) = self.calls.get(name.unwrap_or(self.calls.len() - 1)) else { return };
        let outcome = self.outcomes.iter().position(|(number, _)| *number == outcome).unwrap_or(self.outcomes.len());
        let time = BOUNDS.partition_point(|bound| *bound < took.as_secs_f64());
        for counter in [calls.by_outcome.get(outcome), calls.by_time.get(time)].into_iter().flatten() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        calls.nanos.fetch_add(took.as_nanos().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The counters of all names.
    pub(crate) fn read(&self) -> impl Iterator<Item = MeterReading<'_>> {
        let outcomes = || self.outcomes.iter().map(|(_, name)| *name).chain([OTHER]);
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.calls.iter().map(move |calls| MeterReading {
            name: &calls.name,
            by_outcome: outcomes().zip(calls.by_outcome.iter().map(number)).filter(|(_, count)| *count > 0).collect(),
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
    fn calls_are_counted_by_name_outcome_and_time_and_unknown_names_together() {
        let meter = Meter::new(["/a".to_owned()], &[(0, "OK"), (5, "NOT_FOUND")]);
        meter.count(meter.index("/a"), 0, Duration::from_micros(50));
        meter.count(meter.index("/a"), 5, Duration::from_secs(60));
        for unknown in 0..100 {
            meter.count(meter.index(&format!("/unknown/{unknown}")), 17, Duration::ZERO);
        }
        let readings: Vec<_> = meter.read().collect();
        assert_eq!(readings.iter().map(|reading| reading.name).collect::<Vec<_>>(), ["/a", "other"]);
        assert_eq!(readings[0].by_outcome, [("OK", 1), ("NOT_FOUND", 1)]);
        assert_eq!(readings[1].by_outcome, [("other", 100)]);
        assert_eq!(readings[0].by_time[0], (0.000_05, 1), "a bound is in its bucket");
        assert_eq!(readings[0].by_time.last(), Some(&(f64::INFINITY, 1)));
        assert!((readings[0].seconds - 60.000_05).abs() < 1e-9);
    }
}
