//! The password lane: hashes run on threads of their own, each with memory of its own, behind a bounded queue. A hash
//! costs thousands of times what a token check costs, so the two share neither a thread pool nor a queue, and hashing
//! has the lower priority. The queue is bounded because a caller that cannot be served in time is told so at once, with
//! the time after which to try again.
//!
//! This file is what callers use. `lane` has the threads and their rules, `queue` the order of jobs (built of `ring`s),
//! `weight` the rule for heavy ones, `memory` the memory of a thread, `digest` the hashes (with `phpass`), `imitation`
//! the work for names without an account, `kernel` the choice of the code for our own hashes, `machine` the cores and
//! memory of the machine, `cost` the parameters that may be set, `stats` the statistics.

pub mod cost;
mod digest;
mod imitation;
pub mod kernel;
mod lane;
pub mod machine;
mod memory;
mod phpass;
mod queue;
mod ring;
mod stats;
#[cfg(test)]
mod tests;
mod weight;

use std::future::pending;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use argon2::Params;
use argon2_kernel::{Kernel, OUTPUT_BYTES};

use crate::domain::password_hash::Renewal;
use crate::domain::{NameKind, Password, PasswordHash};
use imitation::Imitations;
use lane::{Gate, Lane};
use memory::Memory;
use weight::Weight;

pub(crate) use lane::{Permit, Reservation};
pub(crate) use stats::LaneStats;
pub use stats::{Dropped, Histogram, RefusalCause};

/// The length of a salt in bytes, as RFC 9106 section 4 recommends.
const SALT_BYTES: usize = 16;

/// How many times the work of one of our own hashes a stored hash may take before the lane keeps threads free of it.
/// bcrypt of cost 12 is four times the work of the default parameters.
const DEAR: u64 = 8;

/// How much memory in KiB a hash may take before the lane computes only one such hash at a time.
const LARGE: u64 = 256 * 1_024;

/// Hashes and verifies passwords. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct PasswordHasher {
    lane: Arc<Lane>,
    kernel: Kernel,
    params: Params,
    imitations: Arc<Imitations>,
}

/// What a password is compared with.
#[derive(Debug, Clone, Copy)]
pub enum Compared<'a> {
    /// The hash of an account.
    Stored(&'a PasswordHash),
    /// Nothing, because no account has the name, or the account has no password.
    Nothing(Nobody),
}

/// A name without a password, for which the work of a stored hash is imitated.
#[derive(Debug, Clone, Copy)]
pub struct Nobody {
    /// The kind of the name: hashes of accounts with such names are imitated.
    pub kind: NameKind,
    /// Decides which of them: a uniformly distributed number, always the same for a name, and known to nobody outside.
    pub lot: u64,
}

/// The client that a password is hashed for, and the deadline.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// The address that the request came from: clients take turns. All requests without an address are one client.
    pub client: Option<IpAddr>,
    /// The time at which the caller stops waiting for a thread.
    pub deadline: Instant,
}

/// The result of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the password is that of the account.
    pub matches: bool,
    /// Whether the stored hash was made with weaker parameters than new ones, or by another system.
    pub outdated: bool,
    /// Which of the texts that the password may be to the maker of the hash has matched.
    pub spelling: usize,
}

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The queue is full, or the turn would come after the deadline.
    #[error("too many passwords are waiting to be hashed")]
    Overloaded {
        /// The time in which the lane hashes one password. If refused callers come again at this distance, the queue
        /// stays full.
        distance: Duration,
    },
    /// The limit of failed sign-ins was reached before the turn came.
    #[error("the limit of failed sign-ins was reached while the password waited to be hashed")]
    Spent {
        /// The time until the next sign-in is allowed.
        retry_after: Duration,
    },
    /// The deadline passed before a thread was free.
    #[error("no hashing thread was free before the deadline of the call")]
    Late,
    /// The system does not give the memory of a hash.
    #[error("the system does not give the memory of a hash: lower HASH_THREADS, or give the server more memory")]
    OutOfMemory,
    /// The kernel has a defect.
    #[error("hashing failed: {0}")]
    Kernel(argon2_kernel::Error),
    /// The code has a defect.
    #[error("hashing failed: {0}")]
    Failed(&'static str),
}

