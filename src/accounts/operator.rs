//! The use cases of the command line, beside a running server or without one. They make the same changes as
//! `administration`, without asking for permission: anybody who can run commands on this machine is the operator.
//! Separate from `Accounts` because no tokens and no revocations are needed: a server learns from the store which
//! sessions ended. Each change is in the audit trail before the command reports success.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use uuid::Uuid;

use super::administration::{AttemptState, By, Changes, SpentAttempts, rotation_action};
use super::audit::Audit;
use super::core::AFTERLIFE;
use super::new_rows::{new_id, to_the_second};
use super::register::Registration;
use crate::budgets::lockout;
use crate::domain::{
    Account, AccountChange, AccountRecord, AccountStatus, Action, AttemptKey, AuditEvent, AuthError, Authority,
    DeadMail, Detail, Email, FirmRecord, Handle, Identity, Invitation, KeyId, NewAccount, NewPassword, Outline,
    PersonName, Role, StoredSession, Username,
};
use crate::hashing::{PasswordHasher, Turn};
use crate::keys::{self, Rotation, RotationError};
use crate::store::{
    AccountPage, AuditPage, EndedSession, InvitationPage, Listed, SessionPage, Store, StoreError, StoredAttempts,
    StoredKey,
};
use countersign_guard::clock::Clock;

/// How many events of the audit trail one transaction writes.
const BATCH: usize = 500;

/// How long a command waits for a hash. No other caller wants one in its process, so only a defect makes it wait.
const HASH_DEADLINE: Duration = Duration::from_secs(300);

/// The use cases of the command line.
pub struct Operator {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    audit: Arc<Audit>,
}

