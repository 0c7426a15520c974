//! Token checks alone: the share of the transport's capacity that is left when a token is verified, its session is
//! looked up, the account is read and a fresh token is signed.

use super::{Ours, two_cores};
use crate::harness::table::Kind;
use crate::harness::wire::Call;
use crate::harness::{Bench, Goal, Load, Outcome, Pace, Process, Row, data, yardsticks};

/// A driven server: ours or a yardstick.
pub struct Runner<'a> {
    name: &'static str,
    process: &'a Process,
    calls: &'a [Call],
    connections: usize,
    streams: usize,
    found: Vec<Outcome>,
}

impl<'a> Runner<'a> {
    pub fn new(
        name: &'static str,
        process: &'a Process,
        calls: &'a [Call],
        connections: usize,
        streams: usize,
    ) -> Self {
        Self { name, process, calls, connections, streams, found: Vec::new() }
    }

    pub fn each(&self, of: impl Fn(&Outcome) -> f64) -> Vec<f64> {
        self.found.iter().map(of).collect()
    }
}

pub fn me(bench: &mut Bench) {
    let (core, _) = two_cores();
    let folder = tempfile::tempdir().unwrap();
    let ours = Ours::start(core);
    let echo = yardsticks::start(folder.path(), core, yardsticks::ECHO);
    let current = yardsticks::start(folder.path(), core, yardsticks::ECHO_CURRENT);
    let calls = data::me(1..=64);
    let mut runners = [
        Runner::new("Me", &ours.process, &calls, 8, 16),
        Runner::new("echo", &echo, &calls, 8, 16),
        Runner::new("echo, current-thread", &current, &calls, 8, 16),
        Runner::new("Me, one at a time", &ours.process, &calls, 1, 1),
        Runner::new("echo, one at a time", &echo, &calls, 1, 1),
    ];
    drive(bench, &mut runners);
    let [me, echo, current, one_me, one_echo] = &runners;
    let rate =
        Row::ratio("Me ÷ echo", "/s", me.each(Outcome::rate), echo.each(Outcome::rate)).quoted("echo", Kind::Rate);
    bench.row(rate.goal(Goal::AtLeast(0.75)).beyond(Goal::AtLeast(0.95)));
    let rate = Row::ratio("Me ÷ current-thread echo", "/s", me.each(Outcome::rate), current.each(Outcome::rate));
    bench.row(rate.quoted("current-thread-echo", Kind::Rate));
    let p50 = |runner: &Runner<'_>| runner.each(|outcome| outcome.ms(0.5) * 1_000.0);
    let row = Row::ratio("one call at a time, p50", "µs", p50(one_me), p50(one_echo));
    bench.row(row.quoted("one-at-a-time-p50", Kind::Latency));
    costs(bench, me, echo);
}

/// What a proxy costs the server, beside a service that asks by itself.
pub fn proxies(bench: &mut Bench) {
    let (core, _) = two_cores();
    let ours = Ours::start(core);
    let (me, check) = (data::me(1..=64), data::checks(1..=64));
    let (get, forward) = (data::get("/api/auth/me", 1..=64), data::get("/v1/forward-auth/account", 1..=64));
    let mut runners = [
        Runner::new("Check", &ours.process, &check, 8, 16),
        Runner::new("Me", &ours.process, &me, 8, 16),
        Runner::new("forward auth", &ours.process, &forward, 32, 1),
        Runner::new("GET me", &ours.process, &get, 32, 1),
    ];
    drive(bench, &mut runners);
    let [check, me, forward, get] = &runners;
    let rate = Row::ratio("Check ÷ Me", "/s", check.each(Outcome::rate), me.each(Outcome::rate));
    bench.row(rate.quoted("check-me", Kind::Rate).goal(Goal::AtLeast(0.9)));
    let rate = Row::ratio("forward auth ÷ GET me", "/s", forward.each(Outcome::rate), get.each(Outcome::rate));
    bench.row(rate.quoted("forward-auth-get", Kind::Rate));
    costs(bench, check, me);
}

pub fn get(bench: &mut Bench) {
    let (core, _) = two_cores();
    let folder = tempfile::tempdir().unwrap();
    let ours = Ours::start(core);
    let bare = yardsticks::start(folder.path(), core, yardsticks::NO_CONTENT);
    let calls = data::get("/api/auth/me", 1..=64);
    let mut runners = [Runner::new("GET", &ours.process, &calls, 32, 1), Runner::new("bare 204", &bare, &calls, 32, 1)];
    drive(bench, &mut runners);
    let [get, bare] = &runners;
    let rate = Row::ratio("GET me ÷ bare 204", "/s", get.each(Outcome::rate), bare.each(Outcome::rate));
    let rate = rate.quoted("bare-204", Kind::Rate);
    bench.row(rate.goal(Goal::AtLeast(0.5)).beyond(Goal::AtLeast(0.75)));
    costs(bench, get, bare);
}

/// Drives all in turn, round by round. Every second round has the reverse order.
pub fn drive(bench: &mut Bench, runners: &mut [Runner<'_>]) {
    let (_, core) = two_cores();
    let (warm, spell) = (bench.warm(), bench.spell());
    let count = runners.len();
    bench.each_round(|round| {
        for turn in 0..count {
            let runner = &mut runners[if round % 2 == 0 { turn } else { count - 1 - turn }];
            let (connections, pace) = (runner.connections, Pace::Closed { streams: runner.streams });
            let load = Load::new(runner.process.address, runner.calls, connections, pace, spell);
            runner.found.push(Load { warm, core, server: Some(runner.process.id()), ..load }.run());
        }
    });
    for runner in runners {
        for outcome in &runner.found {
            bench.check(runner.name, outcome);
        }
    }
}

/// The bottleneck: the server's CPU time for a call, and whether the load had CPU time left.
fn costs(bench: &mut Bench, ours: &Runner<'_>, yardstick: &Runner<'_>) {
    for (what, unit, of) in [
        ("  server CPU a call", "µs", Outcome::server_us as fn(&Outcome) -> f64),
        ("  server's share of its core", "", Outcome::server_cores),
        ("  load's share of its core", "", Outcome::load_cores),
    ] {
        bench.row(Row::ratio(what, unit, ours.each(of), yardstick.each(of)));
    }
}
