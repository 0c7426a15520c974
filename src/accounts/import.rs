//! Taking accounts in with their hashes, and giving all of them out: what the command line and administrators of the whole
//! service do. Apart from the other use cases because it speaks of thousands at a time and signs nobody in.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::quality::RandomState;
use time::OffsetDateTime;
use uuid::Uuid;

use super::administration::Reach;
use super::{Accounts, Actor, Operator, new_id, uninterrupted};
use crate::domain::{Action, AuditEvent, AuthError, Call, Detail, Note, Origin, PortableAccount};
use crate::store::{Listed, Store};

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
    /// How many are new so far.
    stored: u64,
}

impl Import {
    async fn begin(store: &Arc<dyn Store>, dry_run: bool) -> Result<Self, AuthError> {
        let epochs = Arc::new(store.ended_epochs().await?);
        Ok(Self { store: Arc::clone(store), epochs, seen: dry_run.then(Seen::default), stored: 0 })
    }

    /// Stores those that are new, all in one transaction, or only tells which would be; what became of each, in order.
    pub async fn take(&mut self, accounts: Vec<PortableAccount>) -> Result<Vec<Imported>, AuthError> {
        if accounts.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(seen) = &mut self.seen {
            let judged = self.store.preview_import(&accounts).await?;
            return Ok(accounts.iter().zip(judged).map(|(account, judged)| seen.judge(account, judged)).collect());
        }
        let (store, epochs) = (Arc::clone(&self.store), Arc::clone(&self.epochs));
        let imported = uninterrupted(async move { Ok(store.import(&accounts, &epochs).await?) }).await?;
        self.stored += imported.iter().filter(|imported| **imported == Imported::New).count() as u64;
        Ok(imported)
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
    pub async fn import(&self, actor: &Actor, call: &Call, dry_run: bool) -> Result<Import, AuthError> {
        self.require_platform_admin(actor, call).await?;
        Import::begin(&self.store, dry_run).await
    }

    /// An import has ended, as far as it came.
    pub fn tell_import(&self, actor: &Actor, call: &Call, import: &Import) {
        let note = Note::new(Action::Import, "ok", call).by(actor.account_id);
        self.audit.note(note.with(Detail::Accounts(import.stored)));
    }

    /// Begins an export, for an administrator of the whole service: the first page of all accounts with their hashes.
    pub async fn export(&self, actor: &Actor, call: &Call) -> Result<Listed<PortableAccount>, AuthError> {
        self.require_platform_admin(actor, call).await?;
        self.audit(Action::Export, call, actor.account_id, None, "ok");
        Ok(self.store.export_page(None, PAGE).await?)
    }

    /// The page after `after`; empty after the last one.
    pub async fn export_after(
        &self,
        actor: &Actor,
        call: &Call,
        after: Uuid,
    ) -> Result<Listed<PortableAccount>, AuthError> {
        self.require_platform_admin(actor, call).await?;
        Ok(self.store.export_page(Some(after), PAGE).await?)
    }

    /// Refuses unless the store says at this moment that the actor administers the whole service.
    pub async fn require_platform_admin(&self, actor: &Actor, call: &Call) -> Result<(), AuthError> {
        match self.administrator(actor, call).await? {
            (_, Reach::Everything) => Ok(()),
            _ => self.not_allowed(actor, None, call),
        }
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

    /// An import has ended, as far as it came. One that stored nothing, or only looked, is not told.
    pub async fn tell_import(&self, import: &Import) -> Result<(), AuthError> {
        if import.stored == 0 {
            return Ok(());
        }
        self.tell(Action::Import, Detail::Accounts(import.stored)).await
    }

    /// An export begins.
    pub async fn tell_export(&self) -> Result<(), AuthError> {
        self.tell(Action::Export, Detail::None).await
    }

    /// A page of all accounts with their hashes, after `after`; empty after the last one.
    pub async fn export(&self, after: Option<Uuid>) -> Result<Listed<PortableAccount>, AuthError> {
        Ok(self.store.export_page(after, PAGE).await?)
    }

    async fn tell(&self, action: Action, detail: Detail) -> Result<(), AuthError> {
        let note = Note::from(action, "ok", Origin::CommandLine).with(detail);
        let (id, at) = (new_id(&*self.clock), self.clock.now().truncate_to_millisecond());
        Ok(self.store.append_events(&[AuditEvent { id, at, note }]).await?)
    }
}
