//! The type [`Accounts`], the parts that it is made of, and the steps that several use cases share. Each use case adds
//! an `impl Accounts` in a file of its own; this file depends on none of them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::account_cache::AccountCache;
use super::actor::Actor;
use super::audit::Audit;
use super::new_rows::new_id;
use super::passwords::PasswordRules;
use crate::activity::Activity;
use crate::budgets::Budgets;
use crate::domain::password_hash::HashCost;
use crate::domain::{
    Account, AccountStatus, Action, AuthError, Call, Client, Identity, NewPassword, Note, Password, PasswordContext,
    PasswordPolicy, Session,
};
use crate::hashing::{PasswordHasher, Turn};
use crate::keys::{MasterSecret, TokenKeys};
use crate::store::Store;
use countersign_guard::clock::{Clock, Skew};
use countersign_guard::revocations::Revocations;
use countersign_guard::token::{IssuedToken, NewSession, Profile, Tokens};

/// The longest time between the decision to mint a token and the last use of a session that was ended meanwhile. A call
/// is given up after 30 seconds and its write soon after, and a replica or another service accepts tokens without
/// having heard of a revocation for at most [`MAX_STALENESS`](countersign_guard::revocations::MAX_STALENESS).
const MAX_PROPAGATION: Duration = Duration::from_secs(300);

/// How much longer than the lifetime of its tokens a revocation is remembered: [`MAX_PROPAGATION`], and twice the
/// largest tolerated clock skew. The replica that mints the last token may be ahead, and the replica that receives it
/// behind. Revocations begin and expire by the clock that all replicas share.
pub(super) const AFTERLIFE: Duration = Duration::from_secs(MAX_PROPAGATION.as_secs() + 2 * Skew::MAX.as_secs());

/// How long sessions and tokens live, whether registration is open, and which passwords may be set.
#[derive(Debug, Clone)]
pub(crate) struct AccountRules {
    /// Whether anybody may register.
    pub registration_open: bool,
    /// Whether an email account may sign in only after its address was verified.
    pub require_verified_email: bool,
    /// The most that an imported hash may cost.
    pub import_hash_cost: HashCost,
    /// Lifetime of the tokens of username accounts.
    pub username_token_lifetime: Duration,
    /// Lifetime of the tokens of email accounts.
    pub email_token_lifetime: Duration,
    /// Longest time from a sign-in to the expiry of its last token.
    pub session_max_lifetime: Duration,
    /// The rules for new passwords.
    pub passwords: PasswordRules,
    /// The name of this service in authenticator apps.
    pub service: String,
}

impl AccountRules {
    fn token_lifetime(&self, identity: &Identity) -> Duration {
        match identity {
            Identity::Username(_) => self.username_token_lifetime,
            Identity::Email { .. } => self.email_token_lifetime,
        }
    }
}

/// The use cases of the service. Cheap to clone.
///
/// A caller that disconnects drops the future of its call. Waiting for a hash may be dropped; a change of state may
/// not. Each change therefore runs as a task of its own, from the first write to the in-memory revocation
/// (`tasks::run_to_end`).
#[derive(Clone)]
pub(crate) struct Accounts {
    pub(super) store: Arc<dyn Store>,
    pub(super) cache: Arc<AccountCache>,
    pub(super) hasher: PasswordHasher,
    pub(super) tokens: Tokens,
    pub(super) keys: Arc<TokenKeys>,
    pub(super) master: Option<Arc<MasterSecret>>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) activity: Arc<Activity>,
    pub(super) audit: Arc<Audit>,
    pub(super) budgets: Arc<Budgets>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rules: Arc<AccountRules>,
}

/// The parts that [`Accounts`] is made of.
pub(crate) struct AccountsParts {
    /// The database of the service.
    pub store: Arc<dyn Store>,
    /// Hashes and verifies passwords.
    pub hasher: PasswordHasher,
    /// Mints and verifies tokens.
    pub tokens: Tokens,
    /// The keys that sign and verify tokens.
    pub keys: Arc<TokenKeys>,
    /// What seals the secrets of authenticator apps. Without it, nobody can add one.
    pub master: Option<Arc<MasterSecret>>,
    /// The sessions that were ended early.
    pub revocations: Arc<Revocations>,
    /// The time of each session's latest token.
    pub activity: Arc<Activity>,
    /// Rate limits of guesses, registrations and requests for mail.
    pub budgets: Arc<Budgets>,
    /// The time, by the clock that all replicas share.
    pub clock: Arc<dyn Clock>,
    /// Lifetimes, registration and password rules.
    pub rules: AccountRules,
}

impl Accounts {
    /// Assembles the use cases from their parts.
    pub(crate) fn new(parts: AccountsParts) -> Self {
        let AccountsParts { store, hasher, tokens, keys, master, revocations, activity, budgets, clock, rules } = parts;
        let (cache, audit) = (Arc::default(), Arc::new(Audit::new(Arc::clone(&clock))));
        Self {
            store,
            cache,
            hasher,
            tokens,
            keys,
            master,
            revocations,
            activity,
            audit,
            budgets,
            clock,
            rules: Arc::new(rules),
        }
    }

    /// The accounts that are held in memory.
    pub(crate) fn cache(&self) -> &Arc<AccountCache> {
        &self.cache
    }

