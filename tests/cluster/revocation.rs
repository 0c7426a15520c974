//! How long the other replicas still accept the token of a session that was ended on one: from the acknowledgement to
//! the first refusal by each. A replica that has refused a token never accepts it again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::pb::{RevokeOtherSessionsRequest, RevokeSessionRequest};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::calls::{login, logout, me, register, sessions, with_token};
use crate::replica::{Cluster, REPLICAS, Replica};
use crate::runs::{Times, either, millis};
use crate::support::token::claims;

/// The goal of the full form: "p99 ≤ 100 ms", for a release build on a machine of its own.
const GOAL: Duration = Duration::from_millis(100);

/// The goal of the short form, for a debug build on a busy machine: the time of a replica that missed the notification.
const SHORT_GOAL: Duration = Duration::from_millis(500);

/// The bound of the product for a replica that hears of nothing.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause between two calls to one replica. Three replicas get 500 calls a second together, a small load for two
/// cores.
const PAUSE: Duration = Duration::from_millis(5);

/// Accounts that are signed in and out again and again.
const ACCOUNTS: usize = 16;

/// The ways to end a session.
const MEANS: [&str; 4] = ["Logout", "RevokeSession", "RevokeOtherSessions", "account disable"];

/// A session that is to be ended.
struct Trial {
    means: usize,
    username: String,
    victim: String,
    /// A second session of the account, which ends the first for some of the means.
    other: String,
}

pub async fn latency(cluster: &Cluster) {
    let trials = prepare(cluster, either(100, 1_000)).await;
    let (mut all, mut by_means) = (Times::default(), BTreeMap::<_, Times>::new());
    let mut dead = Vec::new();
    for trial in trials {
        let by = cluster.any().clone();
        for replica in cluster.replicas() {
            me(&replica.channel(), &trial.victim).await.expect("it lives");
        }
        trial.end(cluster, &by).await;
        let acknowledged = Instant::now();
        let mut asking = JoinSet::new();
        for replica in cluster.replicas() {
            // The replica that ends a session refuses its token at once. The command line is no replica.
            let patience = if replica.index == by.index && trial.means < 3 { Duration::ZERO } else { PATIENCE };
            asking.spawn(refused(replica, trial.victim.clone(), acknowledged, patience));
        }
        let took = asking.join_all().await.into_iter().max().unwrap();
        all.push(took);
        by_means.entry(MEANS[trial.means]).or_default().push(took);
        dead.push(trial.victim);
    }
    for (means, times) in &by_means {
        println!("   acknowledged {means} to refused by all {REPLICAS}: {times}");
    }
    println!("   all together: {all}");

    let mut asking = JoinSet::new();
    for replica in cluster.replicas() {
        let dead = dead.clone();
        asking.spawn(async move {
            for token in &dead {
                assert!(me(&replica.channel(), token).await.unwrap_err().is_dead(), "accepted again");
            }
        });
    }
    asking.join_all().await;
    println!("   asked again at the end: {} tokens, on {REPLICAS} replicas each: none accepted", dead.len());
    let p99 = all.quantile(0.99);
    assert!(p99 <= either(SHORT_GOAL, GOAL), "p99 is {}", millis(p99));
}

/// Sessions for the trials, opened in advance, because a login costs a hundred times what is measured.
async fn prepare(cluster: &Cluster, count: usize) -> Vec<Trial> {
    for account in 0..ACCOUNTS {
        register(&cluster.any().channel(), &format!("revoked {account}")).await.unwrap();
    }
    let (mut trials, mut logins) = (Vec::new(), JoinSet::new());
    for number in 0..count {
        // Fifteen of twenty sessions end by Logout.
        let means = [1, 2, 3, 1, 2].get(number % 20).copied().unwrap_or(0);
        // The means that end several sessions must not end those of other trials.
        let (channel, alone) = (cluster.any().channel(), means >= 2);
        logins.spawn(async move {
            let username = if alone { format!("alone {number}") } else { format!("revoked {}", number % ACCOUNTS) };
            let victim =
                if alone { register(&channel, &username).await } else { login(&channel, &username).await }.unwrap();
            let other =
                if means == 1 || means == 2 { login(&channel, &username).await.unwrap() } else { String::new() };
            Trial { means, username, victim, other }
        });
        // As many logins as the hashing queue has room for.
        while logins.len() >= 16 {
            trials.push(logins.join_next().await.unwrap().unwrap());
        }
    }
    trials.extend(logins.join_all().await);
    trials
}

impl Trial {
    /// Ends the session, and returns after the acknowledgement.
    async fn end(&self, cluster: &Cluster, by: &Replica) {
        let channel = by.channel();
        match self.means {
            0 => logout(&channel, &self.victim).await.unwrap(),
            1 => {
                let session_id = claims(&self.victim)["sid"].as_str().unwrap().to_owned();
                let message = with_token(RevokeSessionRequest { session_id }, &self.other);
                sessions(&channel).revoke_session(message).await.unwrap();
            }
            2 => {
                let message = with_token(RevokeOtherSessionsRequest::default(), &self.other);
                let answer = sessions(&channel).revoke_other_sessions(message).await.unwrap();
                assert_eq!(answer.into_inner().revoked_count, 1);
            }
            _ => {
                let mut command = cluster.operator(&["account", "disable", &self.username]);
                let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
                assert!(output.status.success(), "{output:?}");
            }
        }
    }
}

/// Calls until the token is refused, and then several times more. Returns the time from the acknowledgement to the
/// first refusal.
async fn refused(replica: Arc<Replica>, token: String, acknowledged: Instant, patience: Duration) -> Duration {
    let channel = replica.channel();
    let mut first = None;
    let mut after = 0;
    while after < 5 {
        match (me(&channel, &token).await, first) {
            (Ok(_), None) => assert!(acknowledged.elapsed() < patience, "replica {} still believes it", replica.index),
            (Ok(_), Some(_)) => panic!("replica {} had refused it, and accepts it again", replica.index),
            (Err(refused), _) => {
                assert!(refused.is_dead(), "{refused:?}");
                first.get_or_insert(acknowledged.elapsed());
                after += 1;
            }
        }
        sleep(PAUSE).await;
    }
    first.unwrap_or_default()
}
