//! The load during the crashes: clients on every replica that register, sign in, call Me and log out, over gRPC and as
//! JSON, and one that uses dead tokens. Each answer is checked against the facts at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::calls::{Refused, login, logout, me, register, rest};
use crate::facts::Facts;
use crate::replica::{Cluster, Replica};
use crate::runs::{Times, random};

/// The default of `REVOCATION_STALENESS`.
pub const STALENESS: Duration = Duration::from_secs(5);

/// The kinds of client work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Register,
    Login,
    Me,
    Logout,
    /// Calls Me with a dead token.
    DeadMe,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Register, Self::Login, Self::Me, Self::Logout, Self::DeadMe];

    /// The pause between two calls of a client. All clients cause a dozen hashes a second, which two cores can do.
    fn pause(self) -> Duration {
        Duration::from_millis(match self {
            Self::Register | Self::Login => 500,
            Self::Logout => 150,
            Self::Me | Self::DeadMe => 20,
        })
    }
}

pub struct Load {
    pub facts: Facts,
    seen: Arc<Seen>,
    clients: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct Seen {
    stopping: AtomicBool,
    /// The number of expected answers, and of UNAVAILABLE.
    counts: Mutex<BTreeMap<Kind, (u64, u64)>>,
    late: Mutex<Times>,
}

impl Load {
    pub fn start(cluster: &Cluster) -> Self {
        let (facts, seen, mut clients) = (Facts::default(), Arc::<Seen>::default(), JoinSet::new());
        for replica in cluster.replicas() {
            for kind in Kind::ALL {
                for _ in 0..if kind == Kind::Me { 3 } else { 1 } {
                    clients.spawn(client(kind, replica.clone(), facts.clone(), Arc::clone(&seen)));
                }
            }
        }
        Self { facts, seen, clients: Mutex::new(clients) }
    }

    /// Asserts for this time that nothing fails, as the database is there.
    pub async fn goes_well_for(&self, time: Duration) {
        let before = self.counts();
        sleep(time).await;
        let after = self.counts();
        assert!(after.0 > before.0 + 10, "nothing goes on");
        assert_eq!(after.1, before.1, "a call failed while the database was there");
    }

    pub async fn stop(&self) {
        self.seen.stopping.store(true, Ordering::Relaxed);
        let clients = std::mem::take(&mut *self.clients.lock().unwrap());
        clients.join_all().await;
    }

    pub fn count(&self, kind: Kind) -> (u64, u64) {
        self.seen.counts.lock().unwrap().get(&kind).copied().unwrap_or_default()
    }

    pub fn counts(&self) -> (u64, u64) {
        let all = Kind::ALL.map(|kind| self.count(kind));
        (all.iter().map(|(ok, _)| ok).sum(), all.iter().map(|(_, away)| away).sum())
    }

    /// The delays at which another replica still accepted a token of an ended session, counted from the
    /// acknowledgement.
    pub fn late(&self) -> Times {
        self.seen.late.lock().unwrap().clone()
    }

    /// Asserts, with the database back, everything that was acknowledged since `checked`: new accounts sign in, and all
    /// replicas refuse ended sessions and accept live ones.
    pub async fn holds(&self, cluster: &Cluster, checked: (usize, usize)) -> (usize, usize) {
        // A panic of a client stays hidden until its task is joined.
        while let Some(ended) = self.clients.lock().unwrap().try_join_next() {
            ended.unwrap();
        }
        let now = self.facts.count();
        let (accounts, dead) = self.facts.since(checked);
        for (at, name) in accounts.iter().enumerate() {
            let replica = &cluster.replicas()[at % 3];
            login(&replica.channel(), name).await.expect("an acknowledged registration");
        }
        for replica in cluster.replicas() {
            for dead in &dead {
                while let Ok(_believed) = me(&replica.channel(), &dead.token).await {
                    self.seen.believed(dead.at.elapsed(), dead.by == replica.index);
                }
            }
            for token in self.facts.all_live().iter().rev().take(20) {
                me(&replica.channel(), token).await.expect("a live token");
            }
        }
        now
    }
}

impl Seen {
    fn note(&self, kind: Kind, is_ok: bool) {
        let mut counts = self.counts.lock().unwrap();
        let (ok, away) = counts.entry(kind).or_default();
        *(if is_ok { ok } else { away }) += 1;
    }

    /// Records that a dead token was accepted this long after the acknowledgement.
    fn believed(&self, after: Duration, by_itself: bool) {
        assert!(!by_itself, "accepted {after:?} after it acknowledged the logout itself");
        assert!(after <= STALENESS, "accepted {after:?} after the logout was acknowledged elsewhere");
        self.late.lock().unwrap().push(after);
    }
}

async fn client(kind: Kind, replica: Arc<Replica>, facts: Facts, seen: Arc<Seen>) {
    while !seen.stopping.load(Ordering::Relaxed) {
        match step(kind, &replica, &facts, &seen).await {
            Ok(true) => seen.note(kind, true),
            Ok(false) => {}
            Err(refused) => {
                let index = replica.index;
                assert!(
                    refused.is_away(),
                    "{kind:?} on replica {index}: {refused:?}; its log ends\n{}",
                    replica.log_end()
                );
                seen.note(kind, false);
            }
        }
        sleep(kind.pause()).await;
    }
}

/// Makes one call. Returns whether there was a token or account for it.
async fn step(kind: Kind, replica: &Replica, facts: &Facts, seen: &Seen) -> Result<bool, Refused> {
    let (channel, address, by_grpc) = (replica.channel(), replica.address(), random(3) > 0);
    match kind {
        Kind::Register => {
            let name = facts.new_name("c");
            let token = if by_grpc { register(&channel, &name).await? } else { rest::register(address, &name).await? };
            facts.registered(name, token);
        }
        Kind::Login => {
            let Some(name) = facts.account() else { return Ok(false) };
            let token = if by_grpc { login(&channel, &name).await? } else { rest::login(address, &name).await? };
            facts.signed_in(token);
        }
        Kind::Me => {
            let Some(token) = facts.live() else { return Ok(false) };
            let fresh = if by_grpc { me(&channel, &token).await? } else { rest::me(address, &token).await? };
            assert!(!fresh.is_empty(), "a good answer without a fresh token");
        }
        Kind::Logout => {
            let Some(token) = facts.take_live() else { return Ok(false) };
            if by_grpc {
                logout(&channel, &token).await?
            } else {
                rest::logout(address, &token).await?
            }
            facts.ended(token, replica.index);
        }
        Kind::DeadMe => {
            let Some(dead) = facts.dead() else { return Ok(false) };
            let after = dead.at.elapsed();
            match me(&channel, &dead.token).await {
                Ok(_) => seen.believed(after, dead.by == replica.index),
                Err(refused) if refused.is_dead() => {}
                Err(refused) => return Err(refused),
            }
        }
    }
    Ok(true)
}
