//! Sign-ins alone: the share of the machine's hash rate that is left when each hash is a sign-in, and how much of a
//! faster kernel's gain sign-ins keep.

use argon2::Params;
use argon2_kernel::Kernel;
use countersign::hashing::cost;

use super::{ACCOUNTS, Ours, raw_hashes};
use crate::harness::table::Kind;
use crate::harness::{Bench, Goal, Outcome, Row, data, yardsticks};

pub fn sign_ins(bench: &mut Bench) {
    let ours = Ours::start(None);
    let calls = data::sign_ins(1..=ACCOUNTS);
    let (mut found, mut raw) = (Vec::new(), Vec::new());
    bench.each_round(|round| {
        let load = || ours.sign_ins(bench, &calls).run();
        let hashes = || raw_hashes(bench);
        let (outcome, rate) = if round % 2 == 0 { (load(), hashes()) } else { swap((hashes(), load())) };
        found.push(outcome);
        raw.push(rate);
    });
    found.iter().for_each(|outcome| bench.check("sign-ins", outcome));
    let each = |of: fn(&Outcome) -> f64| found.iter().map(of).collect::<Vec<_>>();
    let rate =
        Row::ratio("sign-ins ÷ raw hashes, all cores", "/s", each(Outcome::rate), raw).quoted("raw-hashes", Kind::Rate);
    bench.row(rate.goal(Goal::AtLeast(0.95)).beyond(Goal::AtLeast(0.98)));
    bench.row(Row::plain("  server CPU a sign-in", "µs", each(Outcome::server_us)));
    bench.row(Row::plain("  cores that the server kept busy", "", each(Outcome::server_cores)));
    bench.row(Row::plain("  cores that the load kept busy", "", each(Outcome::load_cores)));
    bench.row(Row::plain("  p50 of 64 callers", "ms", each(|outcome| outcome.ms(0.5))));
    bench.row(Row::plain("  p99", "ms", each(|outcome| outcome.ms(0.99))));
}

/// Compares the kernels with the default parameters, and with the slowest that many operators can accept.
pub fn kernels(bench: &mut Bench) {
    gain(bench, &Params::default());
    gain(bench, &Params::new(65_536, 2, 1, None).unwrap());
}

/// Measures after a lower `HASH_PARAMS`, which leaves the hashes of accounts unchanged.
pub fn lowered(bench: &mut Bench) {
    let calls = data::sign_ins(1..=ACCOUNTS);
    let servers =
        ["m=19456,t=2,p=1", "m=7168,t=5,p=1"].map(|set| Ours::with(&Params::default(), &[("HASH_PARAMS", set)]));
    let mut outcomes = [Vec::new(), Vec::new()];
    bench.each_round(|round| {
        for at in [round % 2, 1 - round % 2] {
            outcomes[at].push(servers[at].sign_ins(bench, &calls).run());
        }
    });
    outcomes.iter().flatten().for_each(|outcome| bench.check("sign-ins", outcome));
    let [own, lowered] = outcomes.map(|outcomes| outcomes.iter().map(Outcome::server_us).collect::<Vec<_>>());
    let row = Row::ratio("server CPU a sign-in: HASH_PARAMS lowered ÷ as it was", "µs", lowered, own);
    bench.row(row.quoted("cpu", Kind::Cost).goal(Goal::AtMost(1.05)));
}

fn gain(bench: &mut Bench, params: &Params) {
    let calls = data::sign_ins(1..=ACCOUNTS);
    let kernels = [super::kernel(), Kernel::PORTABLE];
    let servers = kernels.map(|kernel| Ours::hashing(kernel, params));
    let (mut outcomes, mut raw) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    bench.each_round(|round| {
        // The order alternates, but the hashes and the sign-ins of a kernel stay next to each other.
        for at in [round % 2, 1 - round % 2] {
            raw[at].push(yardsticks::hashes(kernels[at], params, bench.spell()));
            outcomes[at].push(servers[at].sign_ins(bench, &calls).run());
        }
    });
    outcomes.iter().flatten().for_each(|outcome| bench.check("sign-ins", outcome));
    let [by_kernel, by_crate] = outcomes.map(|outcomes| outcomes.iter().map(Outcome::rate).collect::<Vec<_>>());
    let ratios = |of: &[f64], by: &[f64]| of.iter().zip(by).map(|(of, by)| of / by).collect::<Vec<_>>();
    let (gained, possible) = (ratios(&by_kernel, &by_crate), ratios(&raw[0], &raw[1]));
    let [raw_kernel, raw_crate] = raw;
    let what = format!("{}: {} ÷ portable, ", cost::to_text(params), kernels[0]);
    bench.row(Row::ratio(format!("{what}raw hashes"), "/s", raw_kernel, raw_crate));
    bench.row(Row::ratio(format!("{what}sign-ins"), "/s", by_kernel, by_crate));
    let kept = Row::ratio("  the latter ÷ the former", "", gained, possible);
    bench.row(kept.quoted(format!("m={}", params.m_cost()), Kind::Rate).goal(Goal::AtLeast(0.95)));
}

fn swap<A, B>((a, b): (A, B)) -> (B, A) {
    (b, a)
}
