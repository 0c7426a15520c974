//! The statistics of the lane as plain numbers. Other modules decide how they are shown.

use std::time::Duration;

/// The state of the lane at one moment.
#[derive(Debug, Clone, Default)]
pub struct LaneStats {
    /// Passwords that wait for a thread.
    pub waiting: usize,
    /// Passwords that are being hashed.
    pub running: usize,
    pub threads: usize,
    /// How many passwords may wait.
    pub capacity: usize,
    /// The memory of all hashing threads, in bytes.
    pub memory: usize,
    /// How long passwords waited before they were hashed; its count is the number of hashes begun.
    pub wait: Histogram,
    /// How long hashes took; its count is the number of hashes done.
    pub run: Histogram,
    /// Refused passwords, by reason.
    pub refused: [u64; RefusalCause::ALL.len()],
    /// Passwords that were admitted and not hashed, by [`Dropped`].
    pub dropped: [u64; Dropped::ALL.len()],
}

/// Why a password was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalCause {
    /// The queue is full.
    Full,
    /// The turn would come after the deadline of the caller.
    Deadline,
    /// The password waited, and gave way to one of a client with fewer waiting.
    Displaced,
}

impl RefusalCause {
    /// All variants, each with its name.
    pub const ALL: [(Self, &str); 3] =
        [(Self::Full, "full"), (Self::Deadline, "deadline"), (Self::Displaced, "displaced")];
}

/// Why a password that waited was not hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// The waiting caller has left.
    Gone,
    /// Its deadline had passed.
    Late,
    /// Too many sign-ins of the same address had failed by then.
    Spent,
}

impl Dropped {
    /// All variants, each with its name.
    pub const ALL: [(Self, &str); 3] = [(Self::Gone, "gone"), (Self::Late, "late"), (Self::Spent, "spent")];
}

/// The distribution of a duration.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// The sum of all durations, in seconds.
    pub sum: f64,
    /// The number of durations up to the bound of the same index and above the one before; the last is those above
    /// every bound.
    pub counts: [u64; Self::BOUNDS.len() + 1],
}

impl Histogram {
    /// The bounds in seconds, from a cheap hash on a fast machine to the longest time that a call may wait.
    pub const BOUNDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

    /// Returns how many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn observe(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        self.sum += seconds;
        self.counts[Self::BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
    }
}
