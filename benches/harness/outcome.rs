//! The outcome of a spell of load.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::connection::End;
use super::machine;

/// The measured time, with the CPU times of the server and of this thread at its ends.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Instant,
    server: Duration,
    here: Duration,
}

pub struct Outcome {
    pub good: u64,
    pub refused: u64,
    /// The refusals with 429.
    pub too_many: u64,
    /// Calls without an answer on a connection that ended, in the whole spell.
    pub lost: u64,
    /// Calls that still waited for an answer when the load gave up.
    pub unanswered: u64,
    /// In an open loop, calls that were due and could not be sent.
    pub backlog: u64,
    /// The number of connections that were replaced.
    pub replaced: u64,
    /// The last reason why a connection was lost.
    pub cause: Option<io::Error>,
    /// The latencies of good answers, in nanoseconds.
    pub latency: Histogram<u64>,
    /// The latencies of refusals, in nanoseconds.
    pub refusals: Histogram<u64>,
    begun: Option<Mark>,
    ended: Option<Mark>,
}

impl Default for Outcome {
    fn default() -> Self {
        let histogram = || Histogram::new_with_bounds(100, 100_000_000_000, 3).unwrap();
        Self {
            good: 0,
            refused: 0,
            too_many: 0,
            lost: 0,
            unanswered: 0,
            backlog: 0,
            replaced: 0,
            cause: None,
            latency: histogram(),
            refusals: histogram(),
            begun: None,
            ended: None,
        }
    }
}

impl Outcome {
    pub fn begin(&mut self, at: Instant, server: Option<u32>) {
        self.begun = Some(Mark::of(at, server));
    }

    pub fn close(&mut self, at: Instant, server: Option<u32>) {
        self.ended = Some(Mark::of(at, server));
    }

    /// Whether the measurement has begun and not ended.
    pub fn is_open(&self) -> bool {
        self.begun.is_some() && self.ended.is_none()
    }

    pub fn is_closed(&self) -> bool {
        self.ended.is_some()
    }

    pub fn note(&mut self, now: Instant, since: Instant, end: End) {
        let nanoseconds = (now - since).as_nanos() as u64;
        match end {
            End::Good => {
                self.good += 1;
                self.latency.saturating_record(nanoseconds);
            }
            End::Refused | End::TooMany => {
                self.refused += 1;
                self.too_many += u64::from(end == End::TooMany);
                self.refusals.saturating_record(nanoseconds);
            }
            End::Lost => self.lost += 1,
        }
    }

    /// The measured time, in seconds.
    pub fn seconds(&self) -> f64 {
        match (&self.begun, &self.ended) {
            (Some(begun), Some(ended)) => (ended.at - begun.at).as_secs_f64(),
            _ => f64::NAN,
        }
    }

    /// Good answers a second.
    pub fn rate(&self) -> f64 {
        self.good as f64 / self.seconds()
    }

    /// The server's CPU time for each good answer, in microseconds.
    pub fn server_us(&self) -> f64 {
        self.between(|mark| mark.server) * 1e6 / self.good as f64
    }

    /// The number of cores that the server kept busy.
    pub fn server_cores(&self) -> f64 {
        self.between(|mark| mark.server) / self.seconds()
    }

    /// The share of one core that the load used. Near 1, the load was the bottleneck and not the server.
    pub fn load_cores(&self) -> f64 {
        self.between(|mark| mark.here) / self.seconds()
    }

    /// The milliseconds within which this share of all good answers came.
    pub fn ms(&self, share: f64) -> f64 {
        self.latency.value_at_quantile(share) as f64 / 1e6
    }

    /// The milliseconds within which this share of all refusals came.
    pub fn refusal_ms(&self, share: f64) -> f64 {
        self.refusals.value_at_quantile(share) as f64 / 1e6
    }

    fn between(&self, of: impl Fn(&Mark) -> Duration) -> f64 {
        match (&self.begun, &self.ended) {
            (Some(begun), Some(ended)) => of(ended).as_secs_f64() - of(begun).as_secs_f64(),
            _ => f64::NAN,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { good, refused, lost, unanswered, backlog, .. } = self;
        write!(f, "{good} good, {refused} refused, {lost} lost, {unanswered} without an answer, {backlog} not sent")?;
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, " ({cause})"))
    }
}

impl Mark {
    fn of(at: Instant, server: Option<u32>) -> Self {
        Self { at, server: server.map(machine::process_cpu).unwrap_or_default(), here: machine::thread_cpu() }
    }
}
