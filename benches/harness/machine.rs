//! Cores, CPU time and memory, of this thread or of a process by its id. Linux only.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// The cores that this thread may use.
pub fn cores() -> Vec<usize> {
    let allowed = sched_getaffinity(None).unwrap();
    (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect()
}

/// Keeps this thread, and the processes that it starts meanwhile, on one core.
pub struct Pinned(Option<CpuSet>);

impl Pinned {
    pub fn to(core: Option<usize>) -> Self {
        Self(core.map(|core| {
            let before = sched_getaffinity(None).unwrap();
            let mut one = CpuSet::new();
            one.set(core);
            sched_setaffinity(None, &one).unwrap();
            before
        }))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            sched_setaffinity(None, before).unwrap();
        }
    }
}

/// The share of all cores that is busy during this time.
pub fn busy(time: Duration) -> f64 {
    let read = || {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = stat.lines().next().unwrap_or_default();
        let ticks: Vec<f64> = line.split_whitespace().skip(1).take(8).filter_map(|tick| tick.parse().ok()).collect();
        // The fourth and fifth numbers are idle time: without work, and waiting for a disk.
        (ticks.iter().sum::<f64>(), ticks.iter().skip(3).take(2).sum::<f64>())
    };
    let (all, idle) = read();
    sleep(time);
    let (all_then, idle_then) = read();
    1.0 - (idle_then - idle) / (all_then - all)
}

/// The CPU time of this thread.
pub fn thread_cpu() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

/// The CPU time of all threads of a process, in ticks of the system (10 ms).
pub fn process_cpu(pid: u32) -> Duration {
    cpu(&fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default())
}

/// The CPU time of all threads of a process except those that compute password hashes.
pub fn cpu_beside_hashes(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let stats = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("stat")).unwrap_or_default());
    stats.filter(|stat| !stat.contains("(hash-")).map(|stat| cpu(&stat)).sum()
}

/// The CPU time in the text of a `stat` file.
fn cpu(stat: &str) -> Duration {
    // The fields after the name, which may contain anything. The twelfth and thirteenth are user and system time.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields.iter().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// The memory of a process, in MiB.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// All resident memory of the process.
    pub resident: f64,
    /// The part of it that is no mapped file.
    pub anonymous: f64,
    /// The largest resident memory so far.
    pub peak: f64,
}

pub fn memory(pid: u32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default()
    };
    let mib = |name: &str| number(name) / 1_024.0;
    Memory { resident: mib("VmRSS"), anonymous: mib("RssAnon"), peak: mib("VmHWM") }
}

/// Raises the limit of open files as far as the system allows, and returns it.
pub fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// The facts about the machine that a reader of the figures needs.
pub fn describe() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let model = read("/proc/cpuinfo");
    let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':')).map(|(_, name)| name);
    json!({
        "cores": cores().len(),
        "cpu": model.unwrap_or("unknown").trim(),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
    })
}
