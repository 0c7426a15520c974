//! Signing in with a second factor: what a right password is answered with, and how the sign-in is finished. Separate
//! from `login` because it begins where that ends.
//!
//! 1. A right password of an account with a second factor opens no session and forgets no failures. It is answered with
//!    a ticket ([`Accounts::ask_for_second_factor`]).
//! 2. [`Accounts::complete_login`] opens the ticket before it reads any table, and admits the code as `guessing` admits
//!    a password, with a count of the account's codes. A wrong code is counted whether or not the caller is still
//!    connected, and leaves the ticket as it is.
//! 3. A right code opens the session in one transaction, which compares the account with the ticket, and uses up both
//!    the ticket and the code. Of several replicas that try either at once, one succeeds.
//!
//! The owner's changes of second factors are in `credentials::factors`, and those of administrators in
//! `administration::factors`.

mod ticket;

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::core::{AFTERLIFE, Accounts};
use super::errors::too_many;
use super::guessing::Guess;
use super::login::SignedIn;
use super::new_rows::new_id;
use super::notices::notify_owner;
use super::tasks::run_to_end;
use crate::domain::{
    Action, AttemptKey, AuthError, Call, Detail, Device, DeviceNumber, MailKind, NameKind, Note, RecoveryCode,
    TotpCode, TotpSecret,
};
use crate::keys::MasterSecret;
use crate::store::{Completed, Credentials, FactorProof, LoginCompletion, Opening, StoredFactors};
use ticket::{LIFETIME, LoginTicket};

/// From so many recovery codes on, the owner is told that few are left.
const FEW_CODES: u32 = 3;

/// A kind of proof that finishes a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FactorMethod {
    /// A code of an authenticator app.
    Totp,
    /// A recovery code of the account.
    RecoveryCode,
}

/// The answer to a right password of an account that has a second factor.
pub(crate) struct SecondFactorRequest {
    /// The sealed ticket for [`Accounts::complete_login`].
    pub ticket: String,
    /// The proofs that the account can give.
    pub methods: Vec<FactorMethod>,
    /// How long the ticket is valid.
    pub expires_in: Duration,
}

/// A proof as it was typed.
pub(crate) enum TypedProof {
    /// A code of an authenticator app.
    Totp(TotpCode),
    /// A recovery code of any account.
    RecoveryCode(RecoveryCode),
}

/// A sign-in that was finished with a second factor.
pub(crate) struct CompletedLogin {
    /// The account and its new token.
    pub signed_in: SignedIn,
    /// The number of recovery codes that are left.
    pub recovery_codes: u32,
}

impl Accounts {
    /// Answers a right password of an account with a second factor. The guess is given up without a result: it was no
    /// failure, and only a finished sign-in forgets those before it.
    pub(super) async fn ask_for_second_factor(
        &self,
        found: &Credentials,
        guess: Guess,
        device: Option<Device>,
        call: &Call,
    ) -> Result<SecondFactorRequest, AuthError> {
        let id = found.account.id;
        let budget = *guess.budget();
        // Like every other outcome, this one is not told to a guess that came too late.
        guess.require_in_time().await.inspect_err(self.audit_too_many(Action::Login, Some(id), call))?;
        let factors = self.store.find_factors(id).await?;
        let ticket = LoginTicket {
            id: new_id(&*self.clock),
            account_id: id,
            epoch: found.account.epoch,
            password_changes: found.password_changes,
            factor_changes: found.factor_changes,
            until: self.clock.now() + LIFETIME,
            budget,
            device: device.map(|device| device.number),
        };
        self.audit(Action::Login, call, None, id, "second factor required");
        Ok(SecondFactorRequest {
            ticket: self.seal_login_ticket(ticket),
            methods: methods(&factors),
            expires_in: LIFETIME,
        })
    }

    /// Finishes a sign-in with the ticket of its password.
    pub(crate) async fn complete_login(
        &self,
        ticket: &str,
        proof: TypedProof,
        call: Call,
    ) -> Result<CompletedLogin, AuthError> {
        self.require_right_clock()?;
        let Some(ticket) = self.open_login_ticket(ticket) else {
            return self.void_ticket(None, &call);
        };
        let id = ticket.account_id;
        let admitted = self.admit_code(id, &call).await;
        let guess = admitted.inspect_err(self.audit_too_many(Action::Login, Some(id), &call))?;
        run_to_end(self.clone().settle_code(ticket, proof, guess, call)).await
    }

    /// Waits for a guess slot of the codes of an account.
    async fn admit_code(&self, account_id: Uuid, call: &Call) -> Result<Guess, AuthError> {
        let address = self.budgets.login_failures.of(call.client.address);
        address.require_room().map_err(too_many)?;
        let key = AttemptKey::code(account_id);
        let look_up = || async { Ok((self.store.find_attempts(&key).await?, ())) };
        let (guess, ()) = self.admit_by(look_up, (key, NameKind::Username), address, call.deadline).await?;
        Ok(guess)
    }

