//! The two lanes at the machine's limit: `cargo bench --bench lanes`. It starts the real server as a process, drives it
//! over real sockets, and compares it in the same run, round by round, with the most that the machine can do. Separate
//! from the tests because it needs the machine for itself and takes minutes. `--short` checks in two minutes that it
//! works. Both judge the ratios by those of `docs/performance.json`, which `--quote` replaces.
//!
//! `cargo bench --bench lanes -- me get --rounds 9` runs only these scenes. `HASH_KERNEL=portable` in the environment
//! selects that kernel. Nothing else may run meanwhile.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a run that fails has nothing to say")]

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../../tests/it/support/postgres.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod postgres;
mod scenes;

use std::process::ExitCode;

use harness::{Bench, report, yardsticks};
use scenes::{
    algorithms, checks, connections, crowds, half_sent, neighbours, refusals, rest, rush, sign_ins, start, together,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(ended) = yardsticks::serve() {
        return ended;
    }
    let quotes = match report::quotes() {
        Ok(quotes) => quotes,
        Err(error) => {
            println!("{error}");
            return 2.into();
        }
    };
    let mut bench = Bench::start("lanes", Some(quotes));
    bench.scene("me", "Me over gRPC ÷ a bare tonic echo, server on one core, load on another", checks::me);
    bench.scene("get", "GET /api/auth/me ÷ a bare axum 204, server on one core, load on another", checks::get);
    bench.scene("proxies", "Check, and forward auth, ÷ Me, server on one core, load on another", checks::proxies);
    bench.scene(
        "algorithms",
        "Me with tokens of asymmetric keys ÷ of the secret, server on one core, load on another",
        algorithms::algorithms,
    );
    bench.scene(
        "neighbours",
        "one request at a time through a real proxy that asks, beside one that does not",
        neighbours::added,
    );
    bench.scene("logout", "a logout, until the next request through Envoy is refused", neighbours::logout);
    bench.scene("signins", "sign-ins ÷ the hash by itself, both on all cores", sign_ins::sign_ins);
    bench.scene("kernels", "sign-ins with the fastest kernel ÷ with the argon2 crate, all cores", sign_ins::kernels);
    bench.scene("rest", "GET /v1/me ÷ Me over gRPC, server on one core, load on another", rest::rest);
    bench.scene("restlogin", "POST /v1/sessions:login ÷ Login over gRPC, both on all cores", rest::sign_ins);
    bench.scene("together", "Me beside 64 callers who sign in without pause", together::together);
    bench.scene("share", "sign-ins beside Me at half its maximum", together::share);
    bench.scene("burst", "1,000 sign-ins at once over 1,000 connections", rush::burst);
    bench.scene(
        "refusal",
        "a sign-in that is refused ÷ an echo, server on one core, load on another",
        refusals::refusals,
    );
    bench.scene("storm", "50 times as many sign-ins as it can do, over 1,000 connections", rush::storm);
    bench.scene("lowered", "sign-ins of accounts that were hashed before HASH_PARAMS was lowered", sign_ins::lowered);
    bench.scene("crowds", "sign-ins from elsewhere while the callers of a few networks fill the queue", crowds::crowds);
    bench.scene("right", "1,000 right sign-ins at once from one address, default settings", crowds::right);
    bench.scene("start", "a fresh server", start::start);
    bench.scene("connections", "10,000 idle connections", connections::connections);
    bench.scene("halfsent", "half-sent bodies from another address", half_sent::half_sent);
    bench.finish()
}
