//! One replica loses the database and the others do not: how soon it reports that, how long it still accepts tokens,
//! and that it recovers by itself with the revocations that it missed. In real time, with the default staleness bound.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use countersign::pb::health::HealthCheckRequest;
use countersign::pb::health::health_check_response::ServingStatus;
use countersign::pb::health::health_client::HealthClient;
use tokio::time::sleep;
use tonic::Code;

use crate::calls::{login, logout, me, register};
use crate::replica::{Cluster, REPLICAS, Replica, user};
use crate::runs::{either, millis, random};

/// The default of `REVOCATION_STALENESS`.
const STALENESS: Duration = Duration::from_secs(5);

/// The time that a busy machine may add to each promised time.
const SLACK: Duration = Duration::from_secs(1);

/// The least number of sessions that end meanwhile.
const LEAST_ENDED: usize = 6;

/// What the other replicas did while one was cut off.
#[derive(Default)]
struct Others {
    done: AtomicBool,
    calls: Mutex<u64>,
    /// Tokens of sessions that ended while the replica was cut off.
    ended: Mutex<Vec<String>>,
}

pub async fn rounds(cluster: &Cluster) {
    for round in 0..either(1, 3) {
        let [cut, one, two] = {
            let mut replicas = cluster.replicas();
            replicas.rotate_left((round + 2) % REPLICAS);
            replicas
        };
        let name = format!("cut {round}");
        let kept = register(&cut.channel(), &name).await.unwrap();
        let mut victims = Vec::new();
        for _ in 0..either(16, 64) {
            victims.push(login(&cut.channel(), &name).await.unwrap());
        }
        let others = Arc::new(Others::default());
        let serving = tokio::spawn(go_on(Arc::clone(&others), [one, two], name, victims));

        cluster.database.cut_off(&user(cut.index)).await;
        let begun = Instant::now();
        let (away, refusing) = tokio::join!(until_not_serving(&cut, begun), until_refusing(&cut, &kept, begun));
        println!(
            "   cut off to NOT_SERVING on gRPC and /readyz {}, to refusing tokens {}",
            millis(away),
            millis(refusing)
        );
        assert!(away < Duration::from_secs(3) + SLACK, "\"within three seconds\"");
        assert!(refusing < STALENESS + SLACK);
        // The cut-off replica learns of later revocations only after its return.
        sleep(Duration::from_secs(1)).await;
        while others.ended.lock().unwrap().len() < LEAST_ENDED {
            assert!(begun.elapsed() < Duration::from_secs(60), "too few sessions end on the others");
            sleep(Duration::from_millis(50)).await;
        }
        others.done.store(true, Ordering::Relaxed);
        serving.await.unwrap();

        cluster.database.let_in(&user(cut.index)).await;
        comes_back(&cut, &kept, &others).await;
    }
}

/// Works with the two other replicas, which must be unaffected, until `done` is set.
async fn go_on(others: Arc<Others>, replicas: [Arc<Replica>; 2], name: String, mut victims: Vec<String>) {
    let mut token = login(&replicas[0].channel(), &name).await.unwrap();
    while !others.done.load(Ordering::Relaxed) {
        let channel = replicas[random(2)].channel();
        token = me(&channel, &token).await.expect("Me on a replica that was not cut off");
        assert!(!token.is_empty());
        if let Some(victim) = victims.pop() {
            logout(&channel, &victim).await.expect("Logout on a replica that was not cut off");
            others.ended.lock().unwrap().push(victim);
        }
        login(&channel, &name).await.expect("Login on a replica that was not cut off");
        *others.calls.lock().unwrap() += 3;
        sleep(Duration::from_millis(either(200, 50))).await;
    }
}

/// Whether the health of the server, the health of its service, and `/readyz` all agree with `is_serving`.
async fn all_say(replica: &Replica, is_serving: bool) -> bool {
    let mut serving = vec![replica.is_ready().await];
    for service in ["", "countersign.v1.AuthService"] {
        let check = HealthCheckRequest { service: service.to_owned() };
        let answer = HealthClient::new(replica.channel()).check(check).await.unwrap();
        serving.push(answer.into_inner().status == i32::from(ServingStatus::Serving as u8));
    }
    serving.iter().all(|said| *said == is_serving)
}

async fn until_not_serving(cut: &Replica, begun: Instant) -> Duration {
    while !all_say(cut, false).await {
        assert!(begun.elapsed() < STALENESS, "it still says that it serves");
        sleep(Duration::from_millis(5)).await;
    }
    begun.elapsed()
}

/// Waits until the replica refuses a good token because it cannot check it. Before that, it may answer that its
/// database is unavailable, but it must not call the good token invalid.
async fn until_refusing(cut: &Replica, kept: &str, begun: Instant) -> Duration {
    loop {
        if let Err(refused) = me(&cut.channel(), kept).await {
            assert_eq!((refused.code, &*refused.reason), (Code::Unavailable, "UNAVAILABLE"), "{refused:?}");
            if refused.message.contains("cannot be checked") {
                assert!(!refused.token, "a token that cannot be judged is not slid");
                return begun.elapsed();
            }
        }
        assert!(begun.elapsed() < STALENESS + SLACK, "it still believes tokens");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn comes_back(cut: &Replica, kept: &str, others: &Others) {
    let begun = Instant::now();
    let ended = others.ended.lock().unwrap().clone();
    // Called all the time, because the replica must know all revocations at its first good answer.
    let (first_good, until_good) = (AtomicBool::new(false), async {
        loop {
            match me(&cut.channel(), kept).await {
                Ok(_) => return begun.elapsed(),
                Err(refused) => assert_eq!(refused.code, Code::Unavailable, "a client would lose it: {refused:?}"),
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "it does not come back");
            sleep(Duration::from_millis(2)).await;
        }
    });
    let dead = async {
        let mut at = 0;
        while !first_good.load(Ordering::Relaxed) {
            let refused = me(&cut.channel(), &ended[at % ended.len()]).await.expect_err("it was ended long ago");
            assert!(refused.is_dead() || refused.is_away(), "{refused:?}");
            at += 1;
            sleep(Duration::from_millis(2)).await;
        }
    };
    let good = async {
        let took = until_good.await;
        for token in &ended {
            let refused = me(&cut.channel(), token).await.expect_err("it served before it had caught up");
            assert!(refused.is_dead(), "{refused:?}");
        }
        first_good.store(true, Ordering::Relaxed);
        took
    };
    let (good, ()) = tokio::join!(good, dead);
    while !all_say(cut, true).await {
        assert!(begun.elapsed() < Duration::from_secs(10), "it does not say that it serves");
        sleep(Duration::from_millis(5)).await;
    }
    let serving = begun.elapsed();
    let calls = *others.calls.lock().unwrap();
    println!(
        "   let in to the first good answer {}, to SERVING {}; {} sessions had ended elsewhere, all refused from then on",
        millis(good),
        millis(serving),
        ended.len()
    );
    println!("   meanwhile, on the others: {calls} calls, all well");
}
