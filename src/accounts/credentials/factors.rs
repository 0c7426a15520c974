//! The second factors of one's own account: an authenticator app and recovery codes. Every change asks for the password
//! or for a code of the new secret, and is made only if the account is as the caller saw it.

use std::sync::Arc;

use time::Duration;
use zeroize::Zeroizing;

use crate::accounts::actor::Actor;
use crate::accounts::core::Accounts;
use crate::accounts::errors::refuse_field;
use crate::accounts::notices::notify_owner;
use crate::accounts::tasks::run_to_end;
use crate::domain::{
    Action, AttemptKey, AuthError, Call, MailKind, Password, RECOVERY_CODE_BYTES, RECOVERY_CODES, RecoveryCode,
    SECRET_BYTES, TotpCode, TotpSecret,
};
use crate::store::{Credentials, FactorChange, SeenAccount};

/// How long a secret waits for the code that confirms it.
const PENDING_FOR: Duration = Duration::minutes(15);

/// The second factors of an account as its owner sees them.
pub(crate) struct OwnFactors {
    /// Whether an authenticator app is in use.
    pub totp: bool,
    /// The number of recovery codes that were not used yet.
    pub recovery_codes: u32,
}

/// A secret for an authenticator app, which is not in use yet.
pub(crate) struct NewTotp {
    /// The secret in Base32.
    pub secret: Zeroizing<String>,
    /// The name that the account signs in with.
    pub handle: String,
    /// The name of this service.
    pub service: String,
}

impl Accounts {
    /// The second factors of the actor's account.
    pub(crate) async fn second_factors(&self, actor: &Actor) -> Result<OwnFactors, AuthError> {
        let found = self.store.find_factors(actor.account_id).await?;
        Ok(OwnFactors { totp: found.totp.is_some(), recovery_codes: found.recovery_codes })
    }

    /// Makes a secret for an authenticator app, which [`Self::confirm_totp`] puts in use.
    pub(crate) async fn begin_totp(
        &self,
        actor: &Actor,
        password: &Password,
        call: &Call,
    ) -> Result<NewTotp, AuthError> {
        let master = Arc::clone(self.master.as_ref().ok_or(AuthError::SecondFactorNotOffered)?);
        let seen = self.prove(actor, Action::TotpAdded, "password", password, call).await?;
        let secret = TotpSecret::new(random::<SECRET_BYTES>()?);
        let account_id = seen.account.id;
        let sealed = self.seal_totp(&master, account_id, &secret)?;
        let change = FactorChange::Begin { account_id, sealed, at: self.clock.now() };
        let store = Arc::clone(&self.store);
        if !run_to_end(async move { Ok(store.change_factors(&change).await?) }).await? {
            return Err(AuthError::AccountGone);
        }
        let handle = seen.account.identity.handle().to_string();
        Ok(NewTotp { secret: secret.base32(), handle, service: self.rules.service.clone() })
    }

