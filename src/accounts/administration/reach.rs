//! Decides which accounts an administrator may see and change: a platform administrator all of them, an administrator
//! of a firm those of the firm, any other account none. Separate because every use case of administrators asks this.

use uuid::Uuid;

use crate::accounts::actor::Actor;
use crate::accounts::core::Accounts;
use crate::domain::{Account, Action, AuthError, Call, Identity, Outline, Role};

/// The accounts that an administrator administers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::accounts) enum Reach {
    /// All accounts and firms.
    Everything,
    /// The accounts of this firm.
    Firm(Uuid),
}

impl Reach {
    /// The reach of an account; `None` if it is no administrator.
    pub(crate) fn of(own: &Account) -> Option<Self> {
        match &own.identity {
            _ if own.platform_admin => Some(Self::Everything),
            Identity::Email { firm, role: Role::Admin, .. } => Some(Self::Firm(firm.id)),
            _ => None,
        }
    }

    /// Whether an administrator with this reach may see an account.
    pub(crate) fn sees(self, other: &Outline) -> bool {
        match self {
            Self::Everything => true,
            Self::Firm(own) => other.member.is_some_and(|(firm, _)| firm == own),
        }
    }

    /// Whether an administrator with this reach may change an account and end its sessions. A firm sees the platform
    /// administrators among its accounts, but may not change them.
    pub(crate) fn commands(self, other: &Outline) -> bool {
        self.sees(other) && (self == Self::Everything || !other.platform_admin)
    }

    /// The firm to which a request is restricted, given the firm that it names. An administrator of a firm is
    /// restricted to that firm, and every other firm does not exist for it.
    pub(super) fn firm(self, asked: Option<Uuid>) -> Result<Option<Uuid>, AuthError> {
        match self {
            Self::Everything => Ok(asked),
            Self::Firm(own) if asked.is_none_or(|asked| asked == own) => Ok(Some(own)),
            Self::Firm(_) => Err(AuthError::NotFound("firm")),
        }
    }
}

/// The firm of an email account.
pub(super) fn firm_of(account: &Account) -> Option<Uuid> {
    match &account.identity {
        Identity::Email { firm, .. } => Some(firm.id),
        Identity::Username(_) => None,
    }
}

impl Accounts {
    /// Refuses an actor that is no administrator.
    pub(crate) async fn require_administrator(&self, actor: &Actor, call: &Call) -> Result<(), AuthError> {
        self.administrator(actor, call).await.map(|_| ())
    }

    /// The account of the actor and its reach.
    pub(in crate::accounts) async fn administrator(
        &self,
        actor: &Actor,
        call: &Call,
    ) -> Result<(Account, Reach), AuthError> {
        let own = self.find_actor(actor).await?;
        match Reach::of(&own) {
            Some(reach) => Ok((own, reach)),
            None => self.not_allowed(actor, None, call),
        }
    }

    /// The account of the actor, and the account that it may change.
    pub(super) async fn commanded(
        &self,
        actor: &Actor,
        id: Uuid,
        call: &Call,
    ) -> Result<(Account, Outline), AuthError> {
        let (own, reach) = self.administrator(actor, call).await?;
        let other = self
            .store
            .find_outline(id)
            .await?
            .filter(|other| reach.sees(other))
            .ok_or(AuthError::NotFound("account"))?;
        if reach.commands(&other) { Ok((own, other)) } else { self.not_allowed(actor, id, call) }
    }

    pub(in crate::accounts) fn not_allowed<T>(
        &self,
        actor: &Actor,
        account: impl Into<Option<Uuid>>,
        call: &Call,
    ) -> Result<T, AuthError> {
        self.audit(Action::Administer, call, actor.account_id, account, "not allowed");
        Err(AuthError::InsufficientPermissions)
    }
}
