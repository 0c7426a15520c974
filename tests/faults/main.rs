//! Faults on one machine in longer runs: `kill -9` during work, many writers on one file, and races with one winner.
//! `cargo test --test faults` is the short form, with `FULL=1` the full one. Separate from `it` because it takes
//! minutes, measures, and needs the machine for itself.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod grpc;
mod guessing;
mod kills;
mod races;
#[path = "../runs/mod.rs"]
mod runs;
#[path = "../it/support/mod.rs"]
#[expect(dead_code, reason = "`it` uses the rest")]
mod support;
mod writers;

use runs::part;

fn main() {
    runs::run("faults", async {
        part("kill -9 loses nothing that was acknowledged", kills::rounds()).await;
        part("64 writers on one file are all served", writers::work()).await;
        part("a token that slid while its session ended is dead", races::me_and_logout()).await;
        part("a sign-in that raced a disable is dead", races::login_and_disable()).await;
        part("a hundred guesses at once are ten", guessing::rounds()).await;
    });
}
