//! What is changed of accounts by somebody else, and told to the audit trail: the same for RPCs and for the command line.
//! Apart from both because neither a token nor a memory of accounts is needed for it.

use std::sync::Arc;

use countersign_guard::clock::Clock;
use countersign_guard::token::MAX_LIFETIME;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::accounts::{AFTERLIFE, Audit};
use crate::domain::{AccountStatus, Action, AuthError, Call, Detail, NewAccount, NewMail, Note, Origin, PasswordHash};
use crate::store::{AccountChange, Outline, Store, StoreError, Updated};

/// Who changes something.
#[derive(Debug, Clone)]
pub(in crate::accounts) enum By {
    /// An account, by a call.
    Account(Uuid, Call),
    /// Whoever may use the command line.
    Operator,
}

impl By {
    /// Its account, if it is one.
    pub fn account(&self) -> Option<Uuid> {
        match self {
            Self::Account(id, _) => Some(*id),
            Self::Operator => None,
        }
    }

    /// What it did.
    pub fn note(&self, action: Action, result: &'static str) -> Note {
        match self {
            Self::Account(actor, call) => Note::new(action, result, call).by(*actor),
            Self::Operator => Note::from(action, result, Origin::CommandLine),
        }
    }
}

/// Changes accounts.
pub(in crate::accounts) struct Changes {
    pub store: Arc<dyn Store>,
    pub audit: Arc<Audit>,
    pub clock: Arc<dyn Clock>,
}

impl Changes {
    /// Stores an account that was made for somebody, with the mail that tells of it.
    pub async fn create(&self, by: &By, new: &NewAccount, mail: Option<&NewMail>) -> Result<(), StoreError> {
        let stored = self.store.insert_account(new, None, mail).await;
        match &stored {
            Ok(()) => self.audit.note(by.note(Action::Create, "ok").on(new.id)),
            Err(StoreError::HandleTaken) => self.audit.note(by.note(Action::Create, "taken")),
            Err(_) => {}
        }
        stored
    }

    /// Changes what is set; `None` when there is no such account.
    pub async fn update(&self, by: &By, id: Uuid, change: &AccountChange) -> Result<Option<Updated>, AuthError> {
        let updated = self.store.update_account(id, change, self.until(), self.heard()).await?;
        if let Some(updated) = &updated {
            for (action, detail) in differences(updated) {
                self.audit.note(by.note(action, "ok").on(id).with(detail));
            }
        }
        Ok(updated)
    }

    /// Sets a password; answers the new epoch, or `None` when there is no such account.
    pub async fn set_password(&self, by: &By, id: Uuid, hash: &PasswordHash) -> Result<Option<i64>, AuthError> {
        let epoch = self.store.set_password(id, hash, self.until()).await?;
        if epoch.is_some() {
            self.audit.note(by.note(Action::PasswordSet, "ok").on(id));
        }
        Ok(epoch)
    }

    /// Deletes an account; answers the first epoch that was never used, or `None` when there is no such account.
    pub async fn delete(&self, by: &By, account: &Outline) -> Result<Option<i64>, AuthError> {
        let epoch = self.store.delete_account(account.id, self.until()).await?;
        if epoch.is_some() {
            self.audit.note(by.note(Action::Delete, "ok").on(account.id).within(account.member.map(|(firm, _)| firm)));
        }
        Ok(epoch)
    }

    /// Makes an account an administrator of the whole service, or not. Tells whether that changed anything.
    pub async fn set_platform_admin(&self, by: &By, id: Uuid, is_one: bool) -> Result<bool, AuthError> {
        let changed = self.store.set_platform_admin(id, is_one, self.heard()).await?;
        if changed {
            let action = if is_one { Action::PlatformAdminGranted } else { Action::PlatformAdminRevoked };
            self.audit.note(by.note(action, "ok").on(id));
        }
        Ok(changed)
    }

    /// By when every process has heard of a change that ends nothing.
    fn heard(&self) -> OffsetDateTime {
        self.clock.now() + AFTERLIFE
    }

    /// By when no token lives that was minted until now, whatever the server's settings are or were.
    pub fn until(&self) -> OffsetDateTime {
        self.clock.now() + MAX_LIFETIME + AFTERLIFE
    }
}

/// What became of an account, each for itself.
fn differences(Updated { before, after, renamed, .. }: &Updated) -> Vec<(Action, Detail)> {
    let mut all = Vec::new();
    if *renamed {
        all.push((Action::Rename, Detail::None));
    }
    if let (Some((_, was)), Some((_, role))) = (before.member, after.member)
        && was != role
    {
        all.push((Action::Role, Detail::Role(role)));
    }
    match (before.status, after.status) {
        (AccountStatus::Active, AccountStatus::Inactive) => all.push((Action::Disable, Detail::None)),
        (AccountStatus::Inactive, AccountStatus::Active) => all.push((Action::Enable, Detail::None)),
        _ => {}
    }
    all
}
