//! Signing in, from the first check to the last refusal. Separate from the other use cases because strangers try it:
//! what they learn and what it costs them is decided in these lines.
//!
//! 1. [`Accounts::login`] admits the guess ([`Accounts::admit_sign_in`]) or refuses it before any hash.
//! 2. It then runs [`Accounts::decide`] as a task that ends even if the caller disconnects: disconnecting before the
//!    answer must not save a failed guess from being counted.
//! 3. `decide` hashes the password exactly once, whether or not the account exists, and settles the outcome. Every
//!    wrong sign-in has the same answer ([`Accounts::refuse_sign_in`]); the reason goes to the log and the audit trail
//!    only.
//!
//! The limits of failed guesses and how they are counted are in `guessing`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_guard::token::IssuedToken;
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use super::core::{Accounts, turn};
use super::devices::DeviceEvidence;
use super::errors::too_many;
use super::guessing::Guess;
use super::second_factor::SecondFactorRequest;
use super::tasks::{CallerPresence, run_to_end, watch_caller};
use crate::budgets::lockout;
use crate::domain::{
    Account, AccountStatus, Action, AttemptKey, AuthError, Call, Detail, Device, DeviceNumber, Note, Password,
    PasswordHash, SignInName,
};
use crate::hashing::{HashError, Reservation, Turn, Verdict};
use crate::store::{Credentials, Opened, Opening};

/// How long a rehash waits for the hash lane; after that, it is left to a later sign-in.
const REHASH_DEADLINE: Duration = Duration::from_secs(1);

/// The result of a sign-in.
#[derive(Debug)]
pub(crate) struct SignedIn {
    /// The account that signed in.
    pub account: Account,
    /// The first token of the session.
    pub token: IssuedToken,
    /// Proof for the next sign-in that it comes from the same device: [`DeviceEvidence::device`].
    pub device: String,
}

/// The outcome of a right password.
pub(crate) enum LoginOutcome {
    /// The sign-in is complete.
    SignedIn(SignedIn),
    /// The account has a second factor, and no session is open yet.
    NeedsSecondFactor(SecondFactorRequest),
}

/// A sign-in that may try its password.
struct AdmittedSignIn {
    guess: Guess,
    /// The device that it comes from, if the account has signed in from it before.
    device: Option<Device>,
    /// The account with that name as it was when the guess was admitted, if there is one.
    credentials: Option<Credentials>,
}

impl Accounts {
    /// Refuses a caller whose password the hash lane has no room for. The error is the distance at which refused
    /// callers may come again ([`HashError::Overloaded`]).
    pub(crate) fn require_room(&self, client: Option<IpAddr>, deadline: Instant) -> Result<(), Duration> {
        match self.hasher.require_room(&Turn { client, deadline }) {
            Err(HashError::Overloaded { distance }) => Err(distance),
            _ => Ok(()),
        }
    }

    /// Signs in. A refused caller does not learn the reason and costs exactly one hash. A caller that cannot be served
    /// in time costs not even a database read.
    pub(crate) async fn login(
        &self,
        name: &SignInName,
        password: &Password,
        evidence: &DeviceEvidence,
        call: Call,
    ) -> Result<LoginOutcome, AuthError> {
        self.require_right_clock()?;
        let too_many = self.audit_too_many(Action::Login, None, &call);
        // Boxed, because its space is not needed while the password waits for its hash.
        let (admitted, place) = Box::pin(self.admit_sign_in(name, evidence, &call)).await.inspect_err(too_many)?;
        // Dropped with this future if the caller disconnects.
        let (_connected, caller) = watch_caller();
        run_to_end(self.clone().decide(admitted, place, password.clone(), call, caller)).await
    }

    /// Admits a sign-in: its address must not have failed too often, the hash lane must have room, and the guess must
    /// get one of the account's guess slots. Returns it with its place in the queue of the lane.
    ///
    /// An earlier version may have stored the name in another form. That form is always looked up too, so that the work
    /// is the same, and it counts only if no account has the present form: no name leads to an account that only has it
    /// in second place.
    async fn admit_sign_in(
        &self,
        name: &SignInName,
        evidence: &DeviceEvidence,
        call: &Call,
    ) -> Result<(AdmittedSignIn, Reservation), AuthError> {
        let address = self.budgets.login_failures.of(call.client.address);
        address.require_room().map_err(too_many)?;
        self.hasher.require_room(&turn(call))?;
        let SignInName { handle, once_stored } = name;
        let device = self.recognise(name, evidence).await?;
        let key = device.map_or_else(|| AttemptKey::login(handle), |device| device.attempts());
        let look_up = || async {
            let place = self.hasher.reserve(&turn(call))?;
            let (attempts, found) = self.store.find_sign_in(&key, handle, lockout::FREE_FAILURES).await?;
            Ok((attempts, (found, place)))
        };
        let (guess, (found, place)) = self.admit_by(look_up, (key, handle.kind()), address, call.deadline).await?;
        // While failures are free, one look-up returns both the failures and the account.
        let found = if guess.budget().seen < lockout::FREE_FAILURES {
            found
        } else {
            self.store.find_credentials(handle).await?
        };
        let once_stored = match once_stored {
            Some(handle) => self.store.find_credentials(handle).await?,
            None => None,
        };
        Ok((AdmittedSignIn { guess, device, credentials: found.or(once_stored) }, place))
    }

