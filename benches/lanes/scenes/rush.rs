//! More sign-ins than the machine can hash: a thousand at once, and fifty times its capacity for a minute. The scenes
//! measure the memory, the waiting time of served and refused callers, and the time until the server has recovered.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{ACCOUNTS, Ours, lane_mib};
use crate::harness::table::Kind;
use crate::harness::table::spread;
use crate::harness::wire::Call;
use crate::harness::{Bench, Goal, Load, Outcome, Pace, Row, data};

const CONNECTIONS: usize = 1_000;

/// The offered load of the storm, in multiples of the capacity.
const TIMES: f64 = 50.0;

/// Token checks a second beside the storm.
const CHECKS: f64 = 100.0;

/// Calls of each kind that are made without load. Their median is the quick time.
const PROBES: usize = 9;

/// The pause before each of these calls.
const BETWEEN_PROBES: Duration = Duration::from_millis(20);

/// The longest time until the storm is over.
const LONGEST: Duration = Duration::from_secs(60);

pub fn burst(bench: &mut Bench) {
    let (me, logins) = (data::me(1..=1), data::sign_ins(1..=ACCOUNTS));
    let (mut above, mut found, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    bench.each_round(|_| {
        // A new server for each round, because a used one may keep some of its memory.
        let ours = Ours::start(None);
        Load::one(ours.process.address, &me[0]).unwrap();
        let before = ours.process.memory().resident;
        ours.process.forget_peak();
        found.push(Load::new(ours.process.address, &logins, CONNECTIONS, Pace::Once, Duration::ZERO).run());
        above.push(ours.process.memory().peak - before - lane_mib());
        idle.push(before);
    });
    found.iter().for_each(|outcome| bench.check_alive("sign-ins", outcome));
    let each = |of: fn(&Outcome) -> f64| found.iter().map(of).collect::<Vec<_>>();
    let what = format!("{CONNECTIONS} sign-ins at once: peak RSS − idle − lane ({:.0})", lane_mib());
    bench.row(Row::plain(what, "MiB", above).goal(Goal::AtMost(32.0)));
    bench.row(Row::plain("  idle RSS, before the first hash", "MiB", idle));
    bench.row(Row::plain("  signed in", "", each(|outcome| outcome.good as f64)));
    bench.row(Row::plain("  refused", "", each(|outcome| outcome.refused as f64)));
    bench.row(Row::plain("  refusals, p99", "ms", each(|outcome| outcome.refusal_ms(0.99))));
    bench.row(Row::plain("  until the last was signed in", "ms", each(|outcome| outcome.ms(1.0))));
}

/// The measurements of one storm.
struct Storm {
    capacity: Outcome,
    storm: Outcome,
    quiet: Outcome,
    checks: Outcome,
    above_idle: f64,
    /// `None` if it took longer than [`LONGEST`], possibly because others use the machine.
    over_after: Option<Duration>,
    serves_again: bool,
}

pub fn storm(bench: &mut Bench) {
    let (me, logins) = (data::me(1..=64), data::sign_ins(1..=ACCOUNTS));
    let mut found = Vec::new();
    bench.each_round(|_| found.push(one_storm(bench, &me, &logins)));
    for Storm { capacity, storm, quiet, checks, serves_again, .. } in &found {
        bench.check("sign-ins before the storm", capacity);
        // The calls of a long storm wait in its sockets for longer than the load waits for them.
        if bench.short() {
            bench.check_alive("sign-ins in the storm", storm);
        } else if storm.good == 0 || storm.lost > 0 {
            bench.fail(format!("sign-ins in the storm: {storm}"));
        }
        bench.check("Me in quiet", quiet);
        bench.check_answered("Me in the storm", checks);
        if !serves_again {
            bench.fail("a Me or a sign-in is not answered well after the storm".to_owned());
        }
    }
    let each = |of: fn(&Storm) -> f64| found.iter().map(of).collect::<Vec<_>>();
    let goodput = Row::ratio("storm: goodput ÷ capacity", "/s", each(|s| s.storm.rate()), each(|s| s.capacity.rate()));
    bench.row(goodput.quoted("goodput", Kind::Rate).goal(Goal::AtLeast(0.9)).beyond(Goal::AtLeast(0.97)));
    let offered = |s: &Storm| (s.storm.good + s.storm.refused) as f64 / s.storm.seconds();
    bench.row(Row::plain("  answers a second in all", "/s", each(offered)));
    bench.row(Row::plain(
        format!("  calls that wait {} s after it", drain(bench).as_secs()),
        "",
        each(|s| s.storm.unanswered as f64),
    ));
    bench.row(Row::plain("  connections made anew", "", each(|s| s.storm.replaced as f64)));
    bench.row(Row::plain("  refusals, p50", "ms", each(|s| s.storm.refusal_ms(0.5))));
    bench.row(Row::plain("  refusals, p99", "ms", each(|s| s.storm.refusal_ms(0.99))).goal(Goal::AtMost(100.0)));
    let (during, quiet) = (each(|s| s.checks.ms(0.99)), each(|s| s.quiet.ms(0.99)));
    let checks = Row::ratio("  Me at 100/s, p99: in the storm ÷ in quiet", "ms", during, quiet);
    bench.row(checks.quoted("me-p99", Kind::Latency).goal(Goal::AtMost(5.0)));
    let peak = Row::plain(format!("  peak RSS − idle − lane ({:.0})", lane_mib()), "MiB", each(|s| s.above_idle));
    bench.row(peak.goal(Goal::AtMost(64.0)));
    let over = each(|s| s.over_after.map_or(f64::INFINITY, |time| time.as_secs_f64()));
    bench.row(Row::plain("  until as quick as before (≤ 2 × medians)", "s", over).goal(Goal::AtMost(5.0)));
    bench.row(Row::plain("  cores that the storm's load kept busy", "", each(|s| s.storm.load_cores())));
}

/// How long the answers of the storm are waited for. Those of a short one all come in that time.
fn drain(bench: &Bench) -> Duration {
    Duration::from_secs(if bench.short() { 120 } else { 35 })
}

fn one_storm(bench: &Bench, me: &[Call], logins: &[Call]) -> Storm {
    let ours = Ours::start(None);
    let address = ours.process.address;
    Load::one(address, &me[0]).unwrap();
    let idle = ours.process.memory().resident;
    ours.process.forget_peak();

    let capacity = ours.sign_ins(bench, logins).run();
    let quiet = ours.me(bench, me, CHECKS, bench.spell().max(bench.storm() / 4)).run();
    let probe = |call: &Call| {
        // The same pause as after the storm: a machine that has just rested is slower than one that has not.
        thread::sleep(BETWEEN_PROBES);
        Load::one(address, call)
    };
    let median = |call: &Call| spread(&[(); PROBES].map(|()| probe(call).unwrap_or(f64::NAN)))[1];
    let [quick_me, quick_sign_in] = [&me[0], &logins[0]].map(median);
    let is_quick = || {
        let within = |call, quick: f64| probe(call).is_some_and(|ms| ms <= 2.0 * quick);
        within(&me[0], quick_me) && within(&logins[0], quick_sign_in)
    };

    let offered = Pace::Open { per_second: TIMES * capacity.rate() };
    let (over, when_over) = mpsc::channel();
    let storm = ours.load(bench, logins, CONNECTIONS, offered);
    let storm = Load { spell: bench.storm(), drain: drain(bench), when_over: Some(&over), ..storm };
    let checks = ours.me(bench, me, CHECKS, bench.storm());
    thread::scope(|scope| {
        let checking = scope.spawn(move || checks.run());
        let storming = scope.spawn(move || storm.run());
        // The storm ends when its last call is sent. The recovery includes the calls that are still waiting then.
        let end = when_over.recv_timeout(bench.storm() + LONGEST).unwrap();
        let over_after = loop {
            let begun = end.elapsed();
            if is_quick() {
                break Some(begun);
            }
            if begun > LONGEST {
                break None;
            }
        };
        let (storm, checks) = (storming.join().unwrap(), checking.join().unwrap());
        let above_idle = ours.process.memory().peak - idle - lane_mib();
        let serves_again = [&me[0], &logins[0]].iter().all(|call| Load::one(address, call).is_some());
        Storm { capacity, storm, quiet, checks, above_idle, over_after, serves_again }
    })
}
