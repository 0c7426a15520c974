//! The failed guesses at an account, for administrators and the command line: reading them, and forgetting them to
//! unlock the account. The limits are in `budgets::lockout`.

use time::OffsetDateTime;

use super::changes::{By, Changes};
use super::reach::Reach;
use crate::accounts::actor::Actor;
use crate::accounts::core::Accounts;
use crate::accounts::tasks::run_to_end;
use crate::budgets::lockout;
use crate::domain::{Account, Action, AttemptKey, Attempts, AuthError, Call, DeviceNumber, Handle, Outline};

/// How many guesses failed, and what that means for the next one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttemptState {
    /// Failures in a row.
    pub failures: u32,
    /// The time of the latest failure; `None` if there was none.
    pub last_failed_at: Option<OffsetDateTime>,
    /// When the next guess is allowed; `None` if at once.
    pub blocked_until: Option<OffsetDateTime>,
    /// Whether the account is locked until it has a new password or an administrator forgets its failures.
    pub locked: bool,
}

impl AttemptState {
    pub(in crate::accounts) fn of(found: Attempts, now: OffsetDateTime) -> Self {
        let Attempts { failures, last_failed_at } = found;
        Self {
            failures,
            last_failed_at: Some(last_failed_at),
            blocked_until: lockout::allowed_guesses(Some(found), now).err().map(|wait| now + wait),
            locked: lockout::is_locked(failures),
        }
    }
}

/// A counter of attempts that has used up its free failures. The name that was tried is not stored, only its digest and
/// the account, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpentAttempts {
    /// The key that the attempts are counted under.
    pub key: AttemptKey,
    /// The account at which the guesses were aimed, if it exists.
    pub account: Option<Account>,
    /// The failures, and what they mean.
    pub state: AttemptState,
}

impl SpentAttempts {
    /// The kind of attempts: `login` for signing in by the present name of the account, `device` for the same from a
    /// device that has signed in before, `change` for proving the password within a session, `code` for the second
    /// factor of a sign-in. `None` if no account has the name now.
    pub fn tried(&self) -> Option<&'static str> {
        let account = self.account.as_ref()?;
        match self.key {
            key if key == AttemptKey::login(&account.identity.handle()) => Some("login"),
            key if key == AttemptKey::change(account.id) => Some("change"),
            key if key == AttemptKey::code(account.id) => Some("code"),
            key if DeviceNumber::all().any(|number| key == AttemptKey::device(account.id, number)) => Some("device"),
            _ => None,
        }
    }
}

impl Accounts {
    /// The failed guesses at a name. Only a platform administrator may ask for a name that no account has.
    pub(crate) async fn get_attempts(
        &self,
        actor: &Actor,
        handle: &Handle,
        call: &Call,
    ) -> Result<AttemptState, AuthError> {
        let (_, reach) = self.administrator(actor, call).await?;
        let found = self.store.find_credentials(handle).await?.map(|found| found.account);
        require_named(reach, found.as_ref())?;
        self.changes().attempts(handle, found.as_ref()).await
    }

    /// Forgets the failed guesses at a name.
    pub(crate) async fn clear_attempts(&self, actor: &Actor, handle: &Handle, call: Call) -> Result<(), AuthError> {
        let (own, reach) = self.administrator(actor, &call).await?;
        let found = self.store.find_credentials(handle).await?.map(|found| found.account);
        require_named(reach, found.as_ref())?;
        if let Some(account) = found.as_ref().filter(|account| !reach.commands(&Outline::from(*account))) {
            return self.not_allowed(actor, account.id, &call);
        }
        let (this, by, handle) = (self.clone(), By::Account(own.id, call), handle.clone());
        run_to_end(async move { this.changes().clear_attempts(&by, &handle, found.as_ref()).await.map(|_| ()) }).await
    }
}

impl Changes {
    /// The failed guesses at a name: those of the sign-in, of its second factor, of recognised devices, or within a
    /// session, whichever are most.
    pub(crate) async fn attempts(&self, handle: &Handle, account: Option<&Account>) -> Result<AttemptState, AuthError> {
        let mut found: Option<Attempts> = None;
        for key in keys(handle, account) {
            let other = self.store.find_attempts(&key).await?;
            found = found.into_iter().chain(other).max_by_key(|attempts| attempts.failures);
        }
        Ok(found.map_or_else(AttemptState::default, |found| AttemptState::of(found, self.clock.now())))
    }

    /// Forgets the failed guesses at a name, and those at `account`, which has that name. Returns whether there were
    /// any.
    pub(crate) async fn clear_attempts(
        &self,
        by: &By,
        handle: &Handle,
        account: Option<&Account>,
    ) -> Result<bool, AuthError> {
        let mut cleared = false;
        for key in keys(handle, account) {
            cleared |= self.store.clear_attempts(&key).await?;
        }
        if cleared {
            let id = account.map(|account| account.id);
            self.audit.note(by.note(Action::AttemptsCleared, "ok").on(id));
        }
        Ok(cleared)
    }
}

/// The keys of all counters of a name and the account that has it.
fn keys(handle: &Handle, account: Option<&Account>) -> Vec<AttemptKey> {
    match account {
        Some(account) => AttemptKey::of_account(account.id, handle).chain([AttemptKey::code(account.id)]).collect(),
        None => vec![AttemptKey::login(handle)],
    }
}

/// Refuses a name unless the administrator sees its account. A name that no account has is for platform administrators
/// only.
fn require_named(reach: Reach, account: Option<&Account>) -> Result<(), AuthError> {
    let is_seen = account.map_or(reach == Reach::Everything, |account| reach.sees(&account.into()));
    if is_seen { Ok(()) } else { Err(AuthError::NotFound("account")) }
}
