//! Several replicas in longer runs: three processes of the real binary on one PostgreSQL server that is made for the
//! run, under races, cuts, crashes, restarts and rotated keys. `cargo test --test cluster` is the short form, with
//! `FULL=1` the full one. Separate from `it` because it takes minutes, measures, and needs the machine for itself.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod calls;
mod clocks;
mod crash;
mod crash_load;
mod cut_off;
mod facts;
mod registration;
mod replica;
mod revocation;
mod rolling;
mod rotation;
#[path = "../runs/mod.rs"]
#[expect(dead_code, reason = "the other longer run uses the rest")]
mod runs;
#[path = "../it/support/mod.rs"]
#[expect(dead_code, reason = "`it` uses the rest")]
mod support;
mod together;

use replica::Cluster;
use runs::part;

fn main() {
    runs::run("cluster", async {
        let Some(cluster) = Cluster::create().await else { return };
        part("three that start together on an empty database migrate once", together::start(&cluster)).await;
        cluster.start().await;
        part("of a registration race exactly one wins", registration::races(&cluster)).await;
        part("a revocation on one replica is a refusal on all", revocation::latency(&cluster)).await;
        part("a replica that is cut off refuses, and comes back knowing", cut_off::rounds(&cluster)).await;
        part("a crash of the database makes nothing untrue", crash::rounds(&cluster)).await;
        part("replicas whose clocks are apart refuse none of each other's tokens", clocks::apart(&cluster)).await;
        part("a rolling restart loses no call", rolling::restarts(&cluster)).await;
        // Last, because tokens are signed with keys from here on.
        part("a key that is rotated every second refuses nobody", rotation::every_second(&cluster)).await;
        cluster.stop().await;
    });
}
