//! The memory of the guessing budgets: `cargo bench --bench guessing`. A million calls go through them, each with a new
//! name and a new address. The benchmark prints the growth of the process's resident memory and compares it with its
//! goal. Separate from the tests because nothing else may run in this process.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a run that fails has nothing to say")]

use std::fs;
use std::hint::black_box;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use countersign::budgets::{Budgets, Charge, PerHour, TooManyWaiting};
use countersign::domain::{AttemptKey, Handle};
use countersign_guard::clock::{Clock, SystemClock};
use futures_util::FutureExt as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MANY: u32 = 1_000_000;

/// The goal in MiB: "Budget memory with 1,000,000 distinct names and addresses: growth ≤ 32 MiB."
const GOAL: f64 = 32.0;

fn main() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let per_hour = PerHour { login_failures: 100, registrations: 60, mail_requests: 20, introspection_failures: 1_000 };
    // Allocates what the allocator and the code need anyway, before the measurement.
    go_through(&Budgets::new(per_hour, &clock), 0..1_000);
    let before = resident_kib();
    let budgets = Budgets::new(per_hour, &clock);
    go_through(&budgets, 0..MANY);
    let growth = f64::from(resident_kib() - before) / 1_024.0;
    println!("{MANY} distinct names and addresses: resident memory grew by {growth:.1} MiB; goal ≤ {GOAL} MiB");
    black_box(&budgets);
    assert!(growth <= GOAL, "beyond the goal");
}

/// Each number is a name and an address, half of them IPv6. Each fails to sign in, registers and asks for mail.
fn go_through(budgets: &Budgets, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let address = if number % 2 == 0 {
            IpAddr::from(number.to_be_bytes())
        } else {
            // Each IPv6 address is in a /48 of its own.
            Ipv6Addr::from_bits(0x2 << 124 | u128::from(number) << 80 | 1).into()
        };
        let key = AttemptKey::login(&Handle::parse(&format!("name {number}")).unwrap());
        budgets.login_failures.of(Some(address)).count_failure();
        for budget in [&budgets.registrations, &budgets.mail_requests] {
            budget.charge(Some(address)).map(Charge::spend).unwrap();
        }
        let slot = budgets.guess_slots.acquire(key, async || Ok::<_, TooManyWaiting>((1, ()))).now_or_never();
        drop(slot.unwrap().unwrap_or_else(|TooManyWaiting| panic!("nobody else is there")));
    }
}

fn resident_kib() -> i32 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}
