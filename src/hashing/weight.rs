//! What jobs take, compared with one of our own hashes, and how many of the heavy ones run at a time. Separate because
//! this rule protects everybody from guesses at imported accounts, whatever the order of the queue is.

/// The weight of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// That of our own hashes.
    Usual,
    /// Many times as long. Half of the threads never hash such a job, so that guesses at a few imported accounts do not
    /// hold up everybody else for seconds.
    Dear,
    /// As long, and so much memory that only one is hashed at a time.
    Large,
}

/// The heavy jobs that run now.
#[derive(Debug, Default)]
pub(super) struct HeavyJobs {
    /// The number of dear and large jobs.
    dear: usize,
    has_large: bool,
}

impl HeavyJobs {
    /// Returns the jobs that must wait until another has ended, on a lane with so many threads.
    pub(super) fn waiting(&self, threads: usize) -> impl Fn(Weight) -> bool + use<> {
        let (is_full, has_large) = (self.dear >= (threads / 2).max(1), self.has_large);
        move |weight| match weight {
            Weight::Usual => false,
            Weight::Dear => is_full,
            Weight::Large => is_full || has_large,
        }
    }

    /// Counts a job that begins.
    pub(super) fn begin(&mut self, weight: Weight) {
        self.dear += usize::from(weight != Weight::Usual);
        self.has_large |= weight == Weight::Large;
    }

    /// Forgets a job that has ended.
    pub(super) fn end(&mut self, weight: Weight) {
        self.dear -= usize::from(weight != Weight::Usual);
        self.has_large &= weight != Weight::Large;
    }
}

#[cfg(test)]
mod tests {
    use super::{HeavyJobs, Weight};

    #[test]
    fn one_large_job_runs_at_a_time_and_half_of_the_threads_stay_free() {
        let mut jobs = HeavyJobs::default();
        let waits = |jobs: &HeavyJobs| [Weight::Usual, Weight::Dear, Weight::Large].map(jobs.waiting(4));
        assert_eq!(waits(&jobs), [false; 3]);
        jobs.begin(Weight::Large);
        assert_eq!(waits(&jobs), [false, false, true]);
        jobs.begin(Weight::Dear);
        assert_eq!(waits(&jobs), [false, true, true]);
        jobs.end(Weight::Large);
        jobs.begin(Weight::Usual);
        assert_eq!(waits(&jobs), [false; 3]);
    }
}
