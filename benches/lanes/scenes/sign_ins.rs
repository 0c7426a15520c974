//! Sign-ins by themselves: how much of what the machine can hash is left when each hash is a sign-in.

use super::{ACCOUNTS, Ours};
use crate::harness::{Bench, Goal, Outcome, Row, data, yardsticks};

pub fn sign_ins(bench: &mut Bench) {
    let ours = Ours::start(None);
    let calls = data::sign_ins(1..=ACCOUNTS);
    let (mut found, mut raw) = (Vec::new(), Vec::new());
    bench.each_round(|round| {
        let load = || ours.sign_ins(bench, &calls).run();
        let hashes = || yardsticks::hashes(bench.spell());
        let (outcome, rate) = if round % 2 == 0 { (load(), hashes()) } else { swap((hashes(), load())) };
        found.push(outcome);
        raw.push(rate);
    });
    found.iter().for_each(|outcome| bench.check("sign-ins", outcome));
    let each = |of: fn(&Outcome) -> f64| found.iter().map(of).collect::<Vec<_>>();
    let rate = Row::ratio("sign-ins ÷ raw hashes, all cores", "/s", each(Outcome::rate), raw);
    bench.row(rate.goal(Goal::AtLeast(0.95)).beyond(Goal::AtLeast(0.98)));
    bench.row(Row::plain("  server CPU a sign-in", "µs", each(Outcome::server_us)));
    bench.row(Row::plain("  cores that the server kept busy", "", each(Outcome::server_cores)));
    bench.row(Row::plain("  cores that the load kept busy", "", each(Outcome::load_cores)));
    bench.row(Row::plain("  p50 of 64 callers", "ms", each(|outcome| outcome.ms(0.5))));
    bench.row(Row::plain("  p99", "ms", each(|outcome| outcome.ms(0.99))));
}

fn swap<A, B>((a, b): (A, B)) -> (B, A) {
    (b, a)
}
