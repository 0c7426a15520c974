//! The cost of a refusal: the CPU time of a sign-in that is refused because the queue for the password hash is full,
//! beside a call that a bare echo answers. Every refused call comes from an address of its own, as a trusted proxy
//! states it, because the second refusal of an address waits.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use argon2::Params;

use super::{Ours, two_cores};
use crate::harness::connection::Connection;
use crate::harness::table::Kind;
use crate::harness::wire::Call;
use crate::harness::{Bench, Goal, Load, Outcome, Pace, Process, Row, data, machine, yardsticks};

/// Calls before an address comes again. The server remembers half as many.
const ADDRESSES: u64 = 131_072;

/// The places in the queue. With hashes of `SLOW` KiB and passes, they are taken for longer than a round lasts.
const QUEUE: usize = 16;
const SLOW: (u32, u32) = (131_072, 16);

/// The time in which these calls reach the queue.
const TIME_TO_FILL: Duration = Duration::from_millis(300);

/// The longest spell, in which no address comes twice.
const SPELL: Duration = Duration::from_millis(500);

pub fn refusals(bench: &mut Bench) {
    let (core, _) = two_cores();
    let params = Params::new(SLOW.0, SLOW.1, 1, None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let echo = yardsticks::start(folder.path(), core, yardsticks::ECHO_CURRENT);
    let me = data::me(1..=64);
    // One job of each network: none gives way to another.
    let networks = (QUEUE + machine::cores().len()) as u64;
    let filling = data::sign_ins_from(1..=networks, |number| format!("192.168.{number}.1"));
    let refused = data::sign_ins_from(1..=ADDRESSES, |number| {
        format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255)
    });
    let (mut of_ours, mut of_echo) = (Vec::new(), Vec::new());
    bench.each_round(|_| {
        let queue = QUEUE.to_string();
        let ours = Ours::on(core, &params, &[("TRUSTED_PROXIES", "127.0.0.1"), ("HASH_QUEUE", &queue)]);
        let _full = fill(ours.process.address, &filling);
        of_echo.push(spell(&echo, &me));
        of_ours.push(spell(&ours.process, &refused));
    });
    let costs = |found: &[(Outcome, f64)]| found.iter().map(|(_, cost)| *cost).collect::<Vec<_>>();
    for (outcome, _) in &of_ours {
        if outcome.good > 0 || outcome.lost > 0 || outcome.refused == 0 {
            bench.fail(format!("calls that should have been refused: {outcome}"));
        }
    }
    let row = Row::ratio("a refusal ÷ an echo, current-thread: server CPU", "µs", costs(&of_ours), costs(&of_echo));
    bench.row(row.quoted("echo", Kind::Latency).goal(Goal::AtMost(1.5)).beyond(Goal::AtMost(1.0)));
}

/// Sends the calls that fill the queue.
fn fill(address: SocketAddr, filling: &[Call]) -> Connection {
    let mut connection = Connection::open(address, filling[0].protocol).unwrap();
    let now = Instant::now();
    filling.iter().for_each(|call| connection.push(call, now));
    connection.flush().unwrap();
    sleep(TIME_TO_FILL);
    connection
}

/// Makes calls for a spell, and returns the CPU time of the server for each, in µs.
fn spell(server: &Process, calls: &[Call]) -> (Outcome, f64) {
    let (_, core) = two_cores();
    let before = machine::cpu_beside_hashes(server.id());
    let load = Load::new(server.address, calls, 8, Pace::Closed { streams: 16 }, SPELL);
    let outcome = Load { core, ..load }.run();
    let time = machine::cpu_beside_hashes(server.id()) - before;
    let cost = time.as_secs_f64() * 1e6 / (outcome.good + outcome.refused) as f64;
    (outcome, cost)
}
