//! A rolling restart: the replicas are replaced one after the other at 70 % of their capacity. Clients try once more on
//! another replica when one is UNAVAILABLE. No call may fail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tonic::Code;
use tonic::transport::Channel;

use crate::calls::{Refused, login, logout, me, register};
use crate::facts::Facts;
use crate::replica::{Cluster, REPLICAS};
use crate::runs::{Times, either, millis, random};

const CLIENTS: usize = 24;

/// The number of concurrent calls while the capacity is measured.
const WORKERS: usize = 32;

/// The load as a share of the capacity.
const SHARE: f64 = 0.7;

/// A client with a connection to every replica and a preferred replica.
struct Client {
    channels: [Channel; REPLICAS],
    preferred: usize,
}

/// A call with the token or the name for it.
enum Call {
    Me(Arc<str>),
    Login(String),
    Logout(Arc<str>),
    Register(String),
}

/// The results of the calls.
#[derive(Default)]
struct Seen {
    calls: Mutex<BTreeMap<&'static str, u64>>,
    took: Mutex<Times>,
    /// The number of second attempts, by the answer to the first one.
    retries: Mutex<BTreeMap<String, u64>>,
    failures: Mutex<Vec<String>>,
    under_way: AtomicUsize,
}

struct Load {
    clients: Vec<Client>,
    facts: Facts,
}

pub async fn restarts(cluster: &Cluster) {
    let load = Arc::new(Load::new(cluster).await);
    // Opens the connections to the database before the measurement.
    load.capacity(Duration::from_secs(2)).await;
    let capacity = load.capacity(Duration::from_secs(either(4, 15))).await;
    let rate = SHARE * capacity;
    println!("   capacity {capacity:.0} calls/s (90 Me, 4 Login, 4 Logout, 2 Register of 100); load {rate:.0} calls/s");

    let (seen, done) = (Arc::<Seen>::default(), Arc::new(AtomicBool::new(false)));
    let paced = tokio::spawn(pace(Arc::clone(&load), rate, Arc::clone(&seen), Arc::clone(&done)));
    let (mut ended, mut started) = (Times::default(), Times::default());
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..either(1, 5) {
        for replica in cluster.replicas() {
            let begun = Instant::now();
            replica.stop().await;
            ended.push(begun.elapsed());
            let begun = Instant::now();
            replica.start().await;
            replica.until_ready().await;
            started.push(begun.elapsed());
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    done.store(true, Ordering::Relaxed);
    paced.await.unwrap();

    println!("   SIGTERM to the end: {ended}");
    println!("   start to ready: {started}");
    let took = seen.took.lock().unwrap();
    println!("   {:?}; each, from when it was due: {took}", seen.calls.lock().unwrap());
    for (answer, times) in seen.retries.lock().unwrap().iter() {
        println!("   tried once more: {times} times, after {answer}");
    }
    let failures = seen.failures.lock().unwrap();
    println!("   failed: {}", failures.len());
    assert!(failures.is_empty(), "{:#?}", &failures[..failures.len().min(10)]);
}

impl Load {
    async fn new(cluster: &Cluster) -> Self {
        let mut clients = Vec::new();
        for at in 0..CLIENTS {
            let channels = cluster.replicas().map(|replica| replica.endpoint().connect_lazy());
            clients.push(Client { channels, preferred: at % REPLICAS });
        }
        let facts = Facts::default();
        for client in &clients {
            let name = facts.new_name("roll");
            let token = register(&client.channels[client.preferred], &name).await.unwrap();
            facts.registered(name, token);
        }
        Self { clients, facts }
    }

    /// The calls a second of workers that make one call after the other.
    async fn capacity(self: &Arc<Self>, time: Duration) -> f64 {
        let (seen, begun) = (Arc::<Seen>::default(), Instant::now());
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            let (load, seen) = (Arc::clone(self), Arc::clone(&seen));
            workers.spawn(async move {
                while begun.elapsed() < time {
                    load.call(Instant::now(), &seen).await;
                }
            });
        }
        workers.join_all().await;
        assert!(seen.failures.lock().unwrap().is_empty(), "{:#?}", seen.failures.lock().unwrap());
        seen.took.lock().unwrap().len() as f64 / begun.elapsed().as_secs_f64()
    }

    /// The next call of a client.
    fn wish(&self) -> Option<Call> {
        Some(match random(100) {
            0..90 => Call::Me(self.facts.live()?),
            90..94 => Call::Login(self.facts.account()?),
            94..98 => Call::Logout(self.facts.take_live()?),
            _ => Call::Register(self.facts.new_name("roll")),
        })
    }

    /// One call, with a second attempt on another replica if the first one is UNAVAILABLE.
    async fn call(&self, due: Instant, seen: &Seen) {
        let Some(call) = self.wish() else { return };
        let Client { channels, preferred } = &self.clients[random(CLIENTS)];
        let mut answer = call.attempt(&self.facts, channels, *preferred).await;
        if let Err(refused) = &answer
            && (refused.code == Code::Unavailable || refused.unsent)
        {
            *seen.retries.lock().unwrap().entry(refused.message.clone()).or_default() += 1;
            answer = call.attempt(&self.facts, channels, (preferred + 1) % REPLICAS).await;
        }
        if let Err(refused) = answer {
            seen.failures.lock().unwrap().push(format!("{} by {preferred}: {refused:?}", call.name()));
        }
        *seen.calls.lock().unwrap().entry(call.name()).or_default() += 1;
        seen.took.lock().unwrap().push(due.elapsed());
    }
}

impl Call {
    fn name(&self) -> &'static str {
        match self {
            Self::Me(_) => "Me",
            Self::Login(_) => "Login",
            Self::Logout(_) => "Logout",
            Self::Register(_) => "Register",
        }
    }

    async fn attempt(&self, facts: &Facts, channels: &[Channel; REPLICAS], replica: usize) -> Result<(), Refused> {
        let channel = &channels[replica];
        match self {
            Self::Me(token) => me(channel, token).await.map(drop)?,
            Self::Login(name) => facts.signed_in(login(channel, name).await?),
            Self::Logout(token) => {
                logout(channel, token).await?;
                facts.ended(Arc::clone(token), replica);
            }
            Self::Register(name) => facts.registered(name.clone(), register(channel, name).await?),
        }
        Ok(())
    }
}

/// Begins `rate` calls a second, however long they take, until `done` is set. Waits for the last one.
async fn pace(load: Arc<Load>, rate: f64, seen: Arc<Seen>, done: Arc<AtomicBool>) {
    let (begun, mut calls, mut number) = (Instant::now(), JoinSet::new(), 0_u32);
    let mut tick = interval(Duration::from_millis(2));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while !done.load(Ordering::Relaxed) {
        tick.tick().await;
        loop {
            let due = begun + Duration::from_secs_f64(f64::from(number) / rate);
            if due > Instant::now() {
                break;
            }
            number += 1;
            let (load, seen) = (Arc::clone(&load), Arc::clone(&seen));
            calls.spawn(async move {
                let under_way = seen.under_way.fetch_add(1, Ordering::Relaxed);
                assert!(under_way < 2_000, "the load is more than the cluster can do");
                load.call(due, &seen).await;
                seen.under_way.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while let Some(ended) = calls.try_join_next() {
            ended.unwrap();
        }
    }
    calls.join_all().await;
    let took = begun.elapsed();
    println!("   {number} calls in {:.1} s, a new one every {}", took.as_secs_f64(), millis(took / number));
}
