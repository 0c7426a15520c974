//! What the operator does from the command line, beside a running server or without one: what `administration` changes, by
//! whoever may use this machine. Apart from [`Accounts`] because it needs no tokens and holds no revocations: a server hears
//! of the sessions it ends through the store. Each change is in the audit trail before it is said to be done.
//!
//! [`Accounts`]: super::Accounts

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use countersign_guard::clock::Clock;
use time::OffsetDateTime;
use uuid::Uuid;

use super::administration::{AttemptState, By, Changes};
use super::{AFTERLIFE, Audit, LONGEST_WAIT, Registration, new_id, registrant, to_the_second};
use crate::domain::{
    Account, AccountStatus, Action, AuditEvent, AuthError, Detail, Email, Handle, Identity, NewAccount, NewPassword,
    PersonName, Role, Username,
};
use crate::hashing::{PasswordHasher, Turn};
use crate::store::{
    AccountChange, AccountPage, AccountRecord, AuditPage, DeadMail, EndedSession, FirmRecord, Invitation,
    InvitationPage, Listed, Outline, SessionPage, Store, StoreError, StoredSession,
};

/// How many events are written at once.
const BATCH: usize = 500;

/// The operator's use cases.
pub struct Operator {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    audit: Arc<Audit>,
}

impl Operator {
    /// On the database of a server, whose settings it need not know.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let audit = Arc::new(Audit::new(Arc::clone(&clock)));
        Self { store, clock, audit }
    }

    /// The account that signs in with `handle`.
    pub async fn find(&self, handle: &Handle) -> Result<Option<Account>, AuthError> {
        Ok(self.store.find_credentials(handle).await?.map(|found| found.account))
    }

    /// The account, as administrators see it.
    pub async fn record(&self, id: Uuid) -> Result<Option<AccountRecord>, AuthError> {
        Ok(self.store.find_record(id).await?)
    }

    /// Who a registrant becomes: by email, the first administrator of a new firm.
    pub fn registrant(&self, registration: Registration) -> Identity {
        registrant(registration, &*self.clock)
    }

    /// Makes an account; `joins` when its firm is there already. `None` when the name is taken.
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

    /// A page of accounts.
    pub async fn list(&self, page: &AccountPage) -> Result<Listed<AccountRecord>, AuthError> {
        Ok(self.store.list_records(page).await?)
    }

    /// Lets an account sign in, or not; the latter ends all its sessions. Tells whether that changed anything.
    pub async fn set_status(&self, id: Uuid, status: AccountStatus) -> Result<bool, AuthError> {
        self.update(id, AccountChange { status: Some(status), ..AccountChange::default() }).await
    }

    /// Gives an email account a role; a change ends all its sessions. Tells whether that changed anything.
    pub async fn set_role(&self, id: Uuid, role: Role) -> Result<bool, AuthError> {
        self.update(id, AccountChange { role: Some(role), ..AccountChange::default() }).await
    }

    /// Calls the person of an email account otherwise. Tells whether that changed anything.
    pub async fn rename(&self, id: Uuid, name: PersonName) -> Result<bool, AuthError> {
        self.update(id, AccountChange { name: Some(name), ..AccountChange::default() }).await
    }

    /// Has a username account sign in with another one. Tells whether that changed anything.
    pub async fn rename_username(&self, id: Uuid, username: Username) -> Result<bool, AuthError> {
        self.update(id, AccountChange { username: Some(username), ..AccountChange::default() }).await
    }

    /// What can be read of any account.
    pub async fn outline(&self, id: Uuid) -> Result<Option<Outline>, AuthError> {
        Ok(self.store.find_outline(id).await?)
    }

    /// Sets a password and ends all sessions of the account. Tells whether there was one.
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

    /// Makes an account an administrator of the whole service, or not. Tells whether that changed anything.
    pub async fn set_platform_admin(&self, id: Uuid, is_one: bool) -> Result<bool, AuthError> {
        let changed = self.changes().set_platform_admin(&By::Operator, id, is_one).await?;
        self.settle().await?;
        Ok(changed)
    }

    /// Deletes an account for good and ends all its sessions. Tells whether there was one.
    pub async fn delete(&self, id: Uuid) -> Result<bool, AuthError> {
        let Some(account) = self.store.find_outline(id).await? else {
            return Ok(false);
        };
        let epoch = self.changes().delete(&By::Operator, &account).await?;
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

    /// Ends a session. Tells whose it was, if it was there.
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

    /// Ends all sessions of an account.
    pub async fn end_sessions(&self, account_id: Uuid) -> Result<Vec<EndedSession>, AuthError> {
        let ended = self.store.end_sessions(account_id, None, self.clock.now() + AFTERLIFE).await?;
        let note = By::Operator.note(Action::Revoke, "ok").on(account_id);
        self.audit.note(note.with(Detail::Sessions(ended.len() as u64)));
        self.settle().await?;
        Ok(ended)
    }

    /// The firm.
    pub async fn firm(&self, id: Uuid) -> Result<Option<FirmRecord>, AuthError> {
        Ok(self.store.find_firm(id).await?)
    }

    /// A page of firms, in the order of their making.
    pub async fn firms(
        &self,
        after: Option<(OffsetDateTime, Uuid)>,
        limit: u32,
    ) -> Result<Listed<FirmRecord>, AuthError> {
        Ok(self.store.list_firms(after, limit).await?)
    }

    /// Invites somebody to a firm. The mail is sent by a running server, or by the next one that starts.
    pub async fn invite(&self, firm: Uuid, email: Email, role: Role) -> Result<Invitation, AuthError> {
        let invitation = self.changes().invite(&By::Operator, firm, email, role).await;
        self.settle().await?;
        invitation
    }

    /// A page of the invitations to a firm that can be accepted, the newest first.
    pub async fn invitations(
        &self,
        firm: Uuid,
        after: Option<(OffsetDateTime, Uuid)>,
        limit: u32,
    ) -> Result<Listed<Invitation>, AuthError> {
        let page = InvitationPage { after, limit, now: self.clock.now() };
        Ok(self.store.list_invitations(firm, &page).await?)
    }

    /// Withdraws an invitation. Answers what it was, if it could be accepted.
    pub async fn revoke_invitation(&self, id: Uuid) -> Result<Option<Invitation>, AuthError> {
        let revoked = self.changes().revoke_invitation(&By::Operator, id).await?;
        self.settle().await?;
        Ok(revoked)
    }

    /// A page of the mails that were given up, in the order of ids.
    pub async fn dead_mail(&self, after: Option<Uuid>, limit: u32) -> Result<Listed<DeadMail>, AuthError> {
        Ok(self.store.list_dead_mail(after, limit).await?)
    }

    /// Has a mail that was given up tried again, from the beginning, by a running server or the next one that starts. Tells
    /// whether there was one.
    pub async fn retry_mail(&self, id: Uuid) -> Result<bool, AuthError> {
        let retried = self.store.retry_dead_mail(id, self.clock.now()).await?;
        if retried {
            self.audit.note(By::Operator.note(Action::MailRetried, "ok").with(Detail::Mail(id)));
            self.settle().await?;
        }
        Ok(retried)
    }

    /// How often signing in by this name failed.
    pub async fn attempt_state(&self, handle: &Handle) -> Result<AttemptState, AuthError> {
        let account = self.find(handle).await?;
        self.changes().attempts(handle, account.as_ref()).await
    }

    /// Forgets failed sign-ins by this name. Tells whether there were any.
    pub async fn clear_attempts(&self, handle: &Handle) -> Result<bool, AuthError> {
        let account = self.find(handle).await?;
        let cleared = self.changes().clear_attempts(&By::Operator, handle, account.as_ref()).await?;
        self.settle().await?;
        Ok(cleared)
    }

    /// A page of what happened, the newest first.
    pub async fn events(&self, page: &AuditPage) -> Result<Listed<AuditEvent>, AuthError> {
        Ok(self.store.list_events(page).await?)
    }

    async fn update(&self, id: Uuid, change: AccountChange) -> Result<bool, AuthError> {
        let updated = self.changes().update(&By::Operator, id, &change).await?;
        self.settle().await?;
        Ok(updated.is_some_and(|updated| updated.is_change()))
    }

    pub(super) fn changes(&self) -> Changes {
        let (store, audit, clock) = (Arc::clone(&self.store), Arc::clone(&self.audit), Arc::clone(&self.clock));
        Changes { store, audit, clock }
    }

    /// Writes what happened and is not written yet, of an import: all else is written before it is said to be done.
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

/// Nobody else wants a hash here.
fn patient() -> Turn {
    Turn { client: None, deadline: Instant::now() + LONGEST_WAIT }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").finish_non_exhaustive()
    }
}
