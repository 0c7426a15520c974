//! Creating, changing and deleting the accounts of others. Each change takes effect in this process before it is
//! acknowledged, and in all other processes through the revocation feed.

use std::sync::Arc;

use uuid::Uuid;

use super::changes::{By, Changes};
use super::reach::{Reach, firm_of};
use crate::accounts::actor::Actor;
use crate::accounts::core::{Accounts, turn};
use crate::accounts::errors::refuse_field;
use crate::accounts::guessing::charge;
use crate::accounts::new_rows::{new_id, to_the_second};
use crate::accounts::tasks::run_to_end;
use crate::budgets::Charge;
use crate::domain::{
    Account, AccountChange, AccountRecord, Action, AuthError, Authority, Call, Email, Firm, Identity, MailKind,
    NewAccount, NewMail, Outline, Password, PasswordContext, PersonName, Role, Updated, Username, Violations,
};
use countersign_guard::revocations::Revocation;

/// The identity of an account that an administrator creates.
#[derive(Debug, Clone)]
pub(crate) enum Creation {
    /// A username account, which only a platform administrator may create.
    Username(Username),
    /// An email account of an existing firm.
    Email {
        /// The email address of the account.
        email: Email,
        /// The name of the person.
        name: PersonName,
        /// The firm; the administrator's own if `None`.
        firm: Option<Uuid>,
        /// The role of the account in the firm.
        role: Role,
        /// Whether the address counts as verified.
        verified: bool,
    },
}

impl Accounts {
    /// Creates an account, whether or not registration is open. A link is sent to an address that is not yet verified.
    pub(crate) async fn create_account(
        &self,
        actor: &Actor,
        creation: Creation,
        password: Password,
        call: Call,
    ) -> Result<AccountRecord, AuthError> {
        let context = PasswordContext::of(&self.identity(actor, &creation, &call).await?);
        // Anybody who registers becomes an administrator of a firm, so this must not be a way around the limit of
        // registrations.
        let (_, reach) = self.administrator(actor, &call).await?;
        let charge = (reach != Reach::Everything).then(|| charge(&self.budgets.registrations, &call));
        let charge = charge.transpose().inspect_err(self.audit_too_many(Action::Create, None, &call))?;
        self.hasher.require_room(&turn(&call))?;
        let password = self.check_new_password("password", password, &context).await?;
        let begins = move || charge.into_iter().for_each(Charge::spend);
        let password_hash = self.hasher.hash_with(password.as_password(), turn(&call), begins).await?;
        // Checked again, because the actor may have lost its role during the hash.
        let identity = self.identity(actor, &creation, &call).await?;
        let created_at = to_the_second(self.clock.now());
        let joins = matches!(identity, Identity::Email { .. });
        let id = new_id(&*self.clock);
        let new = NewAccount { id, identity, joins, password_hash: Some(password_hash), created_at };
        let mail = match &new.identity {
            Identity::Email { email, verified: false, .. } => {
                let (id, queued_at) = (new_id(&*self.clock), self.clock.now());
                Some(NewMail::to_address(id, MailKind::VerifyEmail, email.clone(), queued_at))
            }
            _ => None,
        };
        let (this, by) = (self.clone(), By::Account(actor.account_id, call));
        run_to_end(async move {
            this.changes().create(&by, &new, mail.as_ref()).await?;
            this.store.find_record(id).await?.ok_or(AuthError::NotFound("account"))
        })
        .await
    }

    /// Applies the changes that are set. No account may change its own role or status.
    pub(crate) async fn update_account(
        &self,
        actor: &Actor,
        id: Uuid,
        change: AccountChange,
        call: Call,
    ) -> Result<Updated, AuthError> {
        let (own, other) = self.commanded(actor, id, &call).await?;
        require_possible(&own, &other, &change)?;
        let change = AccountChange { authority: Authority::Account(own.id), ..change };
        let (this, by) = (self.clone(), By::Account(own.id, call));
        run_to_end(async move {
            let changes = this.changes();
            let updated = changes.update(&by, id, &change).await?.ok_or(AuthError::NotFound("account"))?;
            if updated.after.epoch == updated.before.epoch {
                this.cache.invalidate(id);
            } else {
                this.ended(id, updated.after.epoch);
            }
            Ok(updated)
        })
        .await
    }

