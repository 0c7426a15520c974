//! The password lane: hashes run on threads of their own, each with memory of its own, behind a bounded queue. A hash
//! costs thousands of times what a token check costs, so the two share neither a thread pool nor a queue, and the hash
//! gives way where both want a core. A queue without a bound would be a promise that nobody keeps: who cannot be served in
//! time is told so at once, and when to come back.
//!
//! `mod` is what callers see; `lane` the threads and their rules, `queue` (of `ring`s) whose turn it is, `memory` what they hash in,
//! `digest` the hashes themselves, `kernel` what makes ours, `machine` what there is of threads and memory, `cost` the
//! parameters that may be set, `stats` what is counted.

pub mod cost;
mod digest;
pub mod kernel;
mod lane;
pub mod machine;
mod memory;
mod queue;
mod ring;
mod stats;
#[cfg(test)]
mod tests;

use std::future::pending;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use argon2::Params;
use argon2_kernel::{Kernel, OUTPUT_BYTES};

use crate::domain::{Password, PasswordHash};
use lane::{Gate, Lane};
use memory::Memory;

pub use lane::Permit;
pub use stats::{Dropped, Histogram, LaneStats, Refusal};

/// In bytes, as RFC 9106 section 4 has it.
const SALT_BYTES: usize = 16;

/// Hashes and verifies passwords. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PasswordHasher {
    lane: Arc<Lane>,
    kernel: Kernel,
    params: Params,
    /// What an unknown account is verified against, so that strangers cost the same work.
    dummy: PasswordHash,
}

/// For whom a password is hashed, and until when anybody waits for it.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Where the request came from: clients take turns, whoever sends how many. `None` is a client, too.
    pub client: Option<IpAddr>,
    /// When to give up waiting for a thread.
    pub deadline: Instant,
}

/// What verifying found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The password is the account's.
    pub matches: bool,
    /// The stored hash was made with weaker parameters than today's.
    pub outdated: bool,
}

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The queue is full, or would not come to it before the deadline.
    #[error("too many passwords are waiting to be hashed")]
    Overloaded,
    /// When its turn came, its sender had no guess left.
    #[error("its sender has no guess left")]
    Spent {
        /// When there will be one.
        retry_after: Duration,
    },
    /// The deadline passed before a thread was free.
    #[error("no thread was free in time")]
    Late,
    /// The machine cannot give the memory, or a defect.
    #[error("hashing failed: {0}")]
    Kernel(#[from] argon2_kernel::Error),
    /// A defect.
    #[error("hashing failed: {0}")]
    Failed(&'static str),
}

impl PasswordHasher {
    /// Starts `threads` threads that hash with `params`, by `kernel`; at most `queue` passwords wait for them.
    pub fn start(params: Params, kernel: Kernel, threads: usize, queue: usize) -> Result<Self, HashError> {
        let salt = random_salt()?;
        let mut output = [0; OUTPUT_BYTES];
        getrandom::fill(&mut output).map_err(|_| HashError::Failed("the system gives no random bytes"))?;
        // No password hashes to random bytes, so no password matches.
        let dummy = PasswordHash::new(&params, &salt, &output).ok_or(HashError::Failed("unusable parameters"))?;
        let lane = Lane::start(threads.max(1), queue, params.block_count())
            .map_err(|_| HashError::Failed("the system gives no thread"))?;
        Ok(Self { lane: Arc::new(lane), kernel, params, dummy })
    }

    /// Refuses who would be refused by [`Self::verify`] now. Asked before anything else is done for them.
    pub fn require_room(&self, turn: &Turn) -> Result<(), HashError> {
        self.lane.require_room(turn)
    }

    /// Hashes a password that is to be stored.
    pub async fn hash(&self, password: &Password, turn: Turn) -> Result<PasswordHash, HashError> {
        self.hash_with(password, turn, || {}).await
    }

    /// As [`Self::hash`]; `begins` is called when the hash begins, and dropped if it never does.
    pub async fn hash_with(
        &self,
        password: &Password,
        turn: Turn,
        begins: impl FnOnce() + Send + 'static,
    ) -> Result<PasswordHash, HashError> {
        let salt = random_salt()?;
        let (password, params, kernel) = (password.clone(), self.params.clone(), self.kernel);
        let hash = move |memory: &mut Memory| {
            begins();
            digest::argon2id(&password, &salt, &params, kernel, memory)
        };
        let output = self.lane.run(turn, pending(), hash).await?;
        PasswordHash::new(&self.params, &salt, &output).ok_or(HashError::Failed("unusable parameters"))
    }

    /// Verifies a password. With no hash to compare, because there is no such account, the same work is done and
    /// nothing matches.
    pub async fn verify(
        &self,
        password: &Password,
        hash: Option<&PasswordHash>,
        turn: Turn,
    ) -> Result<Verdict, HashError> {
        self.verify_past(None, password, hash, turn, pending()).await.map(|(verdict, _)| verdict)
    }

    /// As [`Self::verify`], for whoever must learn how a hash that has begun ends: when `gone` is over, the turn is given up,
    /// unless the hash has begun.
    ///
    /// `may_begin` is asked when the turn has come. What it gives is held until the hash has ended and the [`Permit`] is
    /// dropped; with `None` the password waits until that happens to another, while others are hashed; with an error it is
    /// not hashed at all, and may be sent again after that time.
    pub async fn verify_if<T: Send + 'static>(
        &self,
        may_begin: impl Fn() -> Result<Option<T>, Duration> + Send + 'static,
        password: &Password,
        hash: Option<&PasswordHash>,
        turn: Turn,
        gone: impl Future<Output = ()>,
    ) -> Result<(Verdict, Permit), HashError> {
        let gate: Gate = Box::new(move || may_begin().map(|held| held.map(|held| Box::new(held) as _)));
        self.verify_past(Some(gate), password, hash, turn, gone).await
    }

    async fn verify_past(
        &self,
        gate: Option<Gate>,
        password: &Password,
        hash: Option<&PasswordHash>,
        turn: Turn,
        gone: impl Future<Output = ()>,
    ) -> Result<(Verdict, Permit), HashError> {
        let hash = hash.unwrap_or(&self.dummy);
        let (password, stored, kernel) = (password.clone(), hash.clone(), self.kernel);
        let compute = move |memory: &mut Memory| digest::compute(&stored, &password, kernel, memory);
        let (output, permit) = self.lane.run_past(gate, turn, gone, compute).await?;
        let matches = constant_time_eq(&output, hash.output());
        Ok((Verdict { matches, outdated: hash.is_weaker_than(&self.params) }, permit))
    }

    /// What new passwords are hashed with: no kernel but the portable one has more than one lane.
    pub fn kernel(&self) -> Kernel {
        argon2_kernel::Params::try_from(&self.params).map_or(Kernel::PORTABLE, |_| self.kernel)
    }

    /// How many hashes have begun since the start. Tests count them to prove that strangers cost the same.
    pub fn runs(&self) -> u64 {
        self.stats().wait.count()
    }

    /// How the lane is doing now.
    pub fn stats(&self) -> LaneStats {
        self.lane.stats()
    }
}

fn random_salt() -> Result<[u8; SALT_BYTES], HashError> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|_| HashError::Failed("the system gives no random bytes"))?;
    Ok(salt)
}

fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    left.ct_eq(right).into()
}
