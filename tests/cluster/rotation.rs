//! The signing key is replaced every second, through one replica after the other and by the command line, at once and
//! not an hour later. Clients take the fresh token of each answer to the next replica, and another service verifies it
//! with the public keys alone. No call may fail, no token may be refused, and no call is made a second time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use countersign::pb::RotateSigningKeysRequest;
use countersign::pb::admin_service_client::AdminServiceClient;
use countersign_guard::clock::SystemClock;
use countersign_guard::revocations::Revocations;
use countersign_guard::token::{Secret, TokenError, Verifier};
use countersign_guard::watch::Watcher;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{interval, sleep};
use tonic::transport::Channel;

use crate::calls::{Refused, login, me, register, rest, with_token};
use crate::replica::{Cluster, REPLICAS, Replica};
use crate::runs::{Times, either, random};
use crate::support::clock::ahead;
use crate::support::{binary, token};

const CLIENTS: usize = 12;

/// The pause of a client between two calls.
const PAUSE: Duration = Duration::from_millis(20);

/// The time between two rotations.
const PERIOD: Duration = Duration::from_secs(1);

const ISSUER: &str = "https://auth.example.com";
const CREDENTIAL: &str = "the credential of a service that watches and verifies";
const MASTER: &str = "a master secret of the tests, and of nothing else\n";

/// What the clients and the other service have met.
#[derive(Default)]
struct Seen {
    done: AtomicBool,
    calls: Mutex<BTreeMap<&'static str, u64>>,
    took: Mutex<Times>,
    failures: Mutex<Vec<String>>,
    /// Tokens that were refused as invalid.
    refused: AtomicUsize,
    /// Tokens that the other service could not judge yet.
    unknown: AtomicUsize,
}

pub async fn every_second(cluster: &Cluster) {
    cluster.stop().await;
    let master = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(master.path(), MASTER).unwrap();
    for replica in cluster.replicas() {
        replica.set(&[
            ("TOKEN_ALGORITHM", "ES256".to_owned()),
            ("ISSUER", ISSUER.to_owned()),
            ("MASTER_SECRET_FILE", master.path().display().to_string()),
            ("WATCH_CREDENTIALS", CREDENTIAL.to_owned()),
        ]);
    }
    cluster.start().await;
    for replica in cluster.replicas() {
        replica.until_ready().await;
    }
    let admin = administrator(cluster).await;
    let (verifier, watching) = service(cluster).await;
    let seen = Arc::<Seen>::default();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let name = format!("rotated {number}");
        let token = register(&cluster.any().channel(), &name).await.unwrap();
        clients.spawn(client(cluster.replicas(), name, token, verifier.clone(), Arc::clone(&seen)));
    }

    let time = Duration::from_secs(either(20, 600));
    let (mut second, mut rotations, begun) = (interval(PERIOD), 0, Instant::now());
    let (mut took, mut admin) = (Times::default(), admin);
    while begun.elapsed() < time {
        second.tick().await;
        let begun = Instant::now();
        // One of four by the command line, the others through each replica in turn.
        match rotations % (REPLICAS + 1) {
            REPLICAS => by_command(cluster).await,
            index => admin = by_replica(&cluster.replicas()[index], &admin).await,
        }
        took.push(begun.elapsed());
        rotations += 1;
    }
    seen.done.store(true, Ordering::Relaxed);
    let kids = clients.join_all().await;
    watching.abort();
    report(&seen, rotations, &took, &kids);
    // In the short form the machine may be busy.
    let expected = time.as_secs() as usize * either(5, 9) / 10;
    assert!(rotations >= expected, "{rotations} rotations in {time:?}");
    assert!(kids.iter().all(|kids| kids * 2 > rotations), "the clients have met {kids:?} keys");
}

fn report(seen: &Seen, rotations: usize, took: &Times, kids: &[usize]) {
    let (failures, refused) = (seen.failures.lock().unwrap(), seen.refused.load(Ordering::Relaxed));
    println!("   {rotations} rotations, each: {took}; the clients have met {:?} keys and more", kids.iter().min());
    let times = seen.took.lock().unwrap();
    println!("   {:?} on {REPLICAS} replicas, each: {times}", seen.calls.lock().unwrap());
    println!("   another service could not judge yet: {}", seen.unknown.load(Ordering::Relaxed));
    println!("   failed calls: {}; tokens refused: {refused}", failures.len());
    assert!(failures.is_empty(), "{:#?}", &failures[..failures.len().min(10)]);
    assert_eq!(refused, 0);
}

