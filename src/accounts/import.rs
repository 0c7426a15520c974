//! Taking accounts in with their hashes, and giving all of them out: what the command line and administrators of the whole
//! service do. Apart from the other use cases because it speaks of thousands at a time and signs nobody in.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::quality::RandomState;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Accounts, Actor, Operator, uninterrupted};
use crate::domain::{AuthError, PortableAccount};
use crate::store::Store;

pub use crate::store::Imported;

/// How many accounts an export reads at once.
const PAGE: u32 = 500;

/// An import under way.
pub struct Import {
    store: Arc<dyn Store>,
    /// Of accounts that were deleted lately.
    epochs: Arc<HashMap<Uuid, i64>>,
    /// In a dry run: what would have been stored.
    seen: Option<Seen>,
}

impl Import {
    async fn begin(store: &Arc<dyn Store>, dry_run: bool) -> Result<Self, AuthError> {
        let epochs = Arc::new(store.ended_epochs().await?);
        Ok(Self { store: Arc::clone(store), epochs, seen: dry_run.then(Seen::default) })
    }

    /// Stores those that are new, all in one transaction, or only tells which would be; what became of each, in order.
    pub async fn take(&mut self, accounts: Vec<PortableAccount>) -> Result<Vec<Imported>, AuthError> {
        if accounts.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(seen) = &mut self.seen {
            let judged = self.store.judge_import(&accounts).await?;
            return Ok(accounts.iter().zip(judged).map(|(account, judged)| seen.judge(account, judged)).collect());
        }
        let (store, epochs) = (Arc::clone(&self.store), Arc::clone(&self.epochs));
        uninterrupted(async move { Ok(store.import(&accounts, &epochs).await?) }).await
    }
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").field("dry_run", &self.seen.is_some()).finish_non_exhaustive()
    }
}

/// The accounts of a dry run, so that two of one name are found in what would come, too: a hash of each id and each name,
/// some 70 MiB a million. Two names of one hash are likelier to be struck by lightning than to meet here.
#[derive(Default)]
struct Seen {
    by_id: HashMap<u64, u64>,
    by_handle: HashMap<u64, u64>,
    hasher: RandomState,
}

impl Seen {
    fn judge(&mut self, account: &PortableAccount, judged: Imported) -> Imported {
        if judged != Imported::New {
            return judged;
        }
        let (id, handle) = (self.hasher.hash_one(account.id), self.hasher.hash_one(account.handle().as_str()));
        match (self.by_id.get(&id), self.by_handle.get(&handle)) {
            (Some(of_id), _) if *of_id == handle => Imported::Unchanged,
            (_, Some(_)) => Imported::HandleTaken,
            (Some(_), None) => Imported::IdTaken,
            (None, None) => {
                self.by_id.insert(id, handle);
                self.by_handle.insert(handle, id);
                Imported::New
            }
        }
    }
}

impl Accounts {
    /// Begins an import, for an administrator of the whole service.
    pub async fn import(&self, actor: &Actor, dry_run: bool) -> Result<Import, AuthError> {
        self.require_platform_admin(actor).await?;
        Import::begin(&self.store, dry_run).await
    }

    /// A page of all accounts with their hashes, after `after`, for an administrator of the whole service; empty after the
    /// last one.
    pub async fn export(&self, actor: &Actor, after: Option<Uuid>) -> Result<Vec<PortableAccount>, AuthError> {
        self.require_platform_admin(actor).await?;
        Ok(self.store.export_page(after, PAGE).await?)
    }

    /// Refuses unless the store says at this moment that the actor administers the whole service.
    pub async fn require_platform_admin(&self, actor: &Actor) -> Result<(), AuthError> {
        let own = self.find_active(actor.account_id, actor.epoch).await?;
        if own.platform_admin { Ok(()) } else { Err(AuthError::InsufficientPermissions) }
    }

    /// The time, for what comes without one.
    pub fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }
}

impl Operator {
    /// Begins an import.
    pub async fn import(&self, dry_run: bool) -> Result<Import, AuthError> {
        Import::begin(&self.store, dry_run).await
    }

    /// A page of all accounts with their hashes, after `after`; empty after the last one.
    pub async fn export(&self, after: Option<Uuid>) -> Result<Vec<PortableAccount>, AuthError> {
        Ok(self.store.export_page(after, PAGE).await?)
    }
}
