//! The password lane: hashes run on threads of their own, each with memory of its own, behind a bounded queue. A hash
//! costs ten thousand times what a token check costs, so the two share neither a thread pool nor a queue; and a queue
//! without a bound would be a promise that nobody keeps.
//!
//! `mod` is what callers see, `lane` the threads and their queue.

mod lane;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, Version};

use crate::domain::{Password, PasswordHash};
use lane::{Job, Lane};

/// Salt and output, in bytes: the lengths of RFC 9106 section 4.
const SALT_BYTES: usize = 16;
const OUTPUT_BYTES: usize = 32;

/// Hashes and verifies passwords. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PasswordHasher {
    lane: Arc<Lane>,
    params: Params,
    /// What an unknown account is verified against, so that strangers cost the same work.
    dummy: PasswordHash,
    runs: Arc<AtomicU64>,
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
    /// The queue is full.
    #[error("too many passwords are waiting to be hashed")]
    Overloaded {
        /// By when the queue will have emptied, at today's pace.
        retry_after: Duration,
    },
    /// A defect, or a machine that cannot give the memory.
    #[error("hashing failed: {0}")]
    Failed(&'static str),
}

impl PasswordHasher {
    /// Starts `threads` threads that hash with `params`; at most `queue` passwords wait for them.
    pub fn start(params: Params, threads: usize, queue: usize) -> Result<Self, HashError> {
        let salt = random_salt()?;
        let mut output = [0; OUTPUT_BYTES];
        getrandom::fill(&mut output).map_err(|_| HashError::Failed("the system gives no random bytes"))?;
        // No password hashes to random bytes, so no password matches.
        let dummy = PasswordHash::new(&params, &salt, &output).ok_or(HashError::Failed("unusable parameters"))?;
        let lane = Lane::start(threads, queue).map_err(|_| HashError::Failed("the system gives no thread"))?;
        Ok(Self { lane: Arc::new(lane), params, dummy, runs: Arc::default() })
    }

    /// Hashes a password that is to be stored.
    pub async fn hash(&self, password: &Password) -> Result<PasswordHash, HashError> {
        let salt = random_salt()?;
        let output = self.run(password.clone(), self.params.clone(), salt.to_vec()).await?;
        PasswordHash::new(&self.params, &salt, &output).ok_or(HashError::Failed("unusable parameters"))
    }

    /// Verifies a password. With no hash to compare, because there is no such account, the same work is done and
    /// nothing matches.
    pub async fn verify(&self, password: &Password, hash: Option<&PasswordHash>) -> Result<Verdict, HashError> {
        let hash = hash.unwrap_or(&self.dummy);
        let output = self.run(password.clone(), hash.params().clone(), hash.salt().to_vec()).await?;
        let matches = constant_time_eq(&output, hash.output());
        Ok(Verdict { matches, outdated: hash.is_weaker_than(&self.params) })
    }

    /// How many hashes have begun since the start. Tests count them to prove that strangers cost the same.
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Waits for a place and a hash. Dropping the future gives the place up, unless the hash has begun.
    async fn run(&self, password: Password, params: Params, salt: Vec<u8>) -> Result<[u8; OUTPUT_BYTES], HashError> {
        let runs = Arc::clone(&self.runs);
        let (job, output) = Job::new(move |memory| {
            runs.fetch_add(1, Ordering::Relaxed);
            let mut output = [0; OUTPUT_BYTES];
            let blocks = memory.take(params.block_count());
            Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password_into_with_memory(password.as_bytes(), &salt, &mut output, blocks)
                .map(|()| output)
                .map_err(|_| HashError::Failed("argon2 refused its input"))
        });
        self.lane.admit(job)?;
        output.await.unwrap_or(Err(HashError::Failed("the hash panicked")))
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

#[cfg(test)]
mod tests {
    use argon2::Params;

    use super::PasswordHasher;
    use crate::domain::{Password, PasswordHash};

    fn cheap() -> Params {
        Params::new(64, 1, 1, None).unwrap()
    }

    fn password(text: &str) -> Password {
        Password::parse(text.to_owned(), 1).unwrap()
    }

    #[tokio::test]
    async fn a_hash_verifies_its_own_password_only_and_a_stranger_costs_the_same() {
        let hasher = PasswordHasher::start(cheap(), 1, 4).unwrap();
        let hash = hasher.hash(&password("s3cur3pass")).await.unwrap();
        assert!(hasher.verify(&password("s3cur3pass"), Some(&hash)).await.unwrap().matches);
        assert!(!hasher.verify(&password("S3cur3pass"), Some(&hash)).await.unwrap().matches);
        assert_eq!(hasher.runs(), 3);
        assert!(!hasher.verify(&password("s3cur3pass"), None).await.unwrap().matches);
        assert_eq!(hasher.runs(), 4);
    }

    #[tokio::test]
    async fn a_hash_made_by_another_implementation_verifies_and_is_outdated_when_weaker() {
        // `echo -n s3cur3pass | argon2 saltsaltsaltsalt -id -t 2 -k 256 -p 1 -l 32 -e`, with the C reference.
        let hash = PasswordHash::parse(REFERENCE).unwrap();
        for (params, outdated) in [(cheap(), false), (Params::default(), true)] {
            let hasher = PasswordHasher::start(params, 1, 4).unwrap();
            let verdict = hasher.verify(&password("s3cur3pass"), Some(&hash)).await.unwrap();
            assert_eq!((verdict.matches, verdict.outdated), (true, outdated));
        }
    }

    const REFERENCE: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$DypaBJkkdvsZ8JTUF9/H4tXaGPTclUAk9xuYCEmg9lQ";

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_says_when_to_come_back() {
        let hasher = PasswordHasher::start(Params::default(), 1, 1).unwrap();
        let secret = password("s3cur3pass");
        let attempts: Vec<_> = (0..8)
            .map(|_| {
                let (hasher, secret) = (hasher.clone(), secret.clone());
                tokio::spawn(async move { hasher.verify(&secret, None).await })
            })
            .collect();
        let mut refused = 0;
        for attempt in attempts {
            if let Err(super::HashError::Overloaded { retry_after }) = attempt.await.unwrap() {
                assert!(retry_after.as_secs() >= 1);
                refused += 1;
            }
        }
        assert!(refused >= 1, "one runs and one waits: {refused} of 8 were refused");
    }
}
