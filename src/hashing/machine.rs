//! What the lane needs of the machine: the number of cores, the amount of memory, and a low priority. Separate because
//! it is the only code here that depends on the system, and everything works when the system does not answer.

use std::fs;
use std::thread;

/// Returns how many threads of this process the machine runs at a time.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Returns the memory of the machine, or of its container where that is less, in bytes.
pub fn memory() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let kibibytes = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix(" kB")?;
        Some(kibibytes.parse::<u64>().ok()? * 1_024)
    });
    let container = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    [machine, container].into_iter().flatten().min()
}

/// Lowers the priority of the calling thread below all others.
///
/// It sets the nice value, which each thread has for itself on Linux. `SCHED_IDLE` made no difference to calls beside
/// it, and left the thread a third of a percent of a core while another program kept the cores busy.
pub(super) fn yield_to_others() {
    // On failure, the scheduler remains fair.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19);
}
