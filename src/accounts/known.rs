//! Accounts as they were read last, so that a call of somebody who is known costs no database read. Apart from the use
//! cases because one rule makes it safe, and whoever adds a change to accounts must find it:
//!
//! **Nothing that an [`Account`] tells changes without its epoch.** Disabling, deleting and a new role raise the epoch in
//! the transaction that makes the change; so an account and an epoch together are a fact, and a token, which carries the
//! epoch of its sign-in, is answered with the account of just that epoch or not from here. What ends an epoch is a
//! revocation: this process knows of it before it acknowledges a change of its own, and within `REVOCATION_STALENESS` of one
//! that another made (the command line is another), and from then on the guard refuses the tokens of that epoch. Nothing
//! needs to be taken out.
//! Inactive accounts are not kept: enabling one leaves its epoch as it is.
//!
//! An account of a database that was exchanged for another is no fact any more: [`Known::forget`].

use std::fmt;
use std::sync::Arc;

use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::domain::{Account, AccountStatus};

/// Some 20 MiB when it is full; what was not asked for lately makes room.
const MOST: usize = 65_536;

/// The accounts that are known.
pub struct Known(Cache<Uuid, Arc<Account>>);

impl Known {
    /// The account in this epoch, if it was active then and is remembered.
    pub(super) fn find(&self, id: Uuid, epoch: i64) -> Option<Arc<Account>> {
        self.0.get(&id).filter(|account| account.epoch == epoch)
    }

    /// Remembers an account, if it is active.
    pub(super) fn note(&self, account: &Arc<Account>) {
        if account.status == AccountStatus::Active {
            self.0.insert(account.id, Arc::clone(account));
        }
    }

    /// Forgets all of them, for the database may be another by now.
    pub fn forget(&self) {
        self.0.clear();
    }
}

impl Default for Known {
    fn default() -> Self {
        Self(Cache::new(MOST))
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").field("accounts", &self.0.len()).finish()
    }
}
