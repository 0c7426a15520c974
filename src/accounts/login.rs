//! Signing in. Apart from the other use cases because it is the one that strangers try: what they learn, and what it costs,
//! is decided in these lines.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_guard::token::IssuedToken;
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use super::guessing::{self, Gone, Guess};
use super::{Accounts, DeviceEvidence};
use crate::domain::{
    Account, AccountStatus, Action, AuthError, Call, Detail, Device, DeviceNumber, Identity, Note, Password,
    PasswordHash, SignInName,
};
use crate::hashing::Turn;
use crate::store::{Credentials, Opened, Opening};

/// A stronger hash is made when there is room for it, or at a later sign-in.
const REHASH_PATIENCE: Duration = Duration::from_secs(1);

/// What a sign-in gives.
#[derive(Debug)]
pub struct SignedIn {
    /// The account.
    pub account: Account,
    /// The first token of the session.
    pub token: IssuedToken,
    /// What shows at the next sign-in that it comes from the same device: [`DeviceEvidence::device`].
    pub device: String,
}

impl Accounts {
    /// Signs in. Whoever is refused learns nothing of why, and costs exactly one hash; whoever cannot be served in time,
    /// not even a read of the database.
    pub async fn login(
        &self,
        name: &SignInName,
        password: &Password,
        evidence: &DeviceEvidence,
        call: Call,
    ) -> Result<SignedIn, AuthError> {
        self.require_right_clock()?;
        let too_many = self.audit_too_many(Action::Login, None, &call);
        let admitted = self.admit_sign_in(name, evidence, &call).await;
        let (guess, device, found) = admitted.inspect_err(too_many)?;
        let (this, password) = (self.clone(), password.clone());
        guessing::to_its_end(|gone| this.judge(found, password, device, guess, call, gone)).await
    }

    /// The rest of a sign-in: one hash, what it says, and what is stored of that.
    async fn judge(
        self,
        found: Option<Credentials>,
        password: Password,
        device: Option<Device>,
        mut guess: Guess,
        call: Call,
        mut gone: Gone,
    ) -> Result<SignedIn, AuthError> {
        let stored = found.as_ref().and_then(|found| found.password_hash.as_ref());
        let verified = guess.verify(&self.hasher, &password, stored, &call, &mut gone).await;
        let verdict = verified.inspect_err(self.audit_too_many(Action::Login, None, &call))?;
        let Some(Credentials { account, password_hash, password_changes }) = found else {
            return Err(self.refused("unknown account", guess, None, &call).await);
        };
        let Some(password_hash) = password_hash else {
            return Err(self.refused("no password", guess, Some(account.id), &call).await);
        };
        if !verdict.matches {
            return Err(self.refused("wrong password", guess, Some(account.id), &call).await);
        }
        if account.status != AccountStatus::Active {
            return Err(self.refused("inactive account", guess, Some(account.id), &call).await);
        }
        if gone.is_gone() {
            // A session that nobody has a token of.
            return Err(AuthError::OutOfTime);
        }
        // Only whoever knows the password is told.
        if self.rules.require_verified_email && matches!(account.identity, Identity::Email { verified: false, .. }) {
            let in_time = guess.was_right().await;
            in_time.inspect_err(self.audit_too_many(Action::Login, Some(account.id), &call))?;
            self.audit(Action::Login, &call, None, account.id, "email not verified");
            return Err(AuthError::EmailNotVerified);
        }

        let session = self.new_session(&account, call.client.clone());
        let opening = Opening { session: session.clone(), password_changes, budget: Some(*guess.budget()) };
        match self.store.open_session(&opening).await? {
            Opened::Open => {}
            Opened::Ended => {
                return Err(self.refused("account ended meanwhile", guess, Some(account.id), &call).await);
            }
            Opened::Spent => {
                let late = guess.came_late().await;
                self.audit_too_many(Action::Login, Some(account.id), &call)(&late);
                return Err(late);
            }
        }
        // Whoever waits for this one may go on.
        drop(guess);
        let note = Note::new(Action::Login, "ok", &call).by(account.id).on(account.id);
        self.audit.note(note.with(Detail::Session(session.id)));
        if verdict.outdated {
            self.rehash(account.id, password_hash, password);
        }
        let token = self.first_token(&session, &account)?;
        let number = device.map_or_else(|| DeviceNumber::of_session(session.id), |device| device.number);
        let device = self.seal_device(&Device { account_id: account.id, number, password_changes });
        Ok(SignedIn { account, token, device })
    }

    /// The one answer to every login that fails; the log and the audit trail learn why.
    async fn refused(&self, why: &'static str, guess: Guess, account: Option<Uuid>, call: &Call) -> AuthError {
        let answer = guess.was_wrong(account).await;
        match &answer {
            AuthError::InvalidCredentials => self.audit(Action::Login, call, None, account, why),
            other => self.audit_too_many(Action::Login, account, call)(other),
        }
        answer
    }

    /// Stores a stronger hash of a password that has just been verified. Nobody waits for it, and nothing depends on it: so
    /// it is put off while anybody waits for a hash.
    fn rehash(&self, id: Uuid, old: PasswordHash, password: Password) {
        if self.hasher.stats().waiting > 0 {
            tracing::info!(event = "rehash", result = "put off", account = %id);
            return;
        }
        let (hasher, store) = (self.hasher.clone(), Arc::clone(&self.store));
        let rehash = async move {
            let turn = Turn { client: None, deadline: Instant::now() + REHASH_PATIENCE };
            let done = match hasher.hash(&password, turn).await {
                Ok(new) => store.replace_hash(id, &old, &new).await.is_ok(),
                Err(_) => false,
            };
            tracing::info!(event = "rehash", result = if done { "ok" } else { "put off" }, account = %id);
        };
        tokio::spawn(rehash.instrument(Span::current()));
    }
}
