//! Accounts as they were read last, so that a call of somebody who is known costs no database read. Apart from the use
//! cases because one rule makes it safe, and whoever adds a change to accounts must find it:
//!
//! **Nothing that an [`Account`] tells changes without a revocation.** What ends its sessions (disabling, deleting, another
//! role) raises the epoch in the transaction that makes the change: a token, which carries the epoch of its sign-in, is
//! answered with the account of just that epoch or not from here, and the guard refuses the tokens of an epoch that is over.
//! What does not end them (another name or address, a verified one) stores the revocation of all epochs *before* the present
//! one: it ends nothing, and whoever hears of it forgets the account. This process hears before it acknowledges a change of
//! its own, and within `REVOCATION_STALENESS` of one that another made (the command line is another).
//! Inactive accounts are not kept: enabling one leaves its epoch as it is.
//!
//! An account of a database that was exchanged for another is no fact any more: [`Known::forget_all`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_guard::revocations::Revocation;
use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::domain::{Account, AccountStatus};

/// Some 20 MiB when it is full; what was not asked for lately makes room.
const MOST: usize = 65_536;

/// The accounts that are known.
pub struct Known {
    accounts: Cache<Uuid, Arc<Account>>,
    /// How often something was forgotten.
    forgotten: AtomicU64,
}

/// Before an account is read, to be noted after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading(u64);

impl Known {
    /// The account in this epoch, if it was active then and is remembered.
    pub(super) fn find(&self, id: Uuid, epoch: i64) -> Option<Arc<Account>> {
        self.accounts.get(&id).filter(|account| account.epoch == epoch)
    }

    /// An account is about to be read.
    pub(super) fn begin(&self) -> Reading {
        Reading(self.forgotten.load(Ordering::SeqCst))
    }

    /// Remembers an account, if it is active; unless something was forgotten since the reading began, for it may be that.
    pub(super) fn note(&self, account: &Arc<Account>, Reading(began): Reading) {
        if account.status == AccountStatus::Active {
            self.accounts.insert(account.id, Arc::clone(account));
            // After the insertion: whoever forgets from here on finds it.
            if self.forgotten.load(Ordering::SeqCst) != began {
                self.accounts.remove(&account.id);
            }
        }
    }

    /// Forgets the account that this speaks of, for it tells something else by now.
    pub fn heed(&self, revocation: Revocation) {
        if let Revocation::Account { id, .. } = revocation {
            self.forget(id);
        }
    }

    pub(super) fn forget(&self, id: Uuid) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.accounts.remove(&id);
    }

    /// Forgets all of them, for the database may be another by now.
    pub fn forget_all(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.accounts.clear();
    }
}

impl Default for Known {
    fn default() -> Self {
        Self { accounts: Cache::new(MOST), forgotten: AtomicU64::new(0) }
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("accounts", &self.accounts.len()).finish()
    }
}
