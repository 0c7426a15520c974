//! What the lane asks of the machine: how much it has, and to let everything else go first. Separate because it is the one
//! place that depends on the system, and nothing depends on its answers being there.

use std::fs;
use std::thread;

/// How many threads the machine runs at a time, as far as this process may use them.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// How many bytes of memory this process can hope for: the machine's, or its container's where that is less.
pub fn memory() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let kibibytes = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix(" kB")?;
        Some(kibibytes.parse::<u64>().ok()? * 1_024)
    });
    let container = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    [machine, container].into_iter().flatten().min()
}

/// Lets every other thread go before the calling one, wherever both want a core.
///
/// By the nice value, which on Linux each thread has for itself. `SCHED_IDLE` made no difference to the calls beside it, and
/// where another program keeps the cores busy it leaves a thread a third of a percent of one.
pub(super) fn yield_to_others() {
    // Where it is not to be had the system's own fairness remains.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19);
}
