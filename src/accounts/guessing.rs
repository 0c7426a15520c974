//! Guessing, as the use cases meet it: who may try a password, and what comes of it. Apart from them because it is one rule
//! for whatever proves a password (signing in, and changing something that the password protects):
//!
//! 1. The address has a budget of failures (`budgets::Failures`), which is in memory: asked at the door, and again when the
//!    hash would begin ([`Guess::verify`]). Only a failure is charged, and only when it is known.
//! 2. The account has one ([`Accounts::admit`]): what failed in a row, as the store has it, and what is under way here, as
//!    `budgets::Turns` has it. Who finds no room waits until it is known how those end.
//! 3. Only then the password is hashed, by a task of its own ([`to_its_end`]). Once the hash has begun, it is judged and
//!    counted whether the caller is still there or not: to hang up before the answer saves no guess.
//! 4. A failure is stored before it is told, and a success only while the count has not moved past what was admitted. If the
//!    database is lost meanwhile, nobody learns how the guess ended.
//!
//! Whether anybody has the name makes no difference to any of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_guard::clock::Clock;
use tokio::sync::oneshot;
use tokio::time::timeout_at;
use uuid::Uuid;

use super::{Accounts, DeviceEvidence, turn, uninterrupted};
use crate::budgets::{Addresses, Charge, Place, Source, schedule};
use crate::domain::{AttemptKey, Attempts, AuthError, Call, Device, Password, PasswordHash, SignInName};
use crate::hashing::{PasswordHasher, Permit, Verdict};
use crate::store::{Budget, Credentials, Store, StoreError};

/// Takes one from the budget of the caller's address. It is given back if the charge is dropped and not spent.
pub(super) fn charge(budget: &Arc<Addresses>, call: &Call) -> Result<Charge, AuthError> {
    budget.charge(call.client.address).map_err(too_many)
}

/// Does what must be done to its end once it has begun; until then, it may ask whether the caller has gone.
pub(super) async fn to_its_end<T, F>(work: impl FnOnce(Gone) -> F) -> Result<T, AuthError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, AuthError>> + Send + 'static,
{
    // Dropped with this future.
    let (_here, gone) = oneshot::channel();
    uninterrupted(work(Gone(gone))).await
}

/// Knows whether the caller is still there.
pub(super) struct Gone(oneshot::Receiver<()>);

impl Gone {
    /// Waits until the caller has gone.
    pub async fn wait(&mut self) {
        let _ = (&mut self.0).await;
    }

    /// Whether it has.
    pub fn is_gone(&mut self) -> bool {
        matches!(self.0.try_recv(), Err(oneshot::error::TryRecvError::Closed))
    }
}

/// A guess that may be tried. Gives back what it has reserved when it is dropped.
#[must_use]
pub(super) struct Guess {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    budget: Budget,
    source: Source,
    /// Its being under way from its source, once its hash has begun.
    permit: Option<Permit>,
    _place: Place,
}

impl Accounts {
    /// Waits for a turn to guess at an account.
    pub(super) async fn admit(&self, key: AttemptKey, deadline: Instant) -> Result<Guess, AuthError> {
        let look = || async { Ok((self.store.find_attempts(&key).await?, ())) };
        let (guess, ()) = self.admit_by(look, key, Source::default(), deadline).await?;
        Ok(guess)
    }