    /// Hashes the password of an admitted sign-in once, compares it, and settles the outcome.
    async fn decide(
        self,
        mut admitted: AdmittedSignIn,
        place: Reservation,
        password: Password,
        call: Call,
        mut caller: CallerPresence,
    ) -> Result<LoginOutcome, AuthError> {
        let stored = admitted.credentials.as_ref().and_then(|found| found.password_hash.as_ref());
        // The password takes the place at once.
        drop(place);
        let verified = admitted.guess.verify(&self.hasher, &password, stored, &call, &mut caller).await;
        let verdict = verified.inspect_err(self.audit_too_many(Action::Login, None, &call))?;
        // Boxed, because its space is not needed while the password waits for its hash.
        Box::pin(self.settle(admitted, verdict, password, call, caller)).await
    }

    /// Counts a failure, opens a session, or asks for the second factor.
    async fn settle(
        self,
        admitted: AdmittedSignIn,
        verdict: Verdict,
        password: Password,
        call: Call,
        mut caller: CallerPresence,
    ) -> Result<LoginOutcome, AuthError> {
        let AdmittedSignIn { mut guess, device, credentials } = admitted;
        let Some(found) = credentials else {
            return Err(self.refuse_sign_in("unknown account", guess, None, &call).await);
        };
        let (account, password_changes) = (&found.account, found.password_changes);
        let Some(password_hash) = found.password_hash.clone() else {
            return Err(self.refuse_sign_in("no password", guess, Some(account.id), &call).await);
        };
        if !verdict.matches {
            return Err(self.refuse_sign_in("wrong password", guess, Some(account.id), &call).await);
        }
        if account.status != AccountStatus::Active {
            guess.spare_address();
            return Err(self.refuse_sign_in("inactive account", guess, Some(account.id), &call).await);
        }
        if caller.is_disconnected() {
            // Nobody would receive the token of the session.
            return Err(AuthError::OutOfTime);
        }
        // Told only to a caller that knows the password.
        if self.lacks_verified_email(account) {
            // Without the second factor, a right password forgets no failures.
            let in_time = if found.second_factor { guess.require_in_time().await } else { guess.was_right().await };
            in_time.inspect_err(self.audit_too_many(Action::Login, Some(account.id), &call))?;
            self.audit(Action::Login, &call, None, account.id, "email not verified");
            return Err(AuthError::EmailNotVerified);
        }
        if found.second_factor {
            let asked = self.ask_for_second_factor(&found, guess, device, &call).await?;
            if verdict.outdated {
                self.rehash(account.id, password_hash, &password, verdict.spelling);
            }
            return Ok(LoginOutcome::NeedsSecondFactor(asked));
        }

        let session = self.new_session(account, call.client.clone());
        let (factor_changes, budget) = (found.factor_changes, Some(*guess.budget()));
        let opening = Opening { session: session.clone(), password_changes, factor_changes, budget };
        match self.store.open_session(&opening).await? {
            Opened::Open => {}
            Opened::Ended => {
                guess.spare_address();
                return Err(self.refuse_sign_in("account ended meanwhile", guess, Some(account.id), &call).await);
            }
            Opened::Spent => {
                let late = guess.came_late().await;
                self.audit_too_many(Action::Login, Some(account.id), &call)(&late);
                return Err(late);
            }
        }
        // Frees the guess slot for the next guess at this account.
        drop(guess);
        let note = Note::new(Action::Login, "ok", &call).by(account.id).on(account.id);
        self.audit.note(note.with(Detail::Session(session.id)));
        if verdict.outdated {
            self.rehash(account.id, password_hash, &password, verdict.spelling);
        }
        let token = self.first_token(&session, account)?;
        let number = device.map_or_else(|| DeviceNumber::of_session(session.id), |device| device.number);
        let device = self.seal_device(&Device { account_id: account.id, number, password_changes });
        Ok(LoginOutcome::SignedIn(SignedIn { account: found.account, token, device }))
    }

    /// Counts a failed sign-in and returns the one answer that all of them have. `reason` goes to the log and the audit
    /// trail only.
    async fn refuse_sign_in(
        &self,
        reason: &'static str,
        guess: Guess,
        account: Option<Uuid>,
        call: &Call,
    ) -> AuthError {
        let answer = guess.was_wrong(account).await;
        match &answer {
            AuthError::InvalidCredentials => self.audit(Action::Login, call, None, account, reason),
            other => self.audit_too_many(Action::Login, account, call)(other),
        }
        answer
    }

    /// Stores a stronger hash of a password that has just been verified, in the spelling that has matched. No caller
    /// waits for it and nothing depends on it, so it is put off while the hash lane has other work.
    fn rehash(&self, id: Uuid, old: PasswordHash, password: &Password, spelling: usize) {
        let Some(renewal) = old.renewal(password, spelling).filter(|_| self.hasher.stats().waiting == 0) else {
            tracing::info!(event = "rehash", result = "put off", account = %id);
            return;
        };
        let (hasher, store) = (self.hasher.clone(), Arc::clone(&self.store));
        let rehash = async move {
            let turn = Turn { client: None, deadline: Instant::now() + REHASH_DEADLINE };
            let done = match hasher.renew(renewal, turn).await {
                Ok(new) => store.replace_hash(id, &old, &new).await.is_ok(),
                Err(_) => false,
            };
            tracing::info!(event = "rehash", result = if done { "ok" } else { "put off" }, account = %id);
        };
        tokio::spawn(rehash.instrument(Span::current()));
    }
}
