//! Limits of password guesses, as the use cases apply them. Separate because one rule holds for everything that proves
//! a password: signing in (`login`) and changing something that the password protects (`credentials`).
//!
//! 1. **The address** has a budget of failed sign-ins an hour, in memory (`budgets::FailureBudget`). It is checked when
//!    the call arrives and again when the hash is about to begin ([`Guess::verify`]). Only a failure is charged, and
//!    only when it is known.
//! 2. **The account** has a limit of failures in a row ([`Accounts::admit`]): the failures that the store has counted
//!    (`budgets::lockout`) and the guesses in progress here (`budgets::GuessSlots`). A guess that finds no free slot
//!    waits until the outcome of those in progress is known.
//! 3. Only then the password is hashed, in a task of its own (`tasks::run_to_end`). Once the hash has begun, it is
//!    compared and counted whether or not the caller is still connected: disconnecting before the answer saves no
//!    guess.
//! 4. A failure is stored before it is answered. A success is stored only while the count has not passed the limit that
//!    the guess was admitted under. If the database is lost meanwhile, the caller does not learn the outcome.
//!
//! None of this depends on whether the account exists.

use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::timeout_at;
use uuid::Uuid;

use super::core::{Accounts, turn};
use super::errors::too_many;
use super::tasks::CallerPresence;
use crate::budgets::{AddressBudget, Charge, GuessSlot, GuessingAddress, lockout};
use crate::domain::{AttemptKey, Attempts, AuthError, Call, NameKind, Password, PasswordHash};
use crate::hashing::{Compared, Nobody, PasswordHasher, Permit, Verdict};
use crate::store::{Budget, Store};
use countersign_guard::clock::Clock;

/// Takes one unit from the budget of the caller's address. A charge that is dropped without being spent is given back.
pub(super) fn charge(budget: &Arc<AddressBudget>, call: &Call) -> Result<Charge, AuthError> {
    budget.charge(call.client.address).map_err(too_many)
}

/// A guess that was admitted. Frees its slot and its place in the address's budget when it is dropped.
#[must_use]
pub(super) struct Guess {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    budget: Budget,
    address: GuessingAddress,
    /// Decides whose work is done if there is no hash to compare with.
    nobody: Nobody,
    /// Counts the guess as in progress from its address, once its hash has begun.
    permit: Option<Permit>,
    _slot: GuessSlot,
}

impl Accounts {
    /// Waits for a guess slot of an account.
    pub(super) async fn admit(&self, key: AttemptKey, deadline: Instant) -> Result<Guess, AuthError> {
        let look_up = || async { Ok((self.store.find_attempts(&key).await?, ())) };
        let (guess, ()) =
            self.admit_by(look_up, (key, NameKind::Username), GuessingAddress::default(), deadline).await?;
        Ok(guess)
    }

    /// Waits for a guess slot of an account. `look_up` reads the failures of the account, and whatever else the guess
    /// needs from the store at that moment; it is called again whenever a guess before this one has ended.
    pub(super) async fn admit_by<T, F>(
        &self,
        look_up: impl Fn() -> F,
        (key, kind): (AttemptKey, NameKind),
        address: GuessingAddress,
        deadline: Instant,
    ) -> Result<(Guess, T), AuthError>
    where
        F: Future<Output = Result<(Option<Attempts>, T), AuthError>>,
    {
        let allowed = || async {
            let (attempts, found) = look_up().await?;
            let slots = lockout::allowed_guesses(attempts, self.clock.now()).map_err(too_many)?;
            Ok::<_, AuthError>((slots, (attempts.map_or(0, |attempts| attempts.failures), found)))
        };
        let admitted = timeout_at(deadline.into(), self.budgets.guess_slots.acquire(key, allowed));
        let (slot, (seen, found)) = admitted.await.unwrap_or(Err(AuthError::OutOfTime))?;
        let budget = Budget { key, seen, below: lockout::failure_limit(seen) };
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let nobody = Nobody { kind, lot: self.lot(&key) };
        Ok((Guess { store, clock, budget, address, nobody, permit: None, _slot: slot }, found))
    }
}

impl Accounts {
    /// The lot of a name: a number that only the secret of the service can tell, the same at every guess.
    fn lot(&self, key: &AttemptKey) -> u64 {
        let sealed = self.tokens.seal("lot", key.to_string().as_bytes());
        let signature =
            sealed.rsplit('.').next().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).unwrap_or_default();
        signature.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}

impl Guess {
    /// The limit of failures, for the transaction that stores what the password protects.
    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Compares the password with a stored hash; without one, does the same work. Gives up if the caller disconnects
    /// before the hash begins, or if the address has failed too often by then.
    pub(super) async fn verify(
        &mut self,
        hasher: &PasswordHasher,
        password: &Password,
        stored: Option<&PasswordHash>,
        call: &Call,
        caller: &mut CallerPresence,
    ) -> Result<Verdict, AuthError> {
        let address = self.address.clone();
        let begin = move || address.begin_guess();
        let compared = stored.map_or(Compared::Nothing(self.nobody), Compared::Stored);
        let (verdict, permit) = hasher.verify_if(begin, password, compared, turn(call), caller.disconnected()).await?;
        self.permit = Some(permit);
        Ok(verdict)
    }

    /// Keeps the failure from being charged to the address, because the password was right and the account is not
    /// active. People behind one address must not pay for a client that goes on with a disabled account. The name's
    /// count stays as for a wrong password.
    pub(super) fn spare_address(&mut self) {
        self.address = GuessingAddress::default();
    }

    /// Counts a wrong password and returns the answer to it. `account_id` is the account with that name, if there is
    /// one.
    pub(super) async fn was_wrong(self, account_id: Option<Uuid>) -> AuthError {
        match self.store.count_failure(&self.budget, account_id, self.clock.now()).await {
            Ok(Some(failures)) => {
                self.address.count_failure();
                if failures >= lockout::FREE_FAILURES {
                    let wait = lockout::wait(failures).as_secs();
                    let account = account_id.map(tracing::field::display);
                    let result = if lockout::is_locked(failures) { "locked" } else { "must wait" };
                    tracing::warn!(event = "guessing", result, failures, wait, account);
                }
                AuthError::InvalidCredentials
            }
            Ok(None) => self.came_late().await,
            Err(error) => error.into(),
        }
    }

    /// Refuses a guess that came too late, without a result for one that did not.
    pub(super) async fn require_in_time(self) -> Result<(), AuthError> {
        let found = self.store.find_attempts(&self.budget.key).await?;
        if found.is_none_or(|attempts| attempts.failures < self.budget.below) {
            return Ok(());
        }
        Err(self.came_late().await)
    }

    /// Forgets the failures before a right password. Refuses it nevertheless if too many other guesses failed
    /// meanwhile.
    pub(super) async fn was_right(self) -> Result<(), AuthError> {
        if self.store.settle_attempts(&self.budget).await? {
            return Ok(());
        }
        Err(self.came_late().await)
    }

    /// The answer to a guess that came too late, because other replicas counted failures meanwhile. It is the same for
    /// a right and for a wrong password.
    pub(super) async fn came_late(self) -> AuthError {
        match self.store.find_attempts(&self.budget.key).await {
            Ok(found) => too_many(lockout::allowed_guesses(found, self.clock.now()).err().unwrap_or_default()),
            Err(error) => error.into(),
        }
    }
}
