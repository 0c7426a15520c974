//! The database crashes and recovers repeatedly, while clients register, sign in, call Me and log out on all replicas.
//! Everything acknowledged stays true, every failure is UNAVAILABLE, and service resumes soon.
//!
//! The replica that acknowledged a logout refuses the token from then on. The others refuse it as soon as they hear of
//! it. A crash at that moment delays this until the database is back. They may accept the token for
//! `REVOCATION_STALENESS` at most, and the run prints how long they did.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::calls::{login, logout, me, register};
use crate::crash_load::{Kind, Load, STALENESS};
use crate::replica::{Cluster, Replica};
use crate::runs::{Times, either, millis};

/// The limit for the return of service: "≤ 5 s after".
const BACK: Duration = Duration::from_secs(5);

pub async fn rounds(cluster: &Cluster) {
    for replica in cluster.replicas() {
        replica.until_ready().await;
        register(&replica.channel(), &probe(&replica)).await.unwrap();
    }
    let load = Load::start(cluster);
    let (mut away, mut back) = (Times::default(), Times::default());
    let mut checked = (0, 0);
    for round in 1..=either(3, 20) {
        load.goes_well_for(Duration::from_secs(2)).await;
        let before = load.counts();
        let up_since = up_since(cluster).await;
        let begun = Instant::now();
        let (accepts, ()) = tokio::join!(accepts_again(cluster, up_since), cluster.database.crash());
        let mut probing = JoinSet::new();
        for replica in cluster.replicas() {
            probing.spawn(serves(replica, accepts));
        }
        let served = probing.join_all().await.into_iter().max().unwrap();
        let after = load.counts();
        away.push(accepts - begun);
        back.push(served);
        println!(
            "   crash {round}: database away {}, all of it served on all replicas {} later; calls until then: {} OK, {} UNAVAILABLE",
            millis(accepts - begun),
            millis(served),
            after.0 - before.0,
            after.1 - before.1
        );
        assert!(served <= BACK, "back only after {}", millis(served));
        checked = load.holds(cluster, checked).await;
    }
    load.stop().await;
    // Checks everything once more, without load.
    let (accounts, dead) = load.facts.since((0, 0));
    for replica in cluster.replicas() {
        for dead in &dead {
            stays_dead(&replica, &dead.token).await;
        }
    }
    println!("   database away: {away}");
    println!("   full service after that: {back}");
    for kind in Kind::ALL {
        let (ok, away) = load.count(kind);
        println!("   {kind:?}: {ok} as they should be, {away} UNAVAILABLE");
    }
    println!("   {} accounts and {} logouts acknowledged: all true to the end", accounts.len(), dead.len());
    let late = load.late();
    println!("   ended tokens that another replica believed, and when after the acknowledgement: {late}");
    assert!(late.quantile(1.0) <= STALENESS);
}

/// Asserts that a replica never accepts the token, and refuses it as dead once it is back.
async fn stays_dead(replica: &Replica, token: &str) {
    let begun = Instant::now();
    loop {
        let refused = me(&replica.channel(), token).await.expect_err("the session has ended");
        if refused.is_dead() {
            return;
        }
        let is_back_soon = refused.is_away() && begun.elapsed() < BACK;
        assert!(is_back_soon, "{refused:?}; the log of replica {} ends\n{}", replica.index, replica.log_end());
        sleep(Duration::from_millis(20)).await;
    }
}

fn probe(replica: &Replica) -> String {
    format!("probe {}", replica.index)
}

/// The start time of the database server.
async fn up_since(cluster: &Cluster) -> String {
    started(cluster).await.expect("it is there")
}

async fn started(cluster: &Cluster) -> Option<String> {
    let mut connection = cluster.database.try_connect().await.ok()?;
    sqlx::query_scalar("select pg_postmaster_start_time()::text").fetch_one(&mut connection).await.ok()
}

/// The time at which a newly started database server accepts a connection.
async fn accepts_again(cluster: &Cluster, before: String) -> Instant {
    let begun = Instant::now();
    loop {
        if started(cluster).await.is_some_and(|now| now != before) {
            return Instant::now();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "the database does not come back");
        sleep(Duration::from_millis(10)).await;
    }
}

/// The time from `accepts` until this replica has served a login, Me and a logout.
async fn serves(replica: Arc<Replica>, accepts: Instant) -> Duration {
    let channel = replica.channel();
    loop {
        let whole = async {
            let token = login(&channel, &probe(&replica)).await?;
            me(&channel, &token).await?;
            logout(&channel, &token).await
        };
        match whole.await {
            Ok(()) => return accepts.elapsed(),
            Err(refused) => assert!(refused.is_away(), "{refused:?}"),
        }
        assert!(accepts.elapsed() < 4 * BACK, "replica {} does not serve again", replica.index);
        sleep(Duration::from_millis(20)).await;
    }
}
