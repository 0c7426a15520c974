//! The changes that administrators and the command line make to accounts, with their events of the audit trail.
//! Separate from both because the changes are the same, and need neither tokens nor cached accounts.

use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::accounts::audit::Audit;
use crate::accounts::core::AFTERLIFE;
use crate::domain::{
    AccountChange, AccountStatus, Action, AuthError, Authority, Call, Detail, NewAccount, NewMail, Note, Origin,
    Outline, PasswordHash, Updated,
};
use crate::store::{Store, StoreError};
use countersign_guard::clock::Clock;
use countersign_guard::token::MAX_LIFETIME;

/// The author of a change.
#[derive(Debug, Clone)]
pub(in crate::accounts) enum By {
    /// An account that calls the service.
    Account(Uuid, Call),
    /// The operator, by the command line.
    Operator,
}

impl By {
    /// The account of the author; `None` for the operator.
    pub(crate) fn account(&self) -> Option<Uuid> {
        match self {
            Self::Account(id, _) => Some(*id),
            Self::Operator => None,
        }
    }

    /// An event of the audit trail by this author.
    pub(crate) fn note(&self, action: Action, result: &'static str) -> Note {
        match self {
            Self::Account(actor, call) => Note::new(action, result, call).by(*actor),
            Self::Operator => Note::from(action, result, Origin::CommandLine),
        }
    }
}

/// Changes accounts and records each change.
pub(in crate::accounts) struct Changes {
    pub store: Arc<dyn Store>,
    pub audit: Arc<Audit>,
    pub clock: Arc<dyn Clock>,
}

impl Changes {
    /// Stores an account that an administrator or the operator created, and queues its mail.
    pub(crate) async fn create(&self, by: &By, new: &NewAccount, mail: Option<&NewMail>) -> Result<(), StoreError> {
        let stored = self.store.insert_account(new, None, mail).await;
        match &stored {
            Ok(()) => self.audit.note(by.note(Action::Create, "ok").on(new.id)),
            Err(StoreError::HandleTaken) => self.audit.note(by.note(Action::Create, "taken")),
            Err(_) => {}
        }
        stored
    }

    /// Applies the changes that are set; `None` if the account does not exist.
    pub(crate) async fn update(&self, by: &By, id: Uuid, change: &AccountChange) -> Result<Option<Updated>, AuthError> {
        let updated = self.store.update_account(id, change, self.until(), self.heard()).await?;
        if let Some(updated) = &updated {
            for (action, detail) in differences(updated) {
                self.audit.note(by.note(action, "ok").on(id).with(detail));
            }
        }
        Ok(updated)
    }

    /// Sets a password and returns the new epoch; `None` if the account does not exist.
    pub(crate) async fn set_password(&self, by: &By, id: Uuid, hash: &PasswordHash) -> Result<Option<i64>, AuthError> {
        let epoch = self.store.set_password(id, hash, self.until()).await?;
        if epoch.is_some() {
            self.audit.note(by.note(Action::PasswordSet, "ok").on(id));
        }
        Ok(epoch)
    }

    /// Deletes an account and returns the first epoch that it never used; `None` if the account does not exist.
    pub(crate) async fn delete(
        &self,
        by: &By,
        account: &Outline,
        authority: Authority,
    ) -> Result<Option<i64>, AuthError> {
        let epoch = self.store.delete_account(account.id, self.until(), authority).await?;
        if epoch.is_some() {
            self.audit.note(by.note(Action::Delete, "ok").on(account.id).within(account.member.map(|(firm, _)| firm)));
        }
        Ok(epoch)
    }

    /// Makes an account a platform administrator, or revokes that. Returns whether that changed anything.
    pub(crate) async fn set_platform_admin(&self, by: &By, id: Uuid, is_one: bool) -> Result<bool, AuthError> {
        let changed = self.store.set_platform_admin(id, is_one, self.heard()).await?;
        if changed {
            let action = if is_one { Action::PlatformAdminGranted } else { Action::PlatformAdminRevoked };
            self.audit.note(by.note(action, "ok").on(id));
        }
        Ok(changed)
    }

    /// When every process has read a change that ends no sessions.
    fn heard(&self) -> OffsetDateTime {
        self.clock.now() + AFTERLIFE
    }

    /// When all tokens minted until now have expired, whatever the settings of the server are or were.
    pub(crate) fn until(&self) -> OffsetDateTime {
        self.clock.now() + MAX_LIFETIME + AFTERLIFE
    }
}

/// The events of a change, one for each thing that changed.
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