    /// The same for a sign-in, whose address must not have failed too often; the device that it comes from, if the account
    /// knows it; and the account that is to be signed in to, as it was when the turn came. What an earlier version may have
    /// stored the name as is looked up in any case, and counts if nobody is called what counts now: no name ever leads to an
    /// account whose name it is in the second place only.
    pub(super) async fn admit_sign_in(
        &self,
        name: &SignInName,
        evidence: &DeviceEvidence,
        call: &Call,
    ) -> Result<(Guess, Option<Device>, Option<Credentials>), AuthError> {
        let source = self.budgets.login_failures.of(call.client.address);
        source.look().map_err(too_many)?;
        self.hasher.require_room(&turn(call))?;
        let SignInName { handle, once_stored } = name;
        let device = self.recognise(name, evidence).await?;
        let key = device.map_or_else(|| AttemptKey::login(handle), |device| device.attempts());
        let look = || self.store.find_sign_in(&key, handle, schedule::FREE);
        let (guess, found) = self.admit_by(look, key, source, call.deadline).await?;
        let found =
            if guess.budget.seen < schedule::FREE { found } else { self.store.find_credentials(handle).await? };
        let once_stored = match once_stored {
            Some(handle) => self.store.find_credentials(handle).await?,
            None => None,
        };
        Ok((guess, device, found.or(once_stored)))
    }

    /// `look` finds what has failed, and what else is of use to whom is admitted.
    async fn admit_by<T, F>(
        &self,
        look: impl Fn() -> F,
        key: AttemptKey,
        source: Source,
        deadline: Instant,
    ) -> Result<(Guess, T), AuthError>
    where
        F: Future<Output = Result<(Option<Attempts>, T), StoreError>>,
    {
        let judge = || async {
            let (attempts, found) = look().await?;
            let room = schedule::judge(attempts, self.clock.now()).map_err(too_many)?;
            Ok::<_, AuthError>((room, (attempts.map_or(0, |attempts| attempts.failures), found)))
        };
        let turn = timeout_at(deadline.into(), self.budgets.turns.wait(key, judge));
        let (place, (seen, found)) = turn.await.unwrap_or(Err(AuthError::OutOfTime))?;
        let budget = Budget { key, seen, below: schedule::below(seen) };
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        Ok((Guess { store, clock, budget, source, permit: None, _place: place }, found))
    }
}

impl Guess {
    /// For the transaction of whatever it is that the password protects.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Compares the password with a stored hash, or none; not if the caller goes before that begins, nor if the address has
    /// failed too often by then.
    pub async fn verify(
        &mut self,
        hasher: &PasswordHasher,
        password: &Password,
        stored: Option<&PasswordHash>,
        call: &Call,
        gone: &mut Gone,
    ) -> Result<Verdict, AuthError> {
        let source = self.source.clone();
        let begin = move || source.begin();
        let (verdict, permit) = hasher.verify_if(begin, password, stored, turn(call), gone.wait()).await?;
        self.permit = Some(permit);
        Ok(verdict)
    }

    /// It was wrong: counts it, and gives the answer. `account_id` is whose name it was, if it is anybody's.
    pub async fn was_wrong(self, account_id: Option<Uuid>) -> AuthError {
        match self.store.count_failure(&self.budget, account_id, self.clock.now()).await {
            Ok(Some(failures)) => {
                self.source.failed();
                if failures >= schedule::FREE {
                    let wait = schedule::wait(failures).as_secs();
                    let account = account_id.map(tracing::field::display);
                    let result = if schedule::is_locked(failures) { "locked" } else { "must wait" };
                    tracing::warn!(event = "guessing", result, failures, wait, account);
                }
                AuthError::InvalidCredentials
            }
            Ok(None) => self.came_late().await,
            Err(error) => error.into(),
        }
    }

    /// It was right: forgets the failures before it, or refuses it all the same if it comes too late.
    pub async fn was_right(self) -> Result<(), AuthError> {
        if self.store.settle_attempts(&self.budget).await? {
            return Ok(());
        }
        Err(self.came_late().await)
    }

    /// Others failed meanwhile, on other replicas: gives the answer, which is the same if it was right.
    pub async fn came_late(self) -> AuthError {
        match self.store.find_attempts(&self.budget.key).await {
            Ok(found) => too_many(schedule::judge(found, self.clock.now()).err().unwrap_or_default()),
            Err(error) => error.into(),
        }
    }
}

/// Refuses until then: whole seconds, at least one.
pub(super) fn too_many(wait: Duration) -> AuthError {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    AuthError::TooManyAttempts { retry_after: Duration::from_secs(seconds.max(1)) }
}
