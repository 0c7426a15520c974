//! Administration: finding, filtering and changing accounts and firms.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Listed, StoreError};
use crate::domain::{AccountChange, AccountRecord, AccountStatus, FirmRecord, Outline, Role, Updated, Username};

/// The store of administration, besides accounts, sessions and passwords.
#[async_trait]
pub trait AdminStore: Send + Sync + 'static {
    /// Finds what decides who may change an account, also of an account with columns that cannot be read.
    async fn find_outline(&self, id: Uuid) -> Result<Option<Outline>, StoreError>;

    /// Lists up to `limit` usernames that contain other characters than those of ASCII, in the order of ids after
    /// `after`. Every username that is not in canonical form is among them.
    async fn list_unusual_usernames(
        &self,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Listed<(Uuid, Username)>, StoreError>;

    /// Finds an account, whatever its status.
    async fn find_record(&self, id: Uuid) -> Result<Option<AccountRecord>, StoreError>;

    /// Lists a page of accounts, in the order that the page asks for.
    async fn list_records(&self, page: &AccountPage) -> Result<Listed<AccountRecord>, StoreError>;

    /// Changes an account, in one transaction; `None` if there is no such account. A name or a role given for a
    /// username account is ignored, and so is a username given for an email account.
    ///
    /// Unless the change is forced, the error is [`StoreError::LastAdministrator`] if the account is the last active
    /// administrator of a firm that has other active accounts, or keeps this one. Of two administrators that demote
    /// each other at once, one gets the error.
    ///
    /// Another role and a change to inactive end all sessions; their tokens are refused until `until`. Any other change
    /// is announced to all processes by a revocation that ends nothing and is kept until `heard`.
    async fn update_account(
        &self,
        id: Uuid,
        change: &AccountChange,
        until: OffsetDateTime,
        heard: OffsetDateTime,
    ) -> Result<Option<Updated>, StoreError>;

    /// Makes an account an administrator of the whole service, or takes that right away. The change is announced as in
    /// [`Self::update_account`]. Returns false if nothing changed.
    async fn set_platform_admin(&self, id: Uuid, is_one: bool, heard: OffsetDateTime) -> Result<bool, StoreError>;

    /// Finds a firm with the number of its accounts.
    async fn find_firm(&self, id: Uuid) -> Result<Option<FirmRecord>, StoreError>;

    /// Lists up to `limit` firms created after the firm of this time and id, the oldest first.
    async fn list_firms(
        &self,
        after: Option<(OffsetDateTime, Uuid)>,
        limit: u32,
    ) -> Result<Listed<FirmRecord>, StoreError>;
}

/// Selects a page of accounts. An account must match every filter that is set.
#[derive(Debug, Clone, Default)]
pub struct AccountPage {
    /// The firm of the accounts; `None` for accounts of every firm and of none.
    pub firm: Option<Uuid>,
    /// The role of the accounts; `None` for every role and for username accounts.
    pub role: Option<Role>,
    /// The status of the accounts; `None` for either.
    pub status: Option<AccountStatus>,
    /// The order of the accounts, with the place where the page begins.
    pub order: AccountOrder,
    /// The largest number of accounts in the page.
    pub limit: u32,
}

/// The order of a list of accounts, and the account before the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountOrder {
    /// The order of registration, after the account of this time and id.
    Registration(Option<(OffsetDateTime, Uuid)>),
    /// The order of username or email address, compared byte by byte, and of ids where a username and an email address
    /// are the same text.
    Handle {
        /// The beginning of the names to list, in canonical form.
        prefix: String,
        /// The name and the id of the account before the page.
        after: Option<(String, Uuid)>,
    },
}

impl Default for AccountOrder {
    fn default() -> Self {
        Self::Registration(None)
    }
}

impl AccountChange {
    /// Whether this change ends the sessions of an account that was `before`.
    pub(super) fn ends_sessions(&self, before: &Outline) -> bool {
        let role = before.member.is_some_and(|(_, role)| self.role.is_some_and(|new| new != role));
        role || (before.status == AccountStatus::Active && self.status == Some(AccountStatus::Inactive))
    }
}