/// Makes a platform administrator, and returns a token of it.
async fn administrator(cluster: &Cluster) -> String {
    let token = register(&cluster.any().channel(), "rotator").await.unwrap();
    let granted = binary::run(&mut cluster.operator(&["account", "platform-admin", "grant", "rotator"]), "");
    assert!(granted.status.success(), "{granted:?}");
    token
}

/// A service that has no secret: it verifies with the keys of one replica, and watches another.
async fn service(cluster: &Cluster) -> (Verifier, JoinHandle<std::convert::Infallible>) {
    let [keys, watched, _] = cluster.replicas();
    let verifier = Verifier::from_jwks(&format!("http://{}/.well-known/jwks.json", keys.address()), ISSUER).unwrap();
    let set = Arc::new(Revocations::fed(Arc::new(SystemClock), Duration::from_secs(5)));
    let (credential, endpoint) = (Secret::parse(CREDENTIAL.to_owned()).unwrap(), watched.endpoint());
    let watcher = Watcher::new(move || endpoint.connect_lazy(), &credential, Arc::clone(&set)).unwrap();
    let watching = tokio::spawn(watcher.with_verifier(verifier.clone()).follow());
    let begun = Instant::now();
    while set.is_stale() {
        assert!(begun.elapsed() < Duration::from_secs(10), "the service has not caught up");
        sleep(Duration::from_millis(10)).await;
    }
    (verifier, watching)
}

/// Rotates through a replica, and returns the fresh token of the administrator.
async fn by_replica(replica: &Replica, admin: &str) -> String {
    let request = with_token(RotateSigningKeysRequest { immediately: true }, admin);
    let rotated = AdminServiceClient::new(replica.channel()).rotate_signing_keys(request).await;
    let rotated = rotated.unwrap_or_else(|status| panic!("replica {}: {status:?}", replica.index));
    assert!(rotated.get_ref().sign_time.is_none(), "it signs already");
    rotated.metadata().get("token").expect("a fresh token").to_str().unwrap().to_owned()
}

async fn by_command(cluster: &Cluster) {
    let mut command = cluster.operator(&["keys", "rotate", "--now"]);
    let rotated = tokio::task::spawn_blocking(move || binary::run(&mut command, "")).await.unwrap();
    assert!(rotated.status.success(), "{rotated:?}");
}

/// Goes from replica to replica with the token that the last one gave, and returns how many keys it has met.
async fn client(
    replicas: [Arc<Replica>; REPLICAS],
    name: String,
    mut latest: String,
    verifier: Verifier,
    seen: Arc<Seen>,
) -> usize {
    let channels = replicas.each_ref().map(|replica| replica.endpoint().connect_lazy());
    let (mut round, mut kids) = (random(REPLICAS), Vec::new());
    while !seen.done.load(Ordering::Relaxed) {
        round += 1;
        let (at, begun) = (round % REPLICAS, Instant::now());
        let (kind, answer) = next_call(round, &channels[at], &replicas[at], &name, &latest).await;
        seen.count(kind, begun);
        match answer {
            Ok(fresh) => latest = fresh,
            Err(refused) => seen.failed(format!("{kind} on {at}: {refused:?}"), &refused),
        }
        // The service has the clock of this process, by which a token of a replica that is ahead is from the future.
        if ahead() == 0 {
            seen.verify(&verifier, &latest);
        }
        kids.push(token::header(&latest)["kid"].as_str().unwrap().to_owned());
        kids.dedup();
        sleep(PAUSE).await;
    }
    kids.len()
}

/// Of fifty calls, five are by REST over a connection of their own, and one is a sign-in.
async fn next_call(
    round: usize,
    channel: &Channel,
    replica: &Replica,
    name: &str,
    latest: &str,
) -> (&'static str, Result<String, Refused>) {
    match round % 50 {
        0 => ("Login", login(channel, name).await),
        11 | 21 | 31 | 41 | 49 => ("GET /api/auth/me", rest::me(replica.address(), latest).await),
        _ => ("Me", me(channel, latest).await),
    }
}

impl Seen {
    fn count(&self, kind: &'static str, begun: Instant) {
        *self.calls.lock().unwrap().entry(kind).or_default() += 1;
        self.took.lock().unwrap().push(begun.elapsed());
    }

    fn failed(&self, what: String, refused: &Refused) {
        self.failures.lock().unwrap().push(what);
        if refused.is_dead() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn verify(&self, verifier: &Verifier, token: &str) {
        match verifier.verify(token) {
            Ok(_) => {}
            Err(TokenError::UnknownKey) => drop(self.unknown.fetch_add(1, Ordering::Relaxed)),
            Err(error) => {
                self.failures.lock().unwrap().push(format!("the other service: {error}"));
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
