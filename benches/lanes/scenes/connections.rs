//! Ten thousand idle connections: the cost of each, and their effect on other clients. The server drops an idle
//! connection over HTTP/1.1 after 20 seconds, and one over HTTP/2 that answers no ping after 30. Each round ends
//! earlier, and checks that no connection was dropped.

use std::io::Result;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Ours;
use crate::harness::connection::{Connection, End};
use crate::harness::wire::Call;
use crate::harness::{Bench, Goal, Outcome, Row, data};

/// Connections that are opened together, few enough for the accept queue.
const AT_ONCE: usize = 100;

/// Token checks a second beside the idle connections.
const CHECKS: f64 = 500.0;

/// The longest time until a hundred of them were answered.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn connections(bench: &mut Bench) {
    let half = if bench.short() { 500 } else { 5_000 };
    let (me, get) = (data::me(1..=64), data::get("/api/auth/me", 1..=64));
    let [mut http2, mut http1, mut total, mut opening] = [const { Vec::new() }; 4];
    let (mut without, mut with, mut dropped) = (Vec::new(), Vec::new(), 0);
    bench.each_round(|_| {
        // A new server for each round, because a used one may keep some of its memory.
        let ours = Ours::start(None);
        let checks = ours.me(bench, &me, CHECKS, bench.spell());
        without.push(checks.run());
        let resident = || ours.process.memory().resident;
        let (begun, at_first) = (Instant::now(), resident());
        let mut idle = open(ours.process.address, half, &me[0]);
        let then = resident();
        idle.extend(open(ours.process.address, half, &get[0]));
        opening.push(begun.elapsed().as_secs_f64());
        let last = resident();
        http2.push((then - at_first) * 1_024.0 / half as f64);
        http1.push((last - then) * 1_024.0 / half as f64);
        total.push(last);
        with.push(checks.run());
        let mut scratch = vec![0; 1 << 17];
        dropped += idle.iter_mut().filter_map(|one| one.receive(&mut scratch, |_, _| {}).err()).count();
    });
    without.iter().for_each(|outcome| bench.check("Me without them", outcome));
    with.iter().for_each(|outcome| bench.check("Me beside them", outcome));
    if dropped > 0 {
        bench.fail(format!("{dropped} idle connections were dropped before the end"));
    }
    bench.row(Row::plain(format!("{half} idle, HTTP/2: each"), "KiB", http2).goal(Goal::AtMost(15.0)));
    bench.row(Row::plain(format!("{half} idle, HTTP/1.1: each"), "KiB", http1).goal(Goal::AtMost(15.0)));
    bench.row(Row::plain("  RSS with all of them", "MiB", total).goal(Goal::AtMost(256.0)));
    bench.row(Row::plain("  opened, and one call on each, within", "s", opening));
    let p99 = |outcomes: &[Outcome]| outcomes.iter().map(|outcome| outcome.ms(0.99)).collect();
    let row = Row::ratio("  Me at 500/s, p99: beside them ÷ without", "ms", p99(&with), p99(&without));
    bench.row(row.goal(Goal::AtMost(2.0)));
}

/// Opens connections, each with one answered call.
fn open(address: SocketAddr, count: usize, call: &Call) -> Vec<Connection> {
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        all.extend(some(address, AT_ONCE.min(count - all.len()), call).unwrap());
    }
    all
}

fn some(address: SocketAddr, count: usize, call: &Call) -> Result<Vec<Connection>> {
    let mut some = (0..count).map(|_| Connection::open(address, call.protocol)).collect::<Result<Vec<_>>>()?;
    let (begun, mut good) = (Instant::now(), 0);
    for one in &mut some {
        one.push(call, begun);
        one.flush()?;
    }
    let mut scratch = vec![0; 1 << 17];
    while good < count {
        assert!(begun.elapsed() < PATIENCE, "{good} of {count} new connections were answered");
        for one in &mut some {
            one.receive(&mut scratch, |_, end| good += usize::from(end == End::Good))?;
            one.flush()?;
        }
        sleep(Duration::from_micros(200));
    }
    Ok(some)
}
