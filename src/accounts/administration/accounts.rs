//! Making, changing and deleting accounts of others, as RPCs ask for it. Each change is heard of by this process before it is
//! answered, and by all others through the feed.

use std::sync::Arc;

use countersign_guard::revocations::Revocation;
use uuid::Uuid;

use super::{By, Changes, Reach};
use crate::accounts::guessing::charge;
use crate::accounts::{Accounts, Actor, new_id, refuse_field, to_the_second, turn, uninterrupted};
use crate::budgets::Charge;
use crate::domain::{
    Account, Action, AuthError, Call, Email, Firm, Identity, MailKind, NewAccount, NewMail, Password, PasswordContext,
    PersonName, Role, Username, Violations,
};
use crate::store::{AccountChange, AccountRecord, Outline, Updated};

/// How an account that is made for somebody will sign in.
#[derive(Debug, Clone)]
pub enum Creation {
    /// By username, which only a platform administrator makes.
    Username(Username),
    /// By email.
    Email {
        /// The address.
        email: Email,
        /// The person.
        name: PersonName,
        /// The firm, which is there already; the own one when `None`.
        firm: Option<Uuid>,
        /// What it may do there.
        role: Role,
        /// Whether the address needs no proof any more.
        verified: bool,
    },
}

impl Accounts {
    /// Makes an account, whether registration is open or not, and has a link sent to an address that needs proof.
    pub async fn create_account(
        &self,
        actor: &Actor,
        creation: Creation,
        password: Password,
        call: Call,
    ) -> Result<AccountRecord, AuthError> {
        let context = PasswordContext::of(&self.identity(actor, &creation, &call).await?);
        // Whoever may register administers a firm: this is no way around that budget.
        let (_, reach) = self.administrator(actor, &call).await?;
        let charge = (reach != Reach::Everything).then(|| charge(&self.budgets.registrations, &call));
        let charge = charge.transpose().inspect_err(self.audit_too_many(Action::Create, None, &call))?;
        self.hasher.require_room(&turn(&call))?;
        let password = self.judge_new_password("password", password, &context).await?;
        let begins = move || charge.into_iter().for_each(Charge::spend);
        let password_hash = self.hasher.hash_with(password.as_password(), turn(&call), begins).await?;
        // Again: by now the one who asks may be no administrator any more.
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
        uninterrupted(async move {
            this.changes().create(&by, &new, mail.as_ref()).await?;
            this.store.find_record(id).await?.ok_or(AuthError::NotFound)
        })
        .await
    }

    /// Changes what is set of an account. Nobody changes the own role or status.
    pub async fn update_account(
        &self,
        actor: &Actor,
        id: Uuid,
        change: AccountChange,
        call: Call,
    ) -> Result<Updated, AuthError> {
        let (own, other) = self.commanded(actor, id, &call).await?;
        require_possible(&own, &other, &change)?;
        let (this, by) = (self.clone(), By::Account(own.id, call));
        uninterrupted(async move {
            let changes = this.changes();
            let updated = changes.update(&by, id, &change).await?.ok_or(AuthError::NotFound)?;
            if updated.after.epoch == updated.before.epoch {
                this.known.forget(id);
            } else {
                this.ended(id, updated.after.epoch);
            }
            Ok(updated)
        })
        .await
    }

    /// Sets the password of another account and ends all its sessions.
    pub async fn set_password(&self, actor: &Actor, id: Uuid, password: Password, call: Call) -> Result<(), AuthError> {
        self.commanded(actor, id, &call).await?;
        if id == actor.account_id {
            // Or a stolen token would be as good as the password.
            return Err(refuse_field(
                "account_id",
                "is your own: change your password, which asks for the present one",
            ));
        }
        self.hasher.require_room(&turn(&call))?;
        let other = self.store.find_account(id).await?.ok_or(AuthError::NotFound)?;
        let context = PasswordContext::of(&other.identity);
        let password = self.judge_new_password("password", password, &context).await?;
        let hash = self.hasher.hash(password.as_password(), turn(&call)).await?;
        self.commanded(actor, id, &call).await?;
        let (this, by) = (self.clone(), By::Account(actor.account_id, call));
        uninterrupted(async move {
            let epoch = this.changes().set_password(&by, id, &hash).await?.ok_or(AuthError::NotFound)?;
            this.ended(id, epoch);
            Ok(())
        })
        .await
    }

    /// Deletes another account for good and ends all its sessions.
    pub async fn delete_account(&self, actor: &Actor, id: Uuid, call: Call) -> Result<(), AuthError> {
        let (own, other) = self.commanded(actor, id, &call).await?;
        if id == own.id {
            return Err(refuse_field("account_id", "is your own: another administrator must delete it"));
        }
        let (this, by) = (self.clone(), By::Account(own.id, call));
        uninterrupted(async move {
            let epoch = this.changes().delete(&by, &other).await?.ok_or(AuthError::NotFound)?;
            this.ended(id, epoch);
            Ok(())
        })
        .await
    }

    /// Who the new account will be, if the one who asks may make it.
    async fn identity(&self, actor: &Actor, creation: &Creation, call: &Call) -> Result<Identity, AuthError> {
        let (own, reach) = self.administrator(actor, call).await?;
        match creation {
            Creation::Username(username) if reach == Reach::Everything => Ok(Identity::Username(username.clone())),
            Creation::Username(_) => self.not_allowed(actor, None, call),
            // Or everybody could be anybody: who may register administers a firm.
            Creation::Email { verified: true, .. } if reach != Reach::Everything => self.not_allowed(actor, None, call),
            Creation::Email { email, name, firm, role, verified } => {
                let Some(id) = reach.firm(*firm)?.or(super::firm_of(&own)) else {
                    return Err(refuse_field("firm_id", "is required: you belong to no firm yourself"));
                };
                let firm: Firm = self.store.find_firm(id).await?.ok_or(AuthError::NotFound)?.firm;
                let (email, name, role, verified) = (email.clone(), name.clone(), *role, *verified);
                Ok(Identity::Email { email, name, firm, role, verified })
            }
        }
    }

    pub(in crate::accounts) fn changes(&self) -> Changes {
        let (store, audit, clock) = (Arc::clone(&self.store), Arc::clone(&self.audit), Arc::clone(&self.clock));
        Changes { store, audit, clock }
    }

    /// All sessions of an account that began before `epoch` have ended: heard of in this process from now on.
    fn ended(&self, id: Uuid, epoch: i64) {
        let revocation = Revocation::Account { id, epoch };
        self.revocations.insert(revocation, self.changes().until());
        self.known.heed(revocation);
    }
}

/// Refuses what cannot be changed of an account, or not by oneself.
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
