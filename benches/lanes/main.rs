//! The two lanes at the machine's limit: `cargo bench --bench lanes`. Starts the real server as a process, drives it over
//! real sockets, and compares it in the same run, round by round, with what the machine can do at most. Apart from the
//! tests because it wants the machine for itself and takes minutes; `--short` says in one whether it works.
//!
//! `cargo bench --bench lanes -- me get --rounds 9` runs these scenes only. Nothing else must run meanwhile.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a run that fails has nothing to say")]

#[path = "../harness/mod.rs"]
mod harness;
mod scenes;
mod yardsticks;

use std::process::ExitCode;

use harness::Bench;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(ended) = yardsticks::serve() {
        return ended;
    }
    let mut bench = Bench::start("lanes");
    bench.scene("me", "Me over gRPC ÷ a bare tonic echo, server on one core, load on another", scenes::checks::me);
    bench.scene("get", "GET /api/auth/me ÷ a bare axum 204, server on one core, load on another", scenes::checks::get);
    bench.finish()
}