    /// Puts the secret of [`Self::begin_totp`] in use. Returns recovery codes if the account had no second factor.
    pub(crate) async fn confirm_totp(
        &self,
        actor: &Actor,
        code: TotpCode,
        call: &Call,
    ) -> Result<Vec<RecoveryCode>, AuthError> {
        const WRONG: &str = "is not of the new secret: check the clock of the device, or begin again";
        if self.master.is_none() {
            return Err(AuthError::SecondFactorNotOffered);
        }
        // Counted with the passwords that are tried within a session: a stolen token must not be able to confirm what
        // the owner has begun.
        let id = actor.account_id;
        let admitted = self.admit(AttemptKey::change(id), call.deadline).await;
        let guess = admitted.inspect_err(self.audit_too_many(Action::TotpAdded, Some(id), call))?;
        let found = self.own_credentials(actor).await?;
        let now = self.clock.now();
        let pending = self.store.find_factors(id).await?.pending.filter(|pending| now < pending.made_at + PENDING_FOR);
        let Some(pending) = pending else { return Err(refuse_field("code", WRONG)) };
        let step = self.open_totp(id, &pending.sealed)?.step_of(&code, now, 0);
        let codes = if found.second_factor { Vec::new() } else { new_codes()? };
        let digests = codes.iter().map(|code| code.digest(id)).collect();
        let (this, seen, call) = (self.clone(), seen(&found, actor), call.clone());
        run_to_end(async move {
            let Some(step) = step else {
                return Err(match guess.was_wrong(Some(id)).await {
                    AuthError::InvalidCredentials => refuse_field("code", WRONG),
                    other => other,
                });
            };
            guess.was_right().await?;
            let change = FactorChange::Confirm { seen, pending: pending.sealed, step, codes: digests };
            if !this.store.change_factors(&change).await? {
                return Err(refuse_field(
                    "code",
                    "came too late, because the account was changed meanwhile: try again",
                ));
            }
            this.audit(Action::TotpAdded, &call, id, id, "ok");
            notify_owner(&*this.store, &*this.clock, &found.account, MailKind::SecondFactorAdded).await;
            Ok(codes)
        })
        .await
    }

    /// Removes the authenticator app and the recovery codes.
    pub(crate) async fn delete_totp(&self, actor: &Actor, password: &Password, call: &Call) -> Result<(), AuthError> {
        let action = Action::TotpRemoved;
        let found = self.prove_owner_of_factor(actor, action, password, call).await?;
        let change = FactorChange::Remove { seen: seen(&found, actor) };
        self.change_own_factors(found, change, (action, MailKind::SecondFactorRemoved), call).await
    }

    /// Makes new recovery codes in place of those before.
    pub(crate) async fn make_recovery_codes(
        &self,
        actor: &Actor,
        password: &Password,
        call: &Call,
    ) -> Result<Vec<RecoveryCode>, AuthError> {
        let action = Action::RecoveryCodesMade;
        let found = self.prove_owner_of_factor(actor, action, password, call).await?;
        let made = new_codes()?;
        let codes = made.iter().map(|code| code.digest(found.account.id)).collect();
        let change = FactorChange::MakeCodes { seen: seen(&found, actor), codes };
        self.change_own_factors(found, change, (action, MailKind::RecoveryCodesMade), call).await?;
        Ok(made)
    }

    async fn prove_owner_of_factor(
        &self,
        actor: &Actor,
        action: Action,
        password: &Password,
        call: &Call,
    ) -> Result<Credentials, AuthError> {
        let found = self.prove(actor, action, "password", password, call).await?;
        if found.second_factor { Ok(found) } else { Err(AuthError::NoSecondFactor) }
    }

    async fn change_own_factors(
        &self,
        found: Credentials,
        change: FactorChange,
        (action, mail): (Action, MailKind),
        call: &Call,
    ) -> Result<(), AuthError> {
        let (this, call) = (self.clone(), call.clone());
        run_to_end(async move {
            if !this.store.change_factors(&change).await? {
                let late = "came too late, because the account was changed meanwhile: try again";
                return Err(refuse_field("password", late));
            }
            this.audit(action, &call, found.account.id, found.account.id, "ok");
            notify_owner(&*this.store, &*this.clock, &found.account, mail).await;
            Ok(())
        })
        .await
    }
}

fn seen(found: &Credentials, actor: &Actor) -> SeenAccount {
    SeenAccount {
        account_id: found.account.id,
        session_id: actor.session_id,
        epoch: found.account.epoch,
        password_changes: found.password_changes,
        factor_changes: found.factor_changes,
    }
}

fn new_codes() -> Result<Vec<RecoveryCode>, AuthError> {
    let one = || Ok(RecoveryCode::new(&*random::<RECOVERY_CODE_BYTES>()?));
    (0..RECOVERY_CODES).map(|_| one()).collect()
}

fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, AuthError> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes).map_err(|error| AuthError::Internal(error.into()))?;
    Ok(bytes)
}
