//! What has been acknowledged: accounts, sessions that live, sessions that ended, by whom and when. Whatever a call
//! says is held against it. What was neither acknowledged nor refused (an answer that never came) is no fact, and is
//! forgotten.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::runs::random;

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Facts(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    accounts: Vec<String>,
    /// One more reference to a token is a call that is under way with it.
    live: Vec<Arc<str>>,
    dead: Vec<Dead>,
    names: usize,
}

/// A session whose end was acknowledged.
#[derive(Clone)]
pub struct Dead {
    pub token: Arc<str>,
    /// Which replica acknowledged it, …
    pub by: usize,
    /// … and when that was heard.
    pub at: Instant,
}

impl Facts {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap()
    }

    /// A name that nobody has.
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

    /// A token that must be accepted for as long as it is held.
    pub fn live(&self) -> Option<Arc<str>> {
        some(&self.known().live)
    }

    /// A live token that no call is under way with, to be ended. It is no fact any more.
    pub fn take_live(&self) -> Option<Arc<str>> {
        let mut known = self.known();
        let idle = known.live.iter().position(|token| Arc::strong_count(token) == 1)?;
        Some(known.live.swap_remove(idle))
    }

    /// A token that must be refused; the latest ones more often.
    pub fn dead(&self) -> Option<Dead> {
        let known = self.known();
        let from = if random(2) == 0 { 0 } else { known.dead.len().saturating_sub(10) };
        some(&known.dead[from..])
    }

    /// Accounts and ended sessions, from the given ones on.
    pub fn since(&self, (accounts, dead): (usize, usize)) -> (Vec<String>, Vec<Dead>) {
        let known = self.known();
        (known.accounts[accounts..].to_vec(), known.dead[dead..].to_vec())
    }

    /// How many accounts, and how many ended sessions.
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
