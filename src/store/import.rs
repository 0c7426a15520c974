//! Import and export of accounts. A capability of its own, because it handles a thousand accounts at a time, with their
//! hashes.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use uuid::Uuid;

use super::rows::millis;
use super::{Listed, StoreError};
use crate::domain::{Email, Handle, Identity, Imported, PasswordHash, PortableAccount, Username};

/// The accounts of one statement. Eleven parameters for each are far below SQLite's limit of 32,766.
pub(super) const ACCOUNTS_PER_STATEMENT: usize = 1_000;

/// The store of imports and exports.
#[async_trait]
pub trait ImportStore: Send + Sync + 'static {
    /// Stores the accounts with a free id and name, and their firms if they are missing. Changes no stored account.
    /// Returns the result of each, in their order. `epochs` comes from [`Self::ended_epochs`].
    async fn import(
        &self,
        accounts: &[PortableAccount],
        epochs: &HashMap<Uuid, i64>,
    ) -> Result<Vec<Imported>, StoreError>;

    /// Returns what [`Self::import`] would do with each account if it were the only one, and stores nothing.
    async fn preview_import(&self, accounts: &[PortableAccount]) -> Result<Vec<Imported>, StoreError>;

    /// Returns, by account, the epoch before which all tokens are refused. An account that was deleted and is imported
    /// again must begin in that epoch, or all its new tokens would be refused.
    async fn ended_epochs(&self) -> Result<HashMap<Uuid, i64>, StoreError>;

    /// Exports up to `limit` accounts with their hashes, in the order of ids after `after`.
    async fn export_page(&self, after: Option<Uuid>, limit: u32) -> Result<Listed<PortableAccount>, StoreError>;
}

/// A stored account: its id, its username and its email address.
pub(super) type StoredName = (Uuid, Option<String>, Option<String>);

/// The name that a stored account signs in with; `None` if it has none that can be read.
fn handle(username: Option<String>, email: Option<String>) -> Option<Handle> {
    match username {
        Some(username) => Username::stored(username).map(Handle::Username),
        None => Email::stored(email?).map(Handle::Email),
    }
}

/// An index of stored accounts by id and by name.
pub(super) struct StoredNames {
    by_id: HashMap<Uuid, Option<Handle>>,
    by_handle: HashSet<Handle>,
}

impl StoredNames {
    pub(super) fn new(stored: Vec<StoredName>) -> Self {
        let mut names = Self { by_id: HashMap::new(), by_handle: HashSet::new() };
        for (id, username, email) in stored {
            let handle = handle(username, email);
            names.by_handle.extend(handle.clone());
            names.by_id.insert(id, handle);
        }
        names
    }

    /// Compares an account with the stored ones.
    pub(super) fn compare(&self, account: &PortableAccount) -> Imported {
        let handle = account.handle();
        match (self.by_id.get(&account.id), self.by_handle.contains(&handle)) {
            (Some(Some(name)), _) if *name == handle => Imported::Unchanged,
            (_, true) => Imported::HandleTaken,
            (Some(_), false) => Imported::IdTaken,
            (None, false) => Imported::New,
        }
    }
}

/// The result of each account of an import: `new` were stored just now, and the others are compared with `stored`.
pub(super) fn outcomes(
    accounts: &[PortableAccount],
    new: Vec<StoredName>,
    stored: &StoredNames,
) -> Result<Vec<Imported>, StoreError> {
    let mut new: HashSet<(Uuid, Option<Handle>)> =
        new.into_iter().map(|(id, username, email)| (id, handle(username, email))).collect();
    accounts
        .iter()
        .map(|account| {
            // If the import holds the same account twice, only the first is new.
            if new.remove(&(account.id, Some(account.handle()))) {
                return Ok(Imported::New);
            }
            match stored.compare(account) {
                // The account that had the name was deleted since. The caller may try again.
                Imported::New => Err(StoreError::Unavailable("an account was deleted meanwhile".into())),
                found => Ok(found),
            }
        })
        .collect()
}

/// The columns of an imported account, in the order of the statements.
pub(super) struct ImportColumns<'a> {
    pub id: Uuid,
    pub username: Option<&'a str>,
    pub email: Option<&'a str>,
    pub name: Option<&'a str>,
    pub firm_id: Option<Uuid>,
    pub role: Option<&'a str>,
    pub password_hash: String,
    pub status: &'a str,
    pub epoch: i64,
    pub created_at: i64,
    pub email_verified_at: Option<i64>,
}

impl<'a> ImportColumns<'a> {
    pub(super) fn of(account: &'a PortableAccount, epochs: &HashMap<Uuid, i64>) -> Self {
        let created_at = millis(account.created_at);
        let columns = Self {
            id: account.id,
            username: None,
            email: None,
            name: None,
            firm_id: None,
            role: None,
            password_hash: account.password_hash.as_ref().map(PasswordHash::to_phc).unwrap_or_default(),
            status: account.status.as_str(),
            epoch: epochs.get(&account.id).copied().unwrap_or(0),
            created_at,
            email_verified_at: None,
        };
        match &account.identity {
            Identity::Username(username) => Self { username: Some(username.as_str()), ..columns },
            Identity::Email { email, name, firm, role, verified } => Self {
                email: Some(email.as_str()),
                name: Some(name.as_str()),
                firm_id: Some(firm.id),
                role: Some(role.as_str()),
                email_verified_at: verified.then_some(created_at),
                ..columns
            },
        }
    }
}

/// The firms of imported accounts, each once: its id, its name and the time of the first account.
pub(super) fn firms(accounts: &[PortableAccount]) -> Vec<(Uuid, &str, i64)> {
    let mut seen = HashSet::new();
    let firms = accounts.iter().filter_map(|account| match &account.identity {
        Identity::Email { firm, .. } => Some((firm.id, firm.name.as_str(), millis(account.created_at))),
        Identity::Username(_) => None,
    });
    firms.filter(|(id, ..)| seen.insert(*id)).collect()
}
