//! What the lane counts. Plain numbers: who shows them, and in which format, is not its concern.

use std::time::Duration;

/// How the lane is doing, at one moment.
#[derive(Debug, Clone, Default)]
pub struct LaneStats {
    /// Passwords that wait for a thread.
    pub waiting: usize,
    /// Passwords that are being hashed.
    pub running: usize,
    /// Threads.
    pub threads: usize,
    /// How many passwords may wait.
    pub capacity: usize,
    /// What the threads hold for hashing, in bytes.
    pub memory: usize,
    /// How long passwords waited that were hashed; its count is that of the hashes begun.
    pub wait: Histogram,
    /// How long hashes took; its count is that of the hashes done.
    pub run: Histogram,
    /// Refused, by [`Refusal`].
    pub refused: [u64; Refusal::ALL.len()],
    /// Admitted, and then not hashed, by [`Dropped`].
    pub dropped: [u64; Dropped::ALL.len()],
}

/// Why a password was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// As many wait as may.
    Full,
    /// It would have had its turn too late for whoever asks.
    Deadline,
    /// It waited, and gave way to one of a client with fewer waiting.
    Displaced,
}

impl Refusal {
    /// Each, with its name.
    pub const ALL: [(Self, &str); 3] =
        [(Self::Full, "full"), (Self::Deadline, "deadline"), (Self::Displaced, "displaced")];
}

/// Why a password that waited was not hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Whoever waited for it hung up.
    Gone,
    /// Its time had passed.
    Late,
    /// Others of the same address had failed too often by then.
    Spent,
}

impl Dropped {
    /// Each, with its name.
    pub const ALL: [(Self, &str); 3] = [(Self::Gone, "gone"), (Self::Late, "late"), (Self::Spent, "spent")];
}

/// How often a time was how long.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// All of them, added up, in seconds.
    pub sum: f64,
    /// Those up to the bound of the same index and above the one before; the last is those above every bound.
    pub counts: [u64; Self::BOUNDS.len() + 1],
}

impl Histogram {
    /// In seconds: from a cheap hash on a quick machine to the longest that a call may wait.
    pub const BOUNDS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn observe(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        self.sum += seconds;
        self.counts[Self::BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
    }
}
