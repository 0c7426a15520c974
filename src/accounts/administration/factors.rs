//! Removing the second factors of an account whose owner has lost them, by an administrator or the operator.

use uuid::Uuid;

use super::changes::{By, Changes};
use crate::accounts::actor::Actor;
use crate::accounts::core::Accounts;
use crate::accounts::errors::refuse_field;
use crate::accounts::notices::notify_owner;
use crate::accounts::tasks::run_to_end;
use crate::domain::{Action, AuthError, Call, MailKind};
use crate::store::FactorChange;

impl Accounts {
    /// Removes the second factors of another account.
    pub(crate) async fn remove_second_factors(&self, actor: &Actor, id: Uuid, call: Call) -> Result<(), AuthError> {
        let (own, _) = self.commanded(actor, id, &call).await?;
        if id == own.id {
            // Otherwise a stolen token would be enough to do without the second factor.
            return Err(refuse_field("account_id", "is your own: remove your factor with your password"));
        }
        let (this, by) = (self.clone(), By::Account(own.id, call));
        let removed = run_to_end(async move { this.changes().remove_second_factors(&by, id).await });
        if removed.await? { Ok(()) } else { Err(AuthError::NoSecondFactor) }
    }
}

impl Changes {
    /// Removes the second factors of an account and tells its owner. Returns whether there were any.
    pub(crate) async fn remove_second_factors(&self, by: &By, id: Uuid) -> Result<bool, AuthError> {
        let removed = self.store.change_factors(&FactorChange::RemoveOf { account_id: id }).await?;
        if removed {
            self.audit.note(by.note(Action::SecondFactorsRemoved, "ok").on(id));
            // An account that cannot be read has no address to notify.
            if let Ok(Some(account)) = self.store.find_account(id).await {
                notify_owner(&*self.store, &*self.clock, &account, MailKind::SecondFactorRemoved).await;
            }
        }
        Ok(removed)
    }
}