    /// Sets the password of another account and ends all its sessions.
    pub(crate) async fn set_password(
        &self,
        actor: &Actor,
        id: Uuid,
        password: Password,
        call: Call,
    ) -> Result<(), AuthError> {
        self.commanded(actor, id, &call).await?;
        if id == actor.account_id {
            // Otherwise a stolen token would be as good as the password.
            return Err(refuse_field(
                "account_id",
                "is your own: change your password, which asks for the present one",
            ));
        }
        self.hasher.require_room(&turn(&call))?;
        let other = self.store.find_account(id).await?.ok_or(AuthError::NotFound("account"))?;
        let context = PasswordContext::of(&other.identity);
        let password = self.check_new_password("password", password, &context).await?;
        let hash = self.hasher.hash(password.as_password(), turn(&call)).await?;
        self.commanded(actor, id, &call).await?;
        let (this, by) = (self.clone(), By::Account(actor.account_id, call));
        run_to_end(async move {
            let epoch = this.changes().set_password(&by, id, &hash).await?.ok_or(AuthError::NotFound("account"))?;
            this.ended(id, epoch);
            Ok(())
        })
        .await
    }

    /// Deletes another account for good, and ends all its sessions.
    pub(crate) async fn delete_account(&self, actor: &Actor, id: Uuid, call: Call) -> Result<(), AuthError> {
        let (own, other) = self.commanded(actor, id, &call).await?;
        if id == own.id {
            return Err(refuse_field("account_id", "is your own: another administrator must delete it"));
        }
        let (this, by) = (self.clone(), By::Account(own.id, call));
        run_to_end(async move {
            let epoch = this
                .changes()
                .delete(&by, &other, Authority::Account(own.id))
                .await?
                .ok_or(AuthError::NotFound("account"))?;
            this.ended(id, epoch);
            Ok(())
        })
        .await
    }

    /// The identity of the new account, if the actor may create it.
    async fn identity(&self, actor: &Actor, creation: &Creation, call: &Call) -> Result<Identity, AuthError> {
        let (own, reach) = self.administrator(actor, call).await?;
        match creation {
            Creation::Username(username) if reach == Reach::Everything => Ok(Identity::Username(username.clone())),
            Creation::Username(_) => self.not_allowed(actor, None, call),
            // Anybody who registers administers a firm, and must not be able to declare addresses verified.
            Creation::Email { verified: true, .. } if reach != Reach::Everything => self.not_allowed(actor, None, call),
            Creation::Email { email, name, firm, role, verified } => {
                let Some(id) = reach.firm(*firm)?.or(firm_of(&own)) else {
                    return Err(refuse_field("firm_id", "is required: you belong to no firm yourself"));
                };
                let firm: Firm = self.store.find_firm(id).await?.ok_or(AuthError::NotFound("firm"))?.firm;
                let (email, name, role, verified) = (email.clone(), name.clone(), *role, *verified);
                Ok(Identity::Email { email, name, firm, role, verified })
            }
        }
    }

    pub(super) fn changes(&self) -> Changes {
        let (store, audit, clock) = (Arc::clone(&self.store), Arc::clone(&self.audit), Arc::clone(&self.clock));
        Changes { store, audit, clock }
    }

    /// Makes the end of all sessions before `epoch` known in this process.
    fn ended(&self, id: Uuid, epoch: i64) {
        let revocation = Revocation::Account { id, epoch };
        self.revocations.insert(revocation, self.changes().until());
        self.cache.apply(revocation);
    }
}

/// Refuses changes that the kind of account does not allow, and changes of the actor's own role or status.
fn require_possible(own: &Account, other: &Outline, change: &AccountChange) -> Result<(), AuthError> {
    let mut bad = Violations::default();
    let role = other.member.map(|(_, role)| role);
    if role.is_none() && change.name.is_some() {
        bad.add("name", "must not be set: only an email account has one");
    }
    if role.is_none() && change.role.is_some() {
        bad.add("role", "must not be set: only an email account has one");
    }
    if role.is_some() && change.username.is_some() {
        bad.add("username", "must not be set: an email account has none");
    }
    if own.id == other.id {
        if role.is_some() && change.role.is_some_and(|new| Some(new) != role) {
            bad.add("role", "is your own: another administrator must change it");
        }
        if change.status.is_some_and(|new| new != other.status) {
            bad.add("status", "is your own: another administrator must change it");
        }
    }
    if bad.is_empty() { Ok(()) } else { Err(AuthError::Validation(bad)) }
}
