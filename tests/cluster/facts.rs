//! The acknowledged facts: accounts, live sessions, and ended sessions with the replica and the time. Every answer is
//! checked against them. A call without an answer establishes no fact, and is forgotten.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::runs::random;

/// The facts, shared by all clones.
#[derive(Clone, Default)]
pub struct Facts(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    accounts: Vec<String>,
    /// The live tokens. Each further reference to a token is a call in progress with it.
    live: Vec<Arc<str>>,
    dead: Vec<Dead>,
    names: usize,
}

/// A session whose end was acknowledged.
#[derive(Clone)]
pub struct Dead {
    pub token: Arc<str>,
    /// The replica that acknowledged it.
    pub by: usize,
    /// The time of the acknowledgement.
    pub at: Instant,
}

impl Facts {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap()
    }

    /// A name that is not in use.
    pub fn new_name(&self, prefix: &str) -> String {
        let mut known = self.known();
        known.names += 1;
        format!("{prefix} {}", known.names)
    }

    pub fn registered(&self, name: String, token: String) {
        let mut known = self.known();
        known.accounts.push(name);
        known.live.push(token.into());
    }

    pub fn signed_in(&self, token: String) {
        self.known().live.push(token.into());
    }

    pub fn ended(&self, token: Arc<str>, by: usize) {
        self.known().dead.push(Dead { token, by, at: Instant::now() });
    }

    /// An account that can sign in.
    pub fn account(&self) -> Option<String> {
        some(&self.known().accounts)
    }

    /// A token that must be accepted while this reference is held.
    pub fn live(&self) -> Option<Arc<str>> {
        some(&self.known().live)
    }

    /// A live token without calls in progress, to be ended. It is no longer a fact.
    pub fn take_live(&self) -> Option<Arc<str>> {
        let mut known = self.known();
        let idle = known.live.iter().position(|token| Arc::strong_count(token) == 1)?;
        Some(known.live.swap_remove(idle))
    }

    /// A token that must be refused, more often one of the latest.
    pub fn dead(&self) -> Option<Dead> {
        let known = self.known();
        let from = if random(2) == 0 { 0 } else { known.dead.len().saturating_sub(10) };
        some(&known.dead[from..])
    }

    /// The accounts and the ended sessions, from these positions on.
    pub fn since(&self, (accounts, dead): (usize, usize)) -> (Vec<String>, Vec<Dead>) {
        let known = self.known();
        (known.accounts[accounts..].to_vec(), known.dead[dead..].to_vec())
    }

    /// The number of accounts, and of ended sessions.
    pub fn count(&self) -> (usize, usize) {
        let known = self.known();
        (known.accounts.len(), known.dead.len())
    }

    pub fn all_live(&self) -> Vec<Arc<str>> {
        self.known().live.clone()
    }
}

fn some<T: Clone>(of: &[T]) -> Option<T> {
    if of.is_empty() { None } else { Some(of[random(of.len())].clone()) }
}
