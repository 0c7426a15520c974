//! Failed sign-ins, shown to administrators and forgotten by them; on the command line, all of them.

use time::OffsetDateTime;

use super::{By, Changes, Reach};
use crate::accounts::{Accounts, Actor, Operator, uninterrupted};
use crate::budgets::schedule;
use crate::domain::{Account, Action, AttemptKey, Attempts, AuthError, Call, DeviceNumber, Handle};
use crate::store::{Listed, Outline, StoreError, StoredAttempts};

/// How often signing in failed, and what that means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttemptState {
    /// In a row.
    pub failures: u32,
    /// When the latest did; `None` when none has.
    pub last_failed_at: Option<OffsetDateTime>,
    /// When the next may be tried; `None` when at once.
    pub blocked_until: Option<OffsetDateTime>,
    /// Whether only a new password or an administrator opens the account again.
    pub locked: bool,
}

impl AttemptState {
    fn of(found: Attempts, now: OffsetDateTime) -> Self {
        let Attempts { failures, last_failed_at } = found;
        Self {
            failures,
            last_failed_at: Some(last_failed_at),
            blocked_until: schedule::judge(Some(found), now).err().map(|wait| now + wait),
            locked: schedule::is_locked(failures),
        }
    }
}

/// What has used its free attempts up. What was tried is not kept, but whose it was, if it was anybody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpentAttempts {
    /// What the attempts are counted under.
    pub key: AttemptKey,
    /// The account at whose password they were, if it is there.
    pub account: Option<Account>,
    /// How often it failed.
    pub state: AttemptState,
}

impl SpentAttempts {
    /// What was tried: `login`, signing in by the name that the account has now; `device`, the same from a device that has
    /// signed in before; or `change`, proving the password within a session. `None` of what no account has, or has no more.
    pub fn tried(&self) -> Option<&'static str> {
        let account = self.account.as_ref()?;
        match self.key {
            key if key == AttemptKey::login(&account.identity.handle()) => Some("login"),
            key if key == AttemptKey::change(account.id) => Some("change"),
            key if DeviceNumber::all().any(|number| key == AttemptKey::device(account.id, number)) => Some("device"),
            _ => None,
        }
    }
}

impl Operator {
    /// A page of what has used its free attempts up, in the order of keys.
    pub async fn list_attempts(
        &self,
        after: Option<&AttemptKey>,
        limit: u32,
    ) -> Result<Listed<SpentAttempts>, AuthError> {
        let now = self.clock.now();
        let Listed { found, unreadable, is_last } = self.store.list_attempts(schedule::FREE, after, limit).await?;
        let mut page = Vec::with_capacity(found.len());
        for StoredAttempts { key, account_id, attempts } in found {
            let account = match account_id {
                Some(id) => match self.store.find_account(id).await {
                    // The listing of accounts tells of it.
                    Err(StoreError::Corrupt(_)) => None,
                    found => found?,
                },
                None => None,
            };
            page.push(SpentAttempts { key, account, state: AttemptState::of(attempts, now) });
        }
        Ok(Listed { found: page, unreadable, is_last })
    }
}

impl Accounts {
    /// How often signing in by this name failed. Of a name that no account has, only a platform administrator is told.
    pub async fn get_attempts(&self, actor: &Actor, handle: &Handle, call: &Call) -> Result<AttemptState, AuthError> {
        let (_, reach) = self.administrator(actor, call).await?;
        let found = self.store.find_credentials(handle).await?.map(|found| found.account);
        require_named(reach, found.as_ref())?;
        self.changes().attempts(handle, found.as_ref()).await
    }

    /// Forgets failed sign-ins by this name.
    pub async fn clear_attempts(&self, actor: &Actor, handle: &Handle, call: Call) -> Result<(), AuthError> {
        let (own, reach) = self.administrator(actor, &call).await?;
        let found = self.store.find_credentials(handle).await?.map(|found| found.account);
        require_named(reach, found.as_ref())?;
        if let Some(account) = found.as_ref().filter(|account| !reach.commands(&Outline::from(*account))) {
            return self.not_allowed(actor, account.id, &call);
        }
        let (this, by, handle) = (self.clone(), By::Account(own.id, call), handle.clone());
        uninterrupted(async move { this.changes().clear_attempts(&by, &handle, found.as_ref()).await.map(|_| ()) })
            .await
    }
}

impl Changes {
    /// How often signing in by this name failed, or proving the password within a session or from a device that has signed
    /// in before, whichever is most.
    pub async fn attempts(&self, handle: &Handle, account: Option<&Account>) -> Result<AttemptState, AuthError> {
        let mut found: Option<Attempts> = None;
        for key in keys(handle, account) {
            let other = self.store.find_attempts(&key).await?;
            found = found.into_iter().chain(other).max_by_key(|attempts| attempts.failures);
        }
        Ok(found.map_or_else(AttemptState::default, |found| AttemptState::of(found, self.clock.now())))
    }

    /// Forgets failed sign-ins by this name, which is that of `account` if it is anybody's. Tells whether there were any.
    pub async fn clear_attempts(&self, by: &By, handle: &Handle, account: Option<&Account>) -> Result<bool, AuthError> {
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

/// What failures count under that concern a name, and the account that has it.
fn keys(handle: &Handle, account: Option<&Account>) -> Vec<AttemptKey> {
    match account {
        Some(account) => AttemptKey::of_account(account.id, handle).collect(),
        None => vec![AttemptKey::login(handle)],
    }
}

/// A name is told about if it is of an account that is seen, or if all are.
fn require_named(reach: Reach, account: Option<&Account>) -> Result<(), AuthError> {
    let is_seen = account.map_or(reach == Reach::Everything, |account| reach.sees(&account.into()));
    if is_seen { Ok(()) } else { Err(AuthError::NotFound) }
}