    /// Compares a code, and counts a failure or opens the session.
    async fn settle_code(
        self,
        ticket: LoginTicket,
        proof: TypedProof,
        guess: Guess,
        call: Call,
    ) -> Result<CompletedLogin, AuthError> {
        let id = ticket.account_id;
        let found = self.store.credentials_of(id).await?.filter(|found| ticket.is_of(found));
        let Some(found) = found else {
            return self.void_ticket(Some(id), &call);
        };
        if self.store.is_ticket_spent(ticket.id).await? {
            return self.void_ticket(Some(id), &call);
        }
        if self.lacks_verified_email(&found.account) {
            self.audit(Action::Login, &call, None, id, "email not verified");
            return Err(AuthError::EmailNotVerified);
        }
        let factors = self.store.find_factors(id).await?;
        let Some(proof) = self.compare(&factors, proof, id)? else {
            return Err(self.refuse_code(guess, id, &call).await);
        };
        let is_recovery = matches!(proof, FactorProof::RecoveryCode(_));
        let session = self.new_session(&found.account, call.client.clone());
        let opening = Opening {
            session: session.clone(),
            password_changes: ticket.password_changes,
            factor_changes: ticket.factor_changes,
            budget: Some(*guess.budget()),
        };
        // For longer than the ticket is valid, because another replica's clock may be behind.
        let spent = (ticket.id, ticket.until + AFTERLIFE);
        let completion = LoginCompletion { opening, password: ticket.budget, ticket: spent, proof };
        let recovery_codes = match self.store.complete_login(&completion).await? {
            Completed::Open { recovery_codes } => recovery_codes,
            Completed::TicketVoid => return self.void_ticket(Some(id), &call),
            Completed::CodeUsed => return Err(self.refuse_code(guess, id, &call).await),
            Completed::TooLate => {
                let late = guess.came_late().await;
                self.audit_too_many(Action::Login, Some(id), &call)(&late);
                return Err(late);
            }
        };
        drop(guess);
        let note = Note::new(Action::Login, "ok", &call).by(id).on(id);
        self.audit.note(note.with(Detail::Session(session.id)));
        if is_recovery {
            self.audit(Action::RecoveryCodeUsed, &call, id, id, "ok");
            if recovery_codes <= FEW_CODES {
                notify_owner(&*self.store, &*self.clock, &found.account, MailKind::RecoveryCodesFew).await;
            }
        }
        let number = ticket.device.unwrap_or_else(|| DeviceNumber::of_session(session.id));
        let device = self.seal_device(&Device { account_id: id, number, password_changes: ticket.password_changes });
        let token = self.first_token(&session, &found.account)?;
        Ok(CompletedLogin { signed_in: SignedIn { account: found.account, token, device }, recovery_codes })
    }

    /// The proof for the store, or `None` if the code is wrong. Whether a recovery code is right, only the store can
    /// tell.
    fn compare(
        &self,
        factors: &StoredFactors,
        proof: TypedProof,
        account_id: Uuid,
    ) -> Result<Option<FactorProof>, AuthError> {
        match proof {
            TypedProof::RecoveryCode(code) => Ok(Some(FactorProof::RecoveryCode(code.digest(account_id)))),
            TypedProof::Totp(code) => {
                let Some(totp) = &factors.totp else { return Ok(None) };
                let secret = self.open_totp(account_id, &totp.sealed)?;
                Ok(secret.step_of(&code, self.clock.now(), totp.last_step).map(FactorProof::Totp))
            }
        }
    }

    /// Opens the sealed secret of an authenticator app.
    pub(super) fn open_totp(&self, account_id: Uuid, sealed: &str) -> Result<TotpSecret, AuthError> {
        let opened = self.master.as_ref().and_then(|master| master.open(&about_totp(account_id), sealed));
        opened.as_ref().and_then(|bytes| TotpSecret::from_bytes(bytes)).ok_or_else(|| {
            let cause = "the secret of an authenticator app cannot be decrypted: MASTER_SECRET_FILE is not set, or \
                         lacks the secret that encrypted it";
            AuthError::Unavailable(cause.into())
        })
    }

    /// Seals the secret of an authenticator app for its account.
    pub(super) fn seal_totp(
        &self,
        master: &Arc<MasterSecret>,
        account_id: Uuid,
        secret: &TotpSecret,
    ) -> Result<String, AuthError> {
        let sealed = master.seal(&about_totp(account_id), secret.expose());
        sealed.ok_or_else(|| AuthError::Internal("the secret of an authenticator app cannot be encrypted".into()))
    }

    /// Counts a wrong code and returns the answer to it.
    async fn refuse_code(&self, guess: Guess, account_id: Uuid, call: &Call) -> AuthError {
        match guess.was_wrong(Some(account_id)).await {
            AuthError::InvalidCredentials => {
                self.audit(Action::Login, call, None, account_id, "wrong code");
                AuthError::SecondFactorInvalid
            }
            other => {
                self.audit_too_many(Action::Login, Some(account_id), call)(&other);
                other
            }
        }
    }

    fn void_ticket<T>(&self, account_id: Option<Uuid>, call: &Call) -> Result<T, AuthError> {
        self.audit(Action::Login, call, None, account_id, "invalid ticket");
        Err(AuthError::LoginTicketInvalid)
    }
}

/// What is authenticated with a sealed secret, so that nobody who can write to the database can give one account the
/// secret of another.
fn about_totp(account_id: Uuid) -> String {
    format!("totp {account_id}")
}

fn methods(factors: &StoredFactors) -> Vec<FactorMethod> {
    let totp = factors.totp.as_ref().map(|_| FactorMethod::Totp);
    let code = (factors.recovery_codes > 0).then_some(FactorMethod::RecoveryCode);
    totp.into_iter().chain(code).collect()
}