    /// The events that are not yet written to the audit trail.
    pub(crate) fn audit_queue(&self) -> &Arc<Audit> {
        &self.audit
    }

    /// The policy for new passwords, for callers that report every invalid field of a request at once.
    pub(crate) fn policy(&self) -> &PasswordPolicy {
        &self.rules.passwords.policy
    }

    /// The account of an authenticated caller in the epoch of its sign-in, from memory if it is cached. Whether a token
    /// of an earlier epoch is still accepted is decided by the guard; [`AccountCache`] explains why that is safe.
    pub(crate) async fn who_is(&self, id: Uuid, epoch: i64) -> Result<Arc<Account>, AuthError> {
        // While the connection to the database is lost, the cache may not be in step with it.
        if self.store.is_in_step()
            && let Some(account) = self.cache.find(id, epoch)
        {
            return Ok(account);
        }
        let read = self.cache.begin_read();
        let account = Arc::new(self.find_active(id, epoch).await?);
        self.cache.insert(&account, read);
        Ok(account)
    }

    /// The account of an authenticated caller as the store has it now. `epoch` is the epoch of the caller's sign-in:
    /// another process may have disabled and enabled the account again before the feed has reported the first change.
    async fn find_active(&self, id: Uuid, epoch: i64) -> Result<Account, AuthError> {
        match self.store.find_account(id).await? {
            Some(account) if account.status == AccountStatus::Active && account.epoch == epoch => Ok(account),
            _ => Err(AuthError::AccountGone),
        }
    }

    /// Finds the account of an actor, and refuses if the store does not have the actor's session. For calls that can do
    /// harm to others: a signature alone does not prove a sign-in, because anybody with the key can make one.
    pub(super) async fn find_actor(&self, actor: &Actor) -> Result<Account, AuthError> {
        let session = self.store.find_session(actor.session_id).await?;
        if session.is_none_or(|found| found.session.account_id != actor.account_id) {
            return Err(AuthError::AccountGone);
        }
        self.find_active(actor.account_id, actor.epoch).await
    }

    /// Refuses while the clock of this machine is further off than is tolerated. No other replica would accept a token
    /// minted here, and every stored time would be wrong.
    pub(super) fn require_right_clock(&self) -> Result<(), AuthError> {
        if self.revocations.is_clock_off() {
            return Err(AuthError::Unavailable("the clock of this machine is further off than CLOCK_SKEW".into()));
        }
        Ok(())
    }

    /// Whether the account may not sign in before its address is verified.
    pub(super) fn lacks_verified_email(&self, account: &Account) -> bool {
        self.rules.require_verified_email && matches!(account.identity, Identity::Email { verified: false, .. })
    }

    pub(super) fn new_session(&self, account: &Account, client: Client) -> Session {
        let now = self.clock.now();
        Session {
            id: new_id(&*self.clock),
            account_id: account.id,
            epoch: account.epoch,
            created_at: now,
            expires_at: now + self.rules.session_max_lifetime,
            token_lifetime: self.rules.token_lifetime(&account.identity),
            client,
        }
    }

    pub(super) fn first_token(&self, session: &Session, account: &Account) -> Result<IssuedToken, AuthError> {
        Ok(self.tokens.issue(NewSession {
            account_id: account.id,
            session_id: session.id,
            epoch: session.epoch,
            token_lifetime: session.token_lifetime,
            profile: profile(&account.identity),
        })?)
    }

    /// Checks a password that is about to be set for the account of `context`, before it is hashed. `field` is the name
    /// of the field in the request.
    pub(super) async fn check_new_password(
        &self,
        field: &'static str,
        password: Password,
        context: &PasswordContext,
    ) -> Result<NewPassword, AuthError> {
        self.rules.passwords.check(field, password, context).await
    }

    /// Records an event: its actor, the account that it concerns, and its result, which is `ok` or another fixed text.
    pub(super) fn audit(
        &self,
        action: Action,
        call: &Call,
        actor: impl Into<Option<Uuid>>,
        account: impl Into<Option<Uuid>>,
        result: &'static str,
    ) {
        self.audit.note(Note::new(action, result, call).by(actor).on(account));
    }

    /// Records a call that exceeded a rate limit. The returned function is applied to the error of a call, and ignores
    /// every other error.
    pub(super) fn audit_too_many(
        &self,
        action: Action,
        account: Option<Uuid>,
        call: &Call,
    ) -> impl Fn(&AuthError) + use<'_> {
        let note = Note::new(action, "too many attempts", call).on(account);
        move |error| {
            if matches!(error, AuthError::TooManyAttempts { .. }) {
                self.audit.note(note.clone());
            }
        }
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("cache", &self.cache).finish_non_exhaustive()
    }
}

/// The position of a call in the queue of the hash lane.
pub(super) fn turn(call: &Call) -> Turn {
    Turn { client: call.client.address, deadline: call.deadline }
}

/// The part of an account that its tokens carry.
pub(crate) fn profile(identity: &Identity) -> Profile {
    match identity {
        Identity::Username(username) => Profile::Username { username: username.to_string() },
        Identity::Email { email, firm, role, .. } => {
            Profile::Email { email: email.to_string(), firm_id: firm.id, role: role.as_str().to_owned() }
        }
    }
}
