//! Accounts: registering, finding, listing, disabling and deleting them.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Listed, StoreError};
use crate::domain::{Account, AccountStatus, Authority, Handle, NewAccount, NewMail, PasswordHash, Role, Session};

/// The store of accounts. `admin` and `passwords` are further capabilities that change accounts.
///
/// Some of these methods end all sessions of an account. They do so by counting up its epoch, which they return, and by
/// storing a revocation of all earlier epochs. Tokens are refused until `until`, when the last of them has expired.
#[async_trait]
pub trait AccountStore: Send + Sync + 'static {
    /// Stores an account; its first session, if it is signed in at once; and the mail that verifies its address.
    async fn insert_account(
        &self,
        account: &NewAccount,
        session: Option<&Session>,
        mail: Option<&NewMail>,
    ) -> Result<(), StoreError>;

    /// Finds the account that signs in with `handle`, whatever its status.
    async fn find_credentials(&self, handle: &Handle) -> Result<Option<Credentials>, StoreError>;

    /// Finds an account, whatever its status.
    async fn find_account(&self, id: Uuid) -> Result<Option<Account>, StoreError>;

    /// Lists up to `limit` accounts with ids after `after`. The order of ids is the order of registration.
    async fn list_accounts(&self, after: Option<Uuid>, limit: u32) -> Result<Listed<Account>, StoreError>;

    /// Replaces the stored hash `old` by `new`. Returns false if the stored hash is another one by now.
    async fn replace_hash(&self, id: Uuid, old: &PasswordHash, new: &PasswordHash) -> Result<bool, StoreError>;

    /// Sets whether an account may sign in. A change to inactive ends all its sessions. Returns the account's epoch, or
    /// `None` if there is no such account or it has that status already.
    async fn set_status(
        &self,
        id: Uuid,
        status: AccountStatus,
        until: OffsetDateTime,
    ) -> Result<Option<i64>, StoreError>;

    /// Gives an email account a role, and ends all its sessions. Returns the new epoch, or `None` if there is no such
    /// email account or it has that role already.
    async fn set_role(&self, id: Uuid, role: Role, until: OffsetDateTime) -> Result<Option<i64>, StoreError>;

    /// Deletes an account and its sessions, and its firm if no other account is in it. Returns the first epoch that was
    /// never used, or `None` if there is no such account. Unless it is `forced`, the last administrator of a firm stays
    /// as in [`update_account`](super::AdminStore::update_account).
    async fn delete_account(
        &self,
        id: Uuid,
        until: OffsetDateTime,
        authority: Authority,
    ) -> Result<Option<i64>, StoreError>;
}

/// An account and what its password is checked against.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub account: Account,
    /// The stored hash; `None` if there is none, or if this service cannot verify it.
    pub password_hash: Option<PasswordHash>,
    /// How often the password was set anew. A sign-in compares this count to notice that it changed meanwhile.
    pub password_changes: i64,
    /// Whether a right password is not enough to sign in.
    pub second_factor: bool,
    /// How often the second factors were changed. A sign-in compares this count, too.
    pub factor_changes: i64,
}
