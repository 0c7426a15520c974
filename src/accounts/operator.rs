//! What the operator does from the command line, beside a running server or without one. Apart from [`Accounts`]
//! because it needs no tokens and holds no revocations: a server hears of the sessions it ends through the store.
//!
//! [`Accounts`]: super::Accounts

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{LONGEST_WAIT, Registration, new_account};
use crate::clock::Clock;
use crate::domain::{Account, AccountStatus, AuthError, Handle, NewPassword, Role};
use crate::hashing::{PasswordHasher, Turn};
use crate::store::{Store, StoreError};
use crate::token::MAX_LIFETIME;

/// How many accounts a listing reads at once.
const PAGE: u32 = 500;

/// The operator's use cases.
pub struct Operator {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Operator {
    /// On the database of a server, whose settings it need not know.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// The account that signs in with `handle`.
    pub async fn find(&self, handle: &Handle) -> Result<Option<Account>, AuthError> {
        Ok(self.store.find_credentials(handle).await?.map(|found| found.account))
    }

    /// Registers an account, whether registration is open or not; `None` when the name is taken.
    pub async fn create(
        &self,
        hasher: &PasswordHasher,
        registration: Registration,
        password: NewPassword,
    ) -> Result<Option<Uuid>, AuthError> {
        let turn = Turn { client: None, deadline: Instant::now() + LONGEST_WAIT };
        let password_hash = hasher.hash(password.as_password(), turn).await?;
        let new = new_account(registration, password_hash, &*self.clock);
        match self.store.insert_account(&new, None, None).await {
            Ok(()) => Ok(Some(new.id)),
            Err(StoreError::HandleTaken) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The accounts after `after`, a page at a time, in the order of registration.
    pub async fn list(&self, after: Option<Uuid>) -> Result<Vec<Account>, AuthError> {
        Ok(self.store.list_accounts(after, PAGE).await?)
    }

    /// Lets an account sign in, or not; the latter ends all its sessions. Tells whether that changed anything.
    pub async fn set_status(&self, id: Uuid, status: AccountStatus) -> Result<bool, AuthError> {
        Ok(self.store.set_status(id, status, self.until()).await?.is_some())
    }

    /// Gives an email account a role; a change ends all its sessions. Tells whether that changed anything.
    pub async fn set_role(&self, id: Uuid, role: Role) -> Result<bool, AuthError> {
        Ok(self.store.set_role(id, role, self.until()).await?.is_some())
    }

    /// Deletes an account for good and ends all its sessions. Tells whether there was one.
    pub async fn delete(&self, id: Uuid) -> Result<bool, AuthError> {
        Ok(self.store.delete_account(id, self.until()).await?.is_some())
    }

    /// By when no token lives that was minted until now, whatever the server's settings are or were.
    fn until(&self) -> OffsetDateTime {
        self.clock.now() + MAX_LIFETIME + LONGEST_WAIT
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").finish_non_exhaustive()
    }
}
