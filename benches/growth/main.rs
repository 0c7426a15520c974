//! The cost of a call as the data grow: `cargo bench --bench growth`. It measures more accounts on SQLite and on
//! PostgreSQL, more connections, and more live revocations, each compared with the smallest number, in turn. Separate
//! from `lanes` because filling databases takes longer than measuring.
//!
//! The server has one core and the load another. Sign-ins have one hashing thread. PostgreSQL is as in the tests: the
//! server of `TEST_POSTGRES_URL`, or a throw-away one (without fsync, with 32 MB of buffers), on all cores.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a run that fails has nothing to say")]

#[path = "../harness/mod.rs"]
#[expect(dead_code, reason = "`lanes` uses the rest")]
mod harness;
#[path = "../../tests/it/support/postgres.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod postgres;
mod subject;

use std::process::ExitCode;

use harness::{Bench, Goal, Pace, data, yardsticks};
use postgres::Database;
use subject::{Subject, compare};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The cost of a call with many accounts ÷ with few.
const GOAL: Option<Goal> = Some(Goal::AtMost(1.05));

/// The number of concurrent calls, whatever the number of connections.
const CHECKS: Pace = Pace::Turns { at_once: 128 };
const SIGN_INS: Pace = Pace::Turns { at_once: 64 };

fn main() -> ExitCode {
    if let Some(ended) = yardsticks::serve() {
        return ended;
    }
    let mut bench = Bench::start("growth", None);
    bench.scene("sqlite", "accounts, on SQLite", |bench| accounts(bench, "SQLite", |_| None));
    bench.scene("postgres", "accounts, on PostgreSQL", |bench| {
        if data::block_on(Database::create()).is_none() {
            return;
        }
        accounts(bench, "PostgreSQL", |_| data::block_on(Database::create()));
    });
    bench.scene("connections", "connections, most of them idle", connections);
    bench.scene("revocations", "live revocations, on SQLite", revocations);
    bench.finish()
}

fn accounts(bench: &mut Bench, engine: &str, database: impl Fn(u64) -> Option<Database>) {
    let sizes = if bench.short() { [1_000, 2_000, 4_000] } else { [1_000, 100_000, 1_000_000] };
    let subjects = sizes.map(|size| {
        let subject = Subject::start(format!("{size} accounts"), database(size), size, 0);
        println!("{engine}: {size} accounts");
        subject
    });
    let many = if bench.short() { 1_000 } else { 100_000 };
    compare(bench, &format!("{engine}, Me of 500 accounts"), &subjects, GOAL, |subject| (subject.me(500), CHECKS));
    let what = format!("{engine}, Me of {many} accounts in turn");
    compare(bench, &what, &subjects, GOAL, |subject| (subject.me(many), CHECKS));
    compare(bench, &format!("{engine}, sign-ins of 500"), &subjects, GOAL, |subject| (subject.sign_ins(500), SIGN_INS));
}

fn connections(bench: &mut Bench) {
    let counts = if bench.short() { [1, 10, 100] } else { [1, 100, 10_000] };
    let subjects = counts.map(|count| Subject::start(format!("{count} connections"), None, 1_000, 0).over(count));
    compare(bench, "Me", &subjects, None, |subject| (subject.me(500), CHECKS));
    compare(bench, "sign-ins", &subjects, None, |subject| (subject.sign_ins(500), SIGN_INS));
    // The same with a bare echo shows the transport's share.
    let echoes = counts.map(|count| Subject::echo(format!("{count} connections")).over(count));
    compare(bench, "bare echo", &echoes, None, |subject| (subject.me(500), CHECKS));
}

fn revocations(bench: &mut Bench) {
    let counts = if bench.short() { [0, 100, 1_000] } else { [0, 10_000, 1_000_000] };
    let subjects = counts.map(|count| Subject::start(format!("{count} revocations"), None, 1_000, count));
    compare(bench, "Me", &subjects, None, |subject| (subject.me(500), CHECKS));
    compare(bench, "sign-ins", &subjects, None, |subject| (subject.sign_ins(500), SIGN_INS));
}
