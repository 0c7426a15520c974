//! Both lanes at the same time, on cores that they share with the load: the effect of sign-ins on token checks, and the
//! sign-ins that remain beside many checks.

use std::thread;
use std::time::Duration;

use super::{ACCOUNTS, Ours};
use crate::harness::table::Kind;
use crate::harness::wire::Call;
use crate::harness::{Bench, Goal, Load, Outcome, Pace, Row, data, machine};

/// Token checks a second in the first scene, far below the server's capacity.
const CHECKS: f64 = 500.0;

/// The time that sign-ins run before the measurement begins.
const AHEAD: Duration = Duration::from_millis(500);

pub fn together(bench: &mut Bench) {
    let ours = Ours::start(None);
    let (me, logins) = (data::me(1..=64), data::sign_ins(1..=ACCOUNTS));
    // Twice as long as other scenes, so that a thousandth of all calls is more than a few.
    let checks = ours.me(bench, &me, CHECKS, bench.spell() * 2);
    let (mut quiet, mut loaded, mut sign_ins, mut raw) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    bench.each_round(|round| {
        let mut alone = || quiet.push(checks.run());
        if round % 2 == 0 {
            alone();
        }
        let (with, meanwhile) = beside(&ours, bench, checks, &logins);
        loaded.push(with);
        sign_ins.push(meanwhile);
        if round % 2 == 1 {
            alone();
        }
        raw.push(super::raw_hashes(bench));
    });
    quiet.iter().for_each(|outcome| bench.check("Me in quiet", outcome));
    loaded.iter().for_each(|outcome| bench.check("Me beside sign-ins", outcome));
    sign_ins.iter().for_each(|outcome| bench.check("sign-ins", outcome));
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        let of = |outcomes: &[Outcome]| outcomes.iter().map(|outcome| outcome.ms(share)).collect();
        let row = Row::ratio(format!("Me at 500/s, {name}: beside sign-ins ÷ in quiet"), "ms", of(&loaded), of(&quiet));
        bench.row(match name {
            "p99" => row.quoted("p99", Kind::Latency).goal(Goal::AtMost(1.5)).beyond(Goal::AtMost(1.1)),
            "p50" => row.quoted("p50", Kind::Latency),
            _ => row,
        });
    }
    let rates = sign_ins.iter().map(Outcome::rate).collect();
    let row = Row::ratio("  sign-ins meanwhile ÷ raw hashes, all cores", "/s", rates, raw);
    bench.row(row.quoted("raw-hashes", Kind::Rate));
    bench.row(Row::plain("  cores that both loads kept busy", "", pairs(&loaded, &sign_ins)));
}

pub fn share(bench: &mut Bench) {
    let ours = Ours::start(None);
    let (me, logins) = (data::me(1..=64), data::sign_ins(1..=ACCOUNTS));
    let cores = machine::cores().len() as f64;
    let (mut most, mut kept, mut free, mut alone, mut with) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut failures = Vec::new();
    bench.each_round(|round| {
        let maximum = ours.load(bench, &me, 8, Pace::Closed { streams: 16 }).run();
        let half = ours.me(bench, &me, maximum.rate() / 2.0, bench.spell());
        let by_itself = half.run();
        free.push(1.0 - (by_itself.server_cores() + by_itself.load_cores()) / cores);
        let mut without = || alone.push(ours.sign_ins(bench, &logins).run());
        if round % 2 == 0 {
            without();
        }
        let (checks, sign_ins) = beside(&ours, bench, half, &logins);
        if round % 2 == 1 {
            without();
        }
        kept.push((checks.rate(), maximum.rate() / 2.0));
        with.push(sign_ins);
        most.push(maximum.rate());
        failures.extend([maximum, by_itself, checks]);
    });
    failures.iter().for_each(|outcome| bench.check_answered("Me", outcome));
    alone.iter().chain(&with).for_each(|outcome| bench.check("sign-ins", outcome));
    let rates = |outcomes: &[Outcome]| outcomes.iter().map(Outcome::rate).collect::<Vec<_>>();
    let (with, alone) = (rates(&with), rates(&alone));
    let left: Vec<f64> = with.iter().zip(&alone).map(|(with, alone)| with / alone).collect();
    bench.row(Row::plain("Me a second at most, on cores shared with the load", "/s", most));
    let (answered, offered) = kept.into_iter().unzip();
    bench.row(Row::ratio("  of half of that, answered beside sign-ins", "/s", answered, offered));
    bench.row(Row::ratio("sign-ins: beside Me at half its maximum ÷ without", "/s", with, alone));
    let row = Row::ratio("  that ÷ the share of all cores that Me leaves free", "", left, free);
    bench.row(row.goal(Goal::AtLeast(0.5)));
}

/// Measures token checks while 64 callers sign in. Returns both outcomes.
fn beside(ours: &Ours, bench: &Bench, checks: Load<'_>, logins: &[Call]) -> (Outcome, Outcome) {
    let sign_ins = ours.sign_ins(bench, logins);
    let sign_ins = Load { warm: checks.warm + AHEAD, spell: checks.spell, ..sign_ins };
    thread::scope(|scope| {
        let running = scope.spawn(move || sign_ins.run());
        thread::sleep(AHEAD);
        let checks = checks.run();
        (checks, running.join().unwrap())
    })
}

fn pairs(checks: &[Outcome], sign_ins: &[Outcome]) -> Vec<f64> {
    checks.iter().zip(sign_ins).map(|(one, other)| one.load_cores() + other.load_cores()).collect()
}
