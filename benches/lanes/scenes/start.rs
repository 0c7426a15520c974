//! A fresh server: its time until the first answer, and its memory when idle.

use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Ours;
use crate::harness::{Bench, Goal, Load, Process, Row, data};

/// The number of starts in each round.
const STARTS: usize = 2;

/// The time from the last call until the server counts as idle. By then the lane has released its memory.
const REST: Duration = Duration::from_secs(6);

pub fn start(bench: &mut Bench) {
    let (me, logins) = (data::me(1..=1), data::sign_ins(1..=1));
    // Makes the database and stops the server.
    let Ours { process, folder } = Ours::start(None);
    drop(process);
    let database = format!("sqlite:{}", folder.path().join("countersign.db").display());
    let (mut first, mut fresh, mut total, mut anonymous) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    bench.each_round(|_| {
        for _ in 0..STARTS {
            let begun = Instant::now();
            let mut process = Process::spawn_server(folder.path(), &database);
            while TcpStream::connect(process.address).is_err() {
                assert!(!process.has_ended(), "the server does not start");
                sleep(Duration::from_micros(100));
            }
            Load::one(process.address, &me[0]).unwrap();
            first.push(begun.elapsed().as_secs_f64() * 1_000.0);
            fresh.push(process.memory().resident);
            Load::one(process.address, &logins[0]).unwrap();
            Load::one(process.address, &me[0]).unwrap();
            sleep(REST);
            let memory = process.memory();
            total.push(memory.resident);
            anonymous.push(memory.anonymous);
        }
    });
    let answered = Row::plain("start to the first answer, existing database", "ms", first);
    bench.row(answered.goal(Goal::AtMost(150.0)).beyond(Goal::AtMost(60.0)));
    let idle = Row::plain("idle RSS, six seconds after a sign-in and a Me", "MiB", total);
    bench.row(idle.goal(Goal::AtMost(24.0)).beyond(Goal::AtMost(14.0)));
    bench.row(Row::plain("  of that anonymous, the rest is of files", "MiB", anonymous));
    bench.row(Row::plain("  RSS after a Me, before the first hash", "MiB", fresh));
}
