//! A cache of accounts, so that an authenticated call needs no database read. Separate from the use cases because one
//! rule makes the cache safe, and every new kind of change to an account must follow it:
//!
//! **Nothing that an [`Account`] shows changes without a revocation.**
//! - A change that ends the account's sessions (disabling, deleting, another role) raises the epoch in its own
//!   transaction. A token carries the epoch of its sign-in and is only answered with the account of that epoch, and the
//!   guard refuses tokens of earlier epochs.
//! - A change that ends no session (another name or address, a verified address) stores the revocation of all epochs
//!   *before* the present one. It ends nothing, but each process that reads it drops the account from its cache.
//! - This process drops the account before it acknowledges a change of its own, and within `REVOCATION_STALENESS` after
//!   a change by another process, such as the command line.
//! - Inactive accounts are not cached, because enabling an account does not raise its epoch.
//!
//! If the database was replaced by another one, nothing in the cache is true any more: [`AccountCache::clear`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::domain::{Account, AccountStatus};
use countersign_guard::revocations::Revocation;

/// Number of accounts in a full cache, which takes some 20 MiB. The least recently used accounts are evicted.
const CAPACITY: usize = 65_536;

/// Active accounts as they were last read from the database.
pub(crate) struct AccountCache {
    accounts: Cache<Uuid, Arc<Account>>,
    /// Number of invalidations so far.
    invalidations: AtomicU64,
}

/// The state of the cache before an account is read from the database.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingRead {
    invalidations: u64,
}

impl AccountCache {
    /// The account in this epoch, if it is cached.
    pub(super) fn find(&self, id: Uuid, epoch: i64) -> Option<Arc<Account>> {
        self.accounts.get(&id).filter(|account| account.epoch == epoch)
    }

    /// Must be called before an account is read from the database to be cached.
    pub(super) fn begin_read(&self) -> PendingRead {
        PendingRead { invalidations: self.invalidations.load(Ordering::SeqCst) }
    }

    /// Caches an account if it is active. Does nothing if anything was invalidated since the read began, because that
    /// may have been this account.
    pub(super) fn insert(&self, account: &Arc<Account>, read: PendingRead) {
        if account.status == AccountStatus::Active {
            self.accounts.insert(account.id, Arc::clone(account));
            // Checked after the insertion: any later invalidation removes the account itself.
            if self.invalidations.load(Ordering::SeqCst) != read.invalidations {
                self.accounts.remove(&account.id);
            }
        }
    }

    /// Drops the account that a revocation names, because the account has changed.
    pub(crate) fn apply(&self, revocation: Revocation) {
        if let Revocation::Account { id, .. } = revocation {
            self.invalidate(id);
        }
    }

    pub(super) fn invalidate(&self, id: Uuid) {
        self.invalidations.fetch_add(1, Ordering::SeqCst);
        self.accounts.remove(&id);
    }

    /// Drops all accounts, because the database may have been replaced.
    pub(crate) fn clear(&self) {
        self.invalidations.fetch_add(1, Ordering::SeqCst);
        self.accounts.clear();
    }
}

impl Default for AccountCache {
    fn default() -> Self {
        Self { accounts: Cache::new(CAPACITY), invalidations: AtomicU64::new(0) }
    }
}

impl fmt::Debug for AccountCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountCache").field("accounts", &self.accounts.len()).finish()
    }
}
