//! Accounts that come from elsewhere, and all of them on their way out: a capability of its own because it speaks of a
//! thousand accounts at a time, with their hashes.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use uuid::Uuid;

use super::{Listed, StoreError, rows};
use crate::domain::{Identity, Imported, PasswordHash, PortableAccount};

/// How many accounts go into one statement. Eleven parameters each are far below SQLite's limit of 32,766.
pub(super) const ROWS_A_STATEMENT: usize = 1_000;

/// Taking accounts in, and giving them out.
#[async_trait]
pub trait ImportStore: Send + Sync + 'static {
    /// Stores those accounts whose id and name are free, and their firms where they are missing; changes nothing that is
    /// there. Tells what became of each, in their order. `epochs` is what [`Self::ended_epochs`] told.
    async fn import(
        &self,
        accounts: &[PortableAccount],
        epochs: &HashMap<Uuid, i64>,
    ) -> Result<Vec<Imported>, StoreError>;

    /// What [`Self::import`] would do with each account, if it were the only one.
    async fn judge_import(&self, accounts: &[PortableAccount]) -> Result<Vec<Imported>, StoreError>;

    /// By account, the epoch before which every token is refused. One that was deleted must not come back in an epoch that
    /// is over, or nobody could sign in to it.
    async fn ended_epochs(&self) -> Result<HashMap<Uuid, i64>, StoreError>;

    /// Up to `limit` accounts with ids after `after`, in the order of ids, with their hashes.
    async fn export_page(&self, after: Option<Uuid>, limit: u32) -> Result<Listed<PortableAccount>, StoreError>;
}

/// An account that is stored: its id and its name.
pub(super) type Existing = (Uuid, Option<String>, Option<String>);

/// Accounts that are stored, to be asked about by id and by name.
pub(super) struct Known {
    by_id: HashMap<Uuid, String>,
    by_handle: HashMap<String, Uuid>,
}

impl Known {
    pub fn new(existing: Vec<Existing>) -> Self {
        let mut known = Self { by_id: HashMap::new(), by_handle: HashMap::new() };
        for (id, username, email) in existing {
            // A username has no @ and an email has one, so that they share a map.
            let handle = username.or(email).unwrap_or_default();
            known.by_handle.insert(handle.clone(), id);
            known.by_id.insert(id, handle);
        }
        known
    }

    /// Nothing is known of one that is new.
    pub fn judge(&self, account: &PortableAccount) -> Imported {
        let handle = account.handle();
        match (self.by_id.get(&account.id), self.by_handle.get(handle.as_str())) {
            (Some(name), _) if name == handle.as_str() => Imported::Unchanged,
            (_, Some(_)) => Imported::HandleTaken,
            (Some(_), None) => Imported::IdTaken,
            (None, None) => Imported::New,
        }
    }
}

/// What became of accounts of which `new` were stored just now, and the others found `known`.
pub(super) fn outcomes(
    accounts: &[PortableAccount],
    new: Vec<Existing>,
    known: &Known,
) -> Result<Vec<Imported>, StoreError> {
    let mut new: HashSet<(Uuid, String)> =
        new.into_iter().map(|(id, username, email)| (id, username.or(email).unwrap_or_default())).collect();
    accounts
        .iter()
        .map(|account| {
            // Only the first of two that are the same is new.
            if new.remove(&(account.id, account.handle().as_str().to_owned())) {
                return Ok(Imported::New);
            }
            match known.judge(account) {
                // Who had the name has gone since: to be tried again.
                Imported::New => Err(StoreError::Unavailable("an account was deleted meanwhile".into())),
                known => Ok(known),
            }
        })
        .collect()
}

/// The columns of an account that comes from elsewhere, in the order of the statements.
pub(super) struct Columns<'a> {
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

impl<'a> Columns<'a> {
    pub fn of(account: &'a PortableAccount, epochs: &HashMap<Uuid, i64>) -> Self {
        let created_at = rows::millis(account.created_at);
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

/// The firms of accounts, each once.
pub(super) fn firms(accounts: &[PortableAccount]) -> Vec<(Uuid, &str, i64)> {
    let mut seen = HashSet::new();
    let firms = accounts.iter().filter_map(|account| match &account.identity {
        Identity::Email { firm, .. } => Some((firm.id, firm.name.as_str(), rows::millis(account.created_at))),
        Identity::Username(_) => None,
    });
    firms.filter(|(id, ..)| seen.insert(*id)).collect()
}