impl Operator {
    /// Works on the database of a server, without its settings.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let audit = Arc::new(Audit::new(Arc::clone(&clock)));
        Self { store, clock, audit }
    }

    /// The account that signs in with `handle`.
    pub async fn find(&self, handle: &Handle) -> Result<Option<Account>, AuthError> {
        Ok(self.store.find_credentials(handle).await?.map(|found| found.account))
    }

    /// An account as administrators see it.
    pub async fn record(&self, id: Uuid) -> Result<Option<AccountRecord>, AuthError> {
        Ok(self.store.find_record(id).await?)
    }

    /// The identity of an account to create; by email, it is the first administrator of a new firm.
    pub fn new_identity(&self, registration: Registration) -> Identity {
        registration.identity(&*self.clock)
    }

    /// Creates an account; `joins` if its firm already exists. Returns `None` if the name is taken.
    pub async fn create(
        &self,
        hasher: &PasswordHasher,
        identity: Identity,
        joins: bool,
        password: NewPassword,
    ) -> Result<Option<Uuid>, AuthError> {
        let password_hash = Some(hasher.hash(password.as_password(), patient()).await?);
        let created_at = to_the_second(self.clock.now());
        let new = NewAccount { id: new_id(&*self.clock), identity, joins, password_hash, created_at };
        let made = self.changes().create(&By::Operator, &new, None).await;
        self.settle().await?;
        match made {
            Ok(()) => Ok(Some(new.id)),
            Err(StoreError::HandleTaken) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A page of accounts in the order of `page`.
    pub async fn list(&self, page: &AccountPage) -> Result<Listed<AccountRecord>, AuthError> {
        Ok(self.store.list_records(page).await?)
    }

    /// Enables or disables an account; disabling ends all its sessions. Returns whether that changed anything.
    pub async fn set_status(&self, id: Uuid, status: AccountStatus, forced: bool) -> Result<bool, AuthError> {
        self.update(
            id,
            AccountChange { status: Some(status), authority: authority(forced), ..AccountChange::default() },
        )
        .await
    }

    /// Gives an email account a role; a change ends all its sessions. Returns whether that changed anything.
    pub async fn set_role(&self, id: Uuid, role: Role, forced: bool) -> Result<bool, AuthError> {
        self.update(id, AccountChange { role: Some(role), authority: authority(forced), ..AccountChange::default() })
            .await
    }

    /// Renames the person of an email account. Returns whether that changed anything.
    pub async fn rename(&self, id: Uuid, name: PersonName) -> Result<bool, AuthError> {
        self.update(id, AccountChange { name: Some(name), ..AccountChange::default() }).await
    }

    /// Gives a username account another username. Returns whether that changed anything.
    pub async fn rename_username(&self, id: Uuid, username: Username) -> Result<bool, AuthError> {
        self.update(id, AccountChange { username: Some(username), ..AccountChange::default() }).await
    }

    /// The part of an account that can always be read.
    pub async fn outline(&self, id: Uuid) -> Result<Option<Outline>, AuthError> {
        Ok(self.store.find_outline(id).await?)
    }

    /// Sets a password and ends all sessions of the account. Returns whether the account exists.
    pub async fn set_password(
        &self,
        hasher: &PasswordHasher,
        id: Uuid,
        password: NewPassword,
    ) -> Result<bool, AuthError> {
        let hash = hasher.hash(password.as_password(), patient()).await?;
        let epoch = self.changes().set_password(&By::Operator, id, &hash).await?;
        self.settle().await?;
        Ok(epoch.is_some())
    }

    /// Removes the second factors of an account. Returns whether there were any.
    pub async fn remove_second_factors(&self, id: Uuid) -> Result<bool, AuthError> {
        let removed = self.changes().remove_second_factors(&By::Operator, id).await?;
        self.settle().await?;
        Ok(removed)
    }

    /// Makes an account a platform administrator, or revokes that. Returns whether that changed anything.
    pub async fn set_platform_admin(&self, id: Uuid, is_one: bool) -> Result<bool, AuthError> {
        let changed = self.changes().set_platform_admin(&By::Operator, id, is_one).await?;
        self.settle().await?;
        Ok(changed)
    }

    /// Deletes an account for good and ends all its sessions. Returns whether the account existed.
    pub async fn delete(&self, id: Uuid, forced: bool) -> Result<bool, AuthError> {
        let Some(account) = self.store.find_outline(id).await? else {
            return Ok(false);
        };
        let epoch = self.changes().delete(&By::Operator, &account, authority(forced)).await?;
        self.settle().await?;
        Ok(epoch.is_some())
    }

    /// A page of the live sessions of an account, the newest first.
    pub async fn sessions(
        &self,
        account_id: Uuid,
        after: Option<(OffsetDateTime, Uuid)>,
        limit: u32,
    ) -> Result<Listed<StoredSession>, AuthError> {
        let now = self.clock.now();
        Ok(self.store.list_sessions(account_id, &SessionPage { after, limit, now, tokens_since: now }).await?)
    }

    /// Ends a session. Returns the account of the session, if it existed.
    pub async fn end_session(&self, id: Uuid) -> Result<Option<Uuid>, AuthError> {
        let Some(StoredSession { session, .. }) = self.store.find_session(id).await? else {
            return Ok(None);
        };
        let until = self.clock.now() + AFTERLIFE + session.token_lifetime;
        self.store.end_session(id, until).await?;
        let note = By::Operator.note(Action::Revoke, "ok").on(session.account_id);
        self.audit.note(note.with(Detail::Session(id)));
        self.settle().await?;
        Ok(Some(session.account_id))
    }

    /// Ends all sessions of an account and returns them.
    pub async fn end_sessions(&self, account_id: Uuid) -> Result<Vec<EndedSession>, AuthError> {
        let ended = self.store.end_sessions(account_id, None, self.clock.now() + AFTERLIFE).await?;
        let note = By::Operator.note(Action::Revoke, "ok").on(account_id);
        self.audit.note(note.with(Detail::Sessions(ended.len() as u64)));
        self.settle().await?;
        Ok(ended)
    }

    /// A firm as administrators see it.
    pub async fn firm(&self, id: Uuid) -> Result<Option<FirmRecord>, AuthError> {
        Ok(self.store.find_firm(id).await?)
    }

    /// A page of firms in the order of their creation.
    pub async fn firms(
        &self,
        after: Option<(OffsetDateTime, Uuid)>,
        limit: u32,
    ) -> Result<Listed<FirmRecord>, AuthError> {
        Ok(self.store.list_firms(after, limit).await?)
    }

    /// Invites a person to a firm. The mail is sent by a running server, or by the next one that starts.
    pub async fn invite(&self, firm: Uuid, email: Email, role: Role) -> Result<Invitation, AuthError> {
        let invitation = self.changes().invite(&By::Operator, firm, email, role).await;
        self.settle().await?;
        invitation
    }

    /// A page of the pending invitations to a firm, the newest first.
    pub async fn invitations(
        &self,
        firm: Uuid,
        after: Option<(OffsetDateTime, Uuid)>,
        limit: u32,
    ) -> Result<Listed<Invitation>, AuthError> {
        let page = InvitationPage { after, limit, now: self.clock.now() };
        Ok(self.store.list_invitations(firm, &page).await?)
    }

    /// Withdraws an invitation. Returns it, if it was pending.
    pub async fn revoke_invitation(&self, id: Uuid) -> Result<Option<Invitation>, AuthError> {
        let revoked = self.changes().revoke_invitation(&By::Operator, id).await?;
        self.settle().await?;
        Ok(revoked)
    }

    /// A page of the mails that could not be delivered, in the order of their ids.
    pub async fn dead_mail(&self, after: Option<Uuid>, limit: u32) -> Result<Listed<DeadMail>, AuthError> {
        Ok(self.store.list_dead_mail(after, limit).await?)
    }

    /// Queues an undeliverable mail once more; a running server, or the next one that starts, sends it. Returns whether
    /// the mail was found.
    pub async fn retry_mail(&self, id: Uuid) -> Result<bool, AuthError> {
        let retried = self.store.retry_dead_mail(id, self.clock.now()).await?;
        if retried {
            self.audit.note(By::Operator.note(Action::MailRetried, "ok").with(Detail::Mail(id)));
            self.settle().await?;
        }
        Ok(retried)
    }

    /// The failed guesses at a name, and what they mean for the next guess.
    pub async fn attempt_state(&self, handle: &Handle) -> Result<AttemptState, AuthError> {
        let account = self.find(handle).await?;
        self.changes().attempts(handle, account.as_ref()).await
    }

    /// Forgets the failed guesses at a name. Returns whether there were any.
    pub async fn clear_attempts(&self, handle: &Handle) -> Result<bool, AuthError> {
        let account = self.find(handle).await?;
        let cleared = self.changes().clear_attempts(&By::Operator, handle, account.as_ref()).await?;
        self.settle().await?;
        Ok(cleared)
    }

    /// A page of the attempt counters that have used up their free failures, in the order of keys.
    pub async fn list_attempts(
        &self,
        after: Option<&AttemptKey>,
        limit: u32,
    ) -> Result<Listed<SpentAttempts>, AuthError> {
        let now = self.clock.now();
        let page = self.store.list_attempts(lockout::FREE_FAILURES, after, limit).await?;
        let Listed { found, unreadable, is_last } = page;
        let mut page = Vec::with_capacity(found.len());
        for StoredAttempts { key, account_id, attempts } in found {
            let account = match account_id {
                Some(id) => match self.store.find_account(id).await {
                    // The listing of accounts reports it.
                    Err(StoreError::Corrupt(_)) => None,
                    found => found?,
                },
                None => None,
            };
            page.push(SpentAttempts { key, account, state: AttemptState::of(attempts, now) });
        }
        Ok(Listed { found: page, unreadable, is_last })
    }

    /// A page of the audit trail, the newest event first.
    pub async fn events(&self, page: &AuditPage) -> Result<Listed<AuditEvent>, AuthError> {
        Ok(self.store.list_events(page).await?)
    }

    /// The keys that sign and verify tokens, the oldest first.
    pub async fn signing_keys(&self) -> Result<Vec<StoredKey>, AuthError> {
        Ok(self.store.token_keys().await?.keys)
    }

    /// Lets the next key sign, now or when it has been published for an hour. `lifetime` is the longest one of a token.
    pub async fn rotate_keys(&self, lifetime: Duration, immediately: bool) -> Result<Rotation, RotationError> {
        let rotation = keys::rotate(&*self.store, || self.clock.now(), lifetime, immediately).await?;
        self.audit.note(By::Operator.note(rotation_action(&rotation), "ok").with(Detail::Key(rotation.id)));
        Ok(rotation)
    }

    /// Revokes a key and all tokens that it signed.
    pub async fn revoke_key(&self, id: KeyId) -> Result<(), RotationError> {
        keys::revoke(&*self.store, id, self.clock.now()).await?;
        self.audit.note(By::Operator.note(Action::KeyRevoked, "ok").with(Detail::Key(id)));
        Ok(())
    }

    async fn update(&self, id: Uuid, change: AccountChange) -> Result<bool, AuthError> {
        let updated = self.changes().update(&By::Operator, id, &change).await?;
        self.settle().await?;
        Ok(updated.is_some_and(|updated| updated.is_change()))
    }

    fn changes(&self) -> Changes {
        let (store, audit, clock) = (Arc::clone(&self.store), Arc::clone(&self.audit), Arc::clone(&self.clock));
        Changes { store, audit, clock }
    }

    /// Writes the queued events. An import and the commands of keys call this: every other change does it by itself.
    pub async fn settle(&self) -> Result<(), AuthError> {
        loop {
            let batch = self.audit.unwritten(BATCH);
            if batch.is_empty() {
                return Ok(());
            }
            self.store.append_events(&batch).await?;
            self.audit.written(batch.len());
        }
    }
}

/// The turn of a command at the hash lane.
fn patient() -> Turn {
    Turn { client: None, deadline: Instant::now() + HASH_DEADLINE }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").finish_non_exhaustive()
    }
}

fn authority(forced: bool) -> Authority {
    if forced { Authority::Forced } else { Authority::Operator }
}
