//! What administrators do with the accounts of others. Who may is decided here and nowhere else, by what the store says at
//! the moment of the call, whatever a token says: a platform administrator everything, an administrator of a firm what
//! is of that firm, anybody else nothing. `changes` is what is changed, the same for the command line, which needs no leave;
//! `accounts`, `invitations` and `attempts` what RPCs change, `listing` and `trail` what they ask for.

mod accounts;
mod attempts;
mod changes;
mod invitations;
mod listing;
mod trail;

use uuid::Uuid;

use super::{Accounts, Actor};
use crate::domain::{Account, Action, AuthError, Call, Identity, Role};
use crate::store::Outline;

pub use accounts::Creation;
pub use attempts::{AttemptState, SpentAttempts};
pub(super) use changes::{By, Changes};
pub use invitations::{InvitationList, Invited};
pub use listing::{AccountList, AccountQuestion, FirmList};
pub use trail::{AuditList, AuditQuestion};

/// What an administrator administers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All of it.
    Everything,
    /// This firm.
    Firm(Uuid),
}

impl Reach {
    /// That of an account; `None` when it administers nothing.
    pub fn of(own: &Account) -> Option<Self> {
        match &own.identity {
            _ if own.platform_admin => Some(Self::Everything),
            Identity::Email { firm, role: Role::Admin, .. } => Some(Self::Firm(firm.id)),
            _ => None,
        }
    }

    /// Whether it may see this account.
    pub fn sees(self, other: &Outline) -> bool {
        match self {
            Self::Everything => true,
            Self::Firm(own) => other.member.is_some_and(|(firm, _)| firm == own),
        }
    }

    /// Whether it may change this account and end its sessions: who administers the whole service is not in the hands of a
    /// firm, though in its list.
    pub fn commands(self, other: &Outline) -> bool {
        self.sees(other) && (self == Self::Everything || !other.platform_admin)
    }

    /// The firm that is asked for: any, or the only one there is to be asked for. Another one does not exist.
    fn firm(self, asked: Option<Uuid>) -> Result<Option<Uuid>, AuthError> {
        match self {
            Self::Everything => Ok(asked),
            Self::Firm(own) if asked.is_none_or(|asked| asked == own) => Ok(Some(own)),
            Self::Firm(_) => Err(AuthError::NotFound),
        }
    }
}

/// Where an account belongs.
fn firm_of(account: &Account) -> Option<Uuid> {
    match &account.identity {
        Identity::Email { firm, .. } => Some(firm.id),
        Identity::Username(_) => None,
    }
}

impl Accounts {
    /// Refuses who administers nothing.
    pub async fn require_administrator(&self, actor: &Actor, call: &Call) -> Result<(), AuthError> {
        self.administrator(actor, call).await.map(|_| ())
    }

    /// The account that asks and what it administers.
    pub(super) async fn administrator(&self, actor: &Actor, call: &Call) -> Result<(Account, Reach), AuthError> {
        let own = self.find_active(actor.account_id, actor.epoch).await?;
        match Reach::of(&own) {
            Some(reach) => Ok((own, reach)),
            None => self.not_allowed(actor, None, call),
        }
    }

    /// The account that is to be changed, and the one that asks.
    async fn commanded(&self, actor: &Actor, id: Uuid, call: &Call) -> Result<(Account, Outline), AuthError> {
        let (own, reach) = self.administrator(actor, call).await?;
        let other = self.store.find_outline(id).await?.filter(|other| reach.sees(other)).ok_or(AuthError::NotFound)?;
        if reach.commands(&other) { Ok((own, other)) } else { self.not_allowed(actor, id, call) }
    }

    pub(super) fn not_allowed<T>(
        &self,
        actor: &Actor,
        account: impl Into<Option<Uuid>>,
        call: &Call,
    ) -> Result<T, AuthError> {
        self.audit(Action::Administer, call, actor.account_id, account, "not allowed");
        Err(AuthError::InsufficientPermissions)
    }
}