impl From<argon2_kernel::Error> for HashError {
    fn from(error: argon2_kernel::Error) -> Self {
        match error {
            argon2_kernel::Error::OutOfMemory => Self::OutOfMemory,
            error => Self::Kernel(error),
        }
    }
}

impl PasswordHasher {
    /// Starts `threads` threads that hash with `params` by `kernel`. At most `queue` passwords wait for them.
    pub fn start(params: Params, kernel: Kernel, threads: usize, queue: usize) -> Result<Self, HashError> {
        let salt = random_salt()?;
        let mut output = [0; OUTPUT_BYTES];
        getrandom::fill(&mut output).map_err(|_| HashError::Failed("the operating system returned no random bytes"))?;
        let ours = PasswordHash::new(&params, &salt, &output).ok_or(HashError::Failed("unusable parameters"))?;
        let lane = Lane::start(threads.max(1), queue, params.block_count())
            .map_err(|_| HashError::Failed("the system gives no thread"))?;
        Ok(Self { lane: Arc::new(lane), kernel, params, imitations: Arc::new(Imitations::new(ours)) })
    }

    /// Tells what the hashes of accounts cost: for each kind of name one of each cost, with the number of those.
    pub(crate) fn imitate(&self, stored: Vec<(NameKind, PasswordHash, u64)>) {
        self.imitations.set(stored);
    }

    /// Returns the work for a password that is compared with [`Compared::Nothing`], in the unit of
    /// [`PasswordHash::work`]. Tests use it.
    pub fn work_for_nobody(&self, nobody: Nobody) -> u64 {
        self.imitations.of(nobody).work()
    }

    /// Returns the error that [`Self::verify`] would return now for lack of room. It is called before other work is
    /// done for the request.
    pub fn require_room(&self, turn: &Turn) -> Result<(), HashError> {
        self.lane.require_room(turn)
    }

    /// Keeps a place in the queue while other work is done for the request. Without it, thousands of requests would
    /// find the same room.
    pub(crate) fn reserve(&self, turn: &Turn) -> Result<Reservation, HashError> {
        self.lane.reserve(turn)
    }

    /// Hashes a password that is to be stored.
    pub async fn hash(&self, password: &Password, turn: Turn) -> Result<PasswordHash, HashError> {
        self.hash_with(password, turn, || {}).await
    }

    /// Hashes as [`Self::hash`] does. `begins` is called when the hash begins, and dropped if it never does.
    pub async fn hash_with(
        &self,
        password: &Password,
        turn: Turn,
        begins: impl FnOnce() + Send + 'static,
    ) -> Result<PasswordHash, HashError> {
        let password = password.clone();
        let input = move || {
            begins();
            password
        };
        self.hash_input(input, |password| password.as_bytes(), turn).await
    }

    /// Hashes what replaces a stored hash. The rule of its maker goes on beside the new hash.
    pub(crate) async fn renew(&self, renewal: Renewal, turn: Turn) -> Result<PasswordHash, HashError> {
        let renewal = Arc::new(renewal);
        let input = Arc::clone(&renewal);
        let hash = self.hash_input(move || input, |renewal| &renewal.input, turn).await?;
        Ok(hash.with_rule_of(&renewal))
    }

