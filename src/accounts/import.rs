//! Importing accounts with their password hashes, and exporting all of them, for the command line and for platform
//! administrators. Separate from the other use cases because it handles thousands of accounts at a time and signs
//! nobody in.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::quality::RandomState;
use uuid::Uuid;

use super::actor::Actor;
use super::administration::Reach;
use super::core::Accounts;
use super::new_rows::new_id;
use super::operator::Operator;
use super::tasks::run_to_end;
use crate::domain::password_hash::{HashTerms, SinglePasses};
use crate::domain::{
    Action, AuditEvent, AuthError, Call, Detail, ImportTerms, Imported, Note, Origin, PortableAccount,
};
use crate::store::{Listed, Store};

/// How many accounts an export reads in one page.
const PAGE: u32 = 500;

/// An import that is in progress.
pub struct Import {
    store: Arc<dyn Store>,
    /// The last epochs of recently deleted accounts, which an account with the same id must not use again.
    epochs: Arc<HashMap<Uuid, i64>>,
    /// The accounts that a dry run would have stored; `None` unless it is one.
    dry_run: Option<DryRun>,
    /// How many accounts were stored so far.
    stored: u64,
}

impl Import {
    async fn begin(store: &Arc<dyn Store>, dry_run: bool) -> Result<Self, AuthError> {
        let epochs = Arc::new(store.ended_epochs().await?);
        Ok(Self { store: Arc::clone(store), epochs, dry_run: dry_run.then(DryRun::default), stored: 0 })
    }

    /// Stores the new ones of `accounts` in one transaction, or checks which are new in a dry run. Returns the result
    /// for each account, in order.
    pub async fn take(&mut self, accounts: Vec<PortableAccount>) -> Result<Vec<Imported>, AuthError> {
        if accounts.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(dry_run) = &mut self.dry_run {
            let in_store = self.store.preview_import(&accounts).await?;
            return Ok(accounts.iter().zip(in_store).map(|(account, result)| dry_run.take(account, result)).collect());
        }
        let (store, epochs) = (Arc::clone(&self.store), Arc::clone(&self.epochs));
        let imported = run_to_end(async move { Ok(store.import(&accounts, &epochs).await?) }).await?;
        self.stored += imported.iter().filter(|imported| **imported == Imported::New).count() as u64;
        Ok(imported)
    }
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").field("dry_run", &self.dry_run.is_some()).finish_non_exhaustive()
    }
}

/// The accounts of a dry run so far, by hashes of their ids and names (some 70 MiB a million), so that duplicates
/// within the import are found as well. A collision of two 64-bit hashes is too unlikely to matter for a dry run.
#[derive(Default)]
struct DryRun {
    by_id: HashMap<u64, u64>,
    by_handle: HashMap<u64, u64>,
    hasher: RandomState,
}

impl DryRun {
    /// The result for an account, given its result by the store alone.
    fn take(&mut self, account: &PortableAccount, in_store: Imported) -> Imported {
        if in_store != Imported::New {
            return in_store;
        }
        let (id, handle) = (self.hasher.hash_one(account.id), self.hasher.hash_one(account.handle()));
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
    /// Begins an import for a platform administrator.
    pub(crate) async fn import(&self, actor: &Actor, call: &Call, dry_run: bool) -> Result<Import, AuthError> {
        self.require_platform_admin(actor, call).await?;
        Import::begin(&self.store, dry_run).await
    }

    /// Records an import that has ended, completely or not.
    pub(crate) fn record_import(&self, actor: &Actor, call: &Call, import: &Import) {
        let note = Note::new(Action::Import, "ok", call).by(actor.account_id);
        self.audit.note(note.with(Detail::Accounts(import.stored)));
    }

    /// Begins an export for a platform administrator and returns the first page of all accounts with their hashes.
    pub(crate) async fn export(&self, actor: &Actor, call: &Call) -> Result<Listed<PortableAccount>, AuthError> {
        self.require_platform_admin(actor, call).await?;
        self.audit(Action::Export, call, actor.account_id, None, "ok");
        Ok(self.store.export_page(None, PAGE).await?)
    }

    /// The page of an export after the account `after`; empty after the last account.
    pub(crate) async fn export_after(
        &self,
        actor: &Actor,
        call: &Call,
        after: Uuid,
    ) -> Result<Listed<PortableAccount>, AuthError> {
        self.require_platform_admin(actor, call).await?;
        Ok(self.store.export_page(Some(after), PAGE).await?)
    }

    /// Refuses unless the actor is a platform administrator, as the store has it now.
    pub(crate) async fn require_platform_admin(&self, actor: &Actor, call: &Call) -> Result<(), AuthError> {
        match self.administrator(actor, call).await? {
            (_, Reach::Everything) => Ok(()),
            _ => self.not_allowed(actor, None, call),
        }
    }

    /// What an import through the API takes. Hashes of a single pass would cost the server a hash each.
    pub(crate) fn import_terms(&self) -> ImportTerms {
        let (bound, single_passes) = (self.rules.import_hash_cost, SinglePasses::None);
        let hashes = HashTerms { bound, single_passes, ..HashTerms::default() };
        ImportTerms { now: self.clock.now(), hashes }
    }
}

impl Operator {
    /// Begins an import from the command line.
    pub async fn import(&self, dry_run: bool) -> Result<Import, AuthError> {
        Import::begin(&self.store, dry_run).await
    }

    /// Records an import that has ended, completely or not. An import that stored nothing is not recorded.
    pub async fn record_import(&self, import: &Import) -> Result<(), AuthError> {
        if import.stored == 0 {
            return Ok(());
        }
        self.record_transfer(Action::Import, Detail::Accounts(import.stored)).await
    }

    /// Records that an export begins.
    pub async fn record_export(&self) -> Result<(), AuthError> {
        self.record_transfer(Action::Export, Detail::None).await
    }

    /// A page of all accounts with their hashes, after the account `after`; empty after the last account.
    pub async fn export(&self, after: Option<Uuid>) -> Result<Listed<PortableAccount>, AuthError> {
        Ok(self.store.export_page(after, PAGE).await?)
    }

    async fn record_transfer(&self, action: Action, detail: Detail) -> Result<(), AuthError> {
        let note = Note::from(action, "ok", Origin::CommandLine).with(detail);
        let (id, at) = (new_id(&*self.clock), self.clock.now().truncate_to_millisecond());
        Ok(self.store.append_events(&[AuditEvent { id, at, note }]).await?)
    }
}
