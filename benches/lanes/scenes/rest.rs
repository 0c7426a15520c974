//! REST compared with gRPC: the CPU time of the same call by either protocol. Both use HTTP/2, with the same number of
//! concurrent calls on the same connections, so the difference is the transcoder. HTTP/1.1 has one call on each
//! connection, and is compared with gRPC at one call per connection.

use super::checks::{Runner, drive};
use super::{ACCOUNTS, Ours, two_cores};
use crate::harness::table::Kind;
use crate::harness::{Bench, Goal, Outcome, Row, data};

pub fn rest(bench: &mut Bench) {
    let (core, _) = two_cores();
    let ours = Ours::start(core);
    let (grpc, http2) = (data::me(1..=64), data::rest_me(1..=64));
    let http1 = data::get("/v1/me", 1..=64);
    let mut runners = [
        Runner::new("Me", &ours.process, &grpc, 8, 16),
        Runner::new("Me, one on each connection", &ours.process, &grpc, 128, 1),
        Runner::new("GET /v1/me over HTTP/2", &ours.process, &http2, 8, 16),
        Runner::new("GET /v1/me over HTTP/1.1", &ours.process, &http1, 128, 1),
        Runner::new("Me, one at a time", &ours.process, &grpc, 1, 1),
        Runner::new("GET /v1/me over HTTP/2, one at a time", &ours.process, &http2, 1, 1),
        Runner::new("GET /v1/me over HTTP/1.1, one at a time", &ours.process, &http1, 1, 1),
    ];
    drive(bench, &mut runners);
    let [me, me_each, http2, http1, one_me, one_http2, one_http1] = &runners;
    for (what, name, rest, grpc) in [
        ("GET /v1/me ÷ Me, 8 connections, 128 at a time: CPU", "http2", http2, me),
        ("  one at a time", "http2-one-at-a-time", one_http2, one_me),
        ("GET /v1/me over HTTP/1.1 ÷ Me, 128 connections: CPU", "http1", http1, me_each),
        ("  one at a time", "http1-one-at-a-time", one_http1, one_me),
    ] {
        let row = Row::ratio(what, "µs", rest.each(Outcome::server_us), grpc.each(Outcome::server_us));
        bench.row(row.quoted(name, Kind::Cost).goal(Goal::AtMost(1.5)));
    }
    let cost = |runner: &Runner<'_>| runner.each(Outcome::server_us);
    let row = Row::ratio("  over HTTP/1.1 ÷ Me that shares 8 connections", "µs", cost(http1), cost(me));
    bench.row(row.quoted("http1-to-shared-grpc", Kind::Cost));
}

pub fn sign_ins(bench: &mut Bench) {
    let ours = Ours::start(None);
    let (grpc, rest) = (data::sign_ins(1..=ACCOUNTS), data::rest_sign_ins(1..=ACCOUNTS));
    let (mut by_grpc, mut by_rest) = (Vec::new(), Vec::new());
    bench.each_round(|round| {
        for is_rest in if round % 2 == 0 { [false, true] } else { [true, false] } {
            let (calls, found) = if is_rest { (&rest, &mut by_rest) } else { (&grpc, &mut by_grpc) };
            found.push(ours.sign_ins(bench, calls).run());
        }
    });
    by_grpc.iter().for_each(|outcome| bench.check("Login", outcome));
    by_rest.iter().for_each(|outcome| bench.check("POST /v1/sessions:login", outcome));
    let each = |found: &[Outcome]| found.iter().map(Outcome::server_us).collect::<Vec<_>>();
    let row = Row::ratio("POST /v1/sessions:login ÷ Login: CPU", "µs", each(&by_rest), each(&by_grpc));
    bench.row(row.quoted("login", Kind::Cost).goal(Goal::AtMost(1.5)));
}