    async fn hash_input<T: Send + 'static>(
        &self,
        begin: impl FnOnce() -> T + Send + 'static,
        input: fn(&T) -> &[u8],
        turn: Turn,
    ) -> Result<PasswordHash, HashError> {
        let salt = random_salt()?;
        let (params, kernel) = (self.params.clone(), self.kernel);
        let hash = move |memory: &mut Memory| digest::argon2id(input(&begin()), &salt, &params, kernel, memory);
        let output = self.lane.run(turn, pending(), hash).await?;
        PasswordHash::new(&self.params, &salt, &output).ok_or(HashError::Failed("unusable parameters"))
    }

    /// Verifies a password. Without a stored hash, because there is no such account, the same work is done and nothing
    /// matches.
    pub async fn verify(
        &self,
        password: &Password,
        hash: Option<&PasswordHash>,
        turn: Turn,
    ) -> Result<Verdict, HashError> {
        let compared = hash.map_or(Compared::Nothing(Nobody { kind: NameKind::Username, lot: 0 }), Compared::Stored);
        self.verify_past(None, password, compared, turn, pending()).await.map(|(verdict, _)| verdict)
    }

    /// Verifies as [`Self::verify`] does, for callers that must learn how a hash that has begun ends. When `gone`
    /// completes, the turn is given up unless the hash has begun.
    ///
    /// `may_begin` is called when the turn has come. With a value, the hash begins, and the value is held until the
    /// hash has ended and the [`Permit`] is dropped. With `None`, the password waits until another value is dropped,
    /// while others are hashed. With an error, it is not hashed and may be sent again after that time.
    pub async fn verify_if<T: Send + 'static>(
        &self,
        may_begin: impl Fn() -> Result<Option<T>, Duration> + Send + 'static,
        password: &Password,
        compared: Compared<'_>,
        turn: Turn,
        gone: impl Future<Output = ()>,
    ) -> Result<(Verdict, Permit), HashError> {
        let gate: Gate = Box::new(move || may_begin().map(|held| held.map(|held| Box::new(held) as _)));
        self.verify_past(Some(gate), password, compared, turn, gone).await
    }

    async fn verify_past(
        &self,
        gate: Option<Gate>,
        password: &Password,
        compared: Compared<'_>,
        turn: Turn,
        gone: impl Future<Output = ()>,
    ) -> Result<(Verdict, Permit), HashError> {
        let (hash, may_match) = match compared {
            Compared::Stored(hash) => (hash.clone(), true),
            Compared::Nothing(nobody) => (self.imitations.of(nobody), false),
        };
        let (password, stored, kernel) = (password.clone(), hash.clone(), self.kernel);
        let weight = self.weight(&stored)?;
        let compute = move |memory: &mut Memory| digest::compute(&stored, &password, kernel, memory);
        let (outputs, permit) = self.lane.run_past(gate, turn, weight, gone, compute).await?;
        let expected = hash.output();
        let matched = outputs.chunks(expected.len()).position(|output| constant_time_eq(output, expected));
        // An imitated hash is that of another account.
        let matches = matched.is_some() && may_match;
        let outdated = hash.is_weaker_than(&self.params);
        Ok((Verdict { matches, outdated, spelling: matched.unwrap_or_default() }, permit))
    }

    /// Judges what a stored hash takes, beside our own. A hash for which the machine has too little memory is never
    /// begun: the system would end the whole process.
    fn weight(&self, hash: &PasswordHash) -> Result<Weight, HashError> {
        if hash.memory() > LARGE {
            let has_room = machine::memory().is_none_or(|bytes| hash.memory() * 1_024 <= bytes / 2);
            return if has_room { Ok(Weight::Large) } else { Err(HashError::OutOfMemory) };
        }
        let is_dear = hash.work() > DEAR * PasswordHash::work_of(&self.params);
        Ok(if is_dear { Weight::Dear } else { Weight::Usual })
    }

    /// Returns the kernel for new passwords: with more than one lane, only the portable one.
    pub fn kernel(&self) -> Kernel {
        argon2_kernel::Params::try_from(&self.params).map_or(Kernel::PORTABLE, |_| self.kernel)
    }

    /// Returns how many hashes have begun since the start. Tests use it to prove that unknown accounts cost the same.
    pub fn runs(&self) -> u64 {
        self.stats().wait.count()
    }

    /// Returns the statistics of the lane.
    pub fn stats(&self) -> LaneStats {
        self.lane.stats()
    }
}

fn random_salt() -> Result<[u8; SALT_BYTES], HashError> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|_| HashError::Failed("the operating system returned no random bytes"))?;
    Ok(salt)
}

fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    left.ct_eq(right).into()
}
