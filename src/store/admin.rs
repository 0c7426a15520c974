//! What administrators ask for and change.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Listed, StoreError};
use crate::domain::{AccountChange, AccountRecord, AccountStatus, FirmRecord, Outline, Role, Updated, Username};

/// What administration needs besides accounts, sessions and passwords.
#[async_trait]
pub trait AdminStore: Send + Sync + 'static {
    /// What decides who may change the account, whether or not all of it can be read.
    async fn find_outline(&self, id: Uuid) -> Result<Option<Outline>, StoreError>;

    /// Up to `limit` usernames with other letters than those of ASCII, of accounts with ids after `after`, in the
    /// order of ids: among them are all that are not in canonical form.
    async fn list_unusual_usernames(
        &self,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Listed<(Uuid, Username)>, StoreError>;

    /// The account, whatever its status.
    async fn find_record(&self, id: Uuid) -> Result<Option<AccountRecord>, StoreError>;

    /// A page of accounts: by their names when the first letters of them are asked for, or else in the order of registration.
    async fn list_records(&self, page: &AccountPage) -> Result<Listed<AccountRecord>, StoreError>;

    /// Changes what is set, in one transaction; `None` when there is no such account. A name and a role are of email
    /// accounts only, a username of the others, and change nothing else. Another role, and a change to inactive, end
    /// all sessions: their tokens are refused until `until`. Any other change is told to all processes, who hear of it
    /// until `heard`.
    async fn update_account(
        &self,
        id: Uuid,
        change: &AccountChange,
        until: OffsetDateTime,
        heard: OffsetDateTime,
    ) -> Result<Option<Updated>, StoreError>;

    /// Makes an account an administrator of the whole service, or not; that it changed is told to all processes, who
    /// hear of it until `heard`. Tells whether it did.
    async fn set_platform_admin(&self, id: Uuid, is_one: bool, heard: OffsetDateTime) -> Result<bool, StoreError>;

    /// The firm.
    async fn find_firm(&self, id: Uuid) -> Result<Option<FirmRecord>, StoreError>;

    /// Up to `limit` firms made after that of this time and id, in the order of their making.
    async fn list_firms(
        &self,
        after: Option<(OffsetDateTime, Uuid)>,
        limit: u32,
    ) -> Result<Listed<FirmRecord>, StoreError>;
}

/// Which accounts to list: those that meet all that is set.
#[derive(Debug, Clone, Default)]
pub struct AccountPage {
    /// Of this firm.
    pub firm: Option<Uuid>,
    /// With this role.
    pub role: Option<Role>,
    /// With this status.
    pub status: Option<AccountStatus>,
    /// In which order, from where.
    pub order: AccountOrder,
    /// At most so many.
    pub limit: u32,
}

/// In which order accounts are listed, and after which of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountOrder {
    /// As they were registered; after that of this time and id.
    Registration(Option<(OffsetDateTime, Uuid)>),
    /// By username or email, byte by byte: those that begin with `prefix`, which is in canonical form.
    Handle {
        /// How they begin.
        prefix: String,
        /// After this one.
        after: Option<String>,
    },
}

impl Default for AccountOrder {
    fn default() -> Self {
        Self::Registration(None)
    }
}

impl AccountChange {
    /// Whether the sessions of an account that was `before` end by it.
    pub(super) fn ends_sessions(&self, before: &Outline) -> bool {
        let role = before.member.is_some_and(|(_, role)| self.role.is_some_and(|new| new != role));
        role || (before.status == AccountStatus::Active && self.status == Some(AccountStatus::Inactive))
    }
}
