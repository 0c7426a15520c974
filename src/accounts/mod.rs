//! The use cases: register, tell who is calling, sign out; in `login`, signing in, in `guessing`, who may try a password,
//! and in `devices`, from which devices an account has signed in;
//! in `sessions`, listing and ending sessions; in `credentials`, what an owner does with password and address; in
//! `administration`, what administrators do; in `import`, taking accounts in and giving them out; in `audit`, what is kept
//! of all that; in `watch`, telling other services of sessions that ended; and, in `operator`, what the command line does.
//! The only place where store, hashing, tokens and revocations meet.
//!
//! A caller that hangs up drops its future. Waiting for a hash may be dropped; a change of state may not, so each one
//! runs as a task of its own from the first write to the in-memory revocation (`uninterrupted`).

mod administration;
mod audit;
mod credentials;
mod devices;
mod errors;
mod guessing;
mod import;
mod known;
mod login;
mod operator;
mod passwords;
mod places;
mod problems;
mod sessions;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_guard::clock::{Clock, Skew};
use countersign_guard::revocations::{Revocation, Revocations};
use countersign_guard::token::{Claims, IssuedToken, MAX_LIFETIME, NewSession, Profile, Tokens};
use time::OffsetDateTime;
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use crate::activity::Activity;
use crate::budgets::Budgets;
use crate::domain::{
    Account, AccountStatus, Action, AuthError, Call, Client, Detail, Email, Firm, FirmName, Identity, MailKind,
    NewAccount, NewMail, NewPassword, Note, PasswordHash, PersonName, Role, Session, Username, Violations,
};
use crate::hashing::{PasswordHasher, Turn};
use crate::store::{Store, StoreError};

pub use crate::store::{
    AccountChange, AccountRecord, DeadMail, FirmRecord, Invitation, Listed, StoredSession, UnreadableRow, Updated,
};
pub use administration::{
    AccountList, AccountQuestion, AttemptState, AuditList, AuditQuestion, Creation, FirmList, InvitationList, Invited,
    SpentAttempts,
};
pub use audit::Audit;
pub use devices::DeviceEvidence;
pub use import::{Import, Imported};
pub use known::Known;
pub use login::SignedIn;
pub use operator::Operator;
pub use passwords::PasswordRules;
pub use problems::{Mend, Problem, tell_misnamed};
pub use sessions::{Actor, SessionEnd, SessionList};
pub use watch::{Revoked, Watch, WatchEnd};

/// More than any write may wait (a call is given up after 30 seconds, and its write soon after), and more than a replica
/// or another service may slide tokens without having heard of a revocation
/// ([`MAX_STALENESS`](countersign_guard::revocations::MAX_STALENESS)).
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// How much longer than its tokens may live a revocation is remembered: [`LONGEST_WAIT`], and twice the most that a clock may
/// be off. The replica that mints the last token may be ahead, and the one that is shown it behind. When a session ended, and
/// when its end is forgotten, goes by the clock that all share.
const AFTERLIFE: Duration = Duration::from_secs(LONGEST_WAIT.as_secs() + 2 * Skew::MAX.as_secs());

/// How long sessions and tokens live, who may register, and with which passwords.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whether strangers may register.
    pub registration_open: bool,
    /// Whether an email account logs in only after its address was verified.
    pub require_verified_email: bool,
    /// Of a token of a username sign-in.
    pub username_token_lifetime: Duration,
    /// Of a token of an email sign-in.
    pub email_token_lifetime: Duration,
    /// From the sign-in to the last token's expiry.
    pub session_max_lifetime: Duration,
    /// What new passwords are judged by.
    pub passwords: PasswordRules,
}

impl Rules {
    fn token_lifetime(&self, identity: &Identity) -> Duration {
        match identity {
            Identity::Username(_) => self.username_token_lifetime,
            Identity::Email { .. } => self.email_token_lifetime,
        }
    }
}

/// The use cases. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    store: Arc<dyn Store>,
    known: Arc<Known>,
    hasher: PasswordHasher,
    tokens: Tokens,
    revocations: Arc<Revocations>,
    activity: Arc<Activity>,
    audit: Arc<Audit>,
    budgets: Arc<Budgets>,
    clock: Arc<dyn Clock>,
    rules: Arc<Rules>,
}

/// What the use cases are made of.
pub struct Parts {
    /// The database.
    pub store: Arc<dyn Store>,
    /// Hashes and verifies passwords.
    pub hasher: PasswordHasher,
    /// Mints tokens.
    pub tokens: Tokens,
    /// The sessions that are over.
    pub revocations: Arc<Revocations>,
    /// When sessions were last given a token.
    pub activity: Arc<Activity>,
    /// How often who may guess, register and ask for mail.
    pub budgets: Arc<Budgets>,
    /// The time, by the clock that all replicas share.
    pub clock: Arc<dyn Clock>,
    /// How long sessions and tokens live, and who may register.
    pub rules: Rules,
}

/// How a new account will sign in; its ids are not for the registrant to choose.
#[derive(Debug, Clone)]
pub enum Registration {
    /// By username.
    Username(Username),
    /// By email, as the first administrator of a new firm: joining an existing one by typing its name would be a way
    /// into other people's data.
    Email {
        /// The address.
        email: Email,
        /// The person.
        name: PersonName,
        /// The new firm.
        firm_name: FirmName,
    },
}

impl Accounts {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let Parts { store, hasher, tokens, revocations, activity, budgets, clock, rules } = parts;
        let (known, audit) = (Arc::default(), Arc::new(Audit::new(Arc::clone(&clock))));
        Self { store, known, hasher, tokens, revocations, activity, audit, budgets, clock, rules: Arc::new(rules) }
    }

    /// The accounts that it remembers.
    pub fn known(&self) -> &Arc<Known> {
        &self.known
    }

    /// Refuses when registration is closed. Asked before a request is even looked at.
    pub fn require_open_registration(&self, call: &Call) -> Result<(), AuthError> {
        if self.rules.registration_open {
            return Ok(());
        }
        self.audit(Action::Register, call, None, None, "closed");
        Err(AuthError::RegistrationClosed)
    }

    /// Registers an account; signs it in if it is a username account, as that contract has it.
    pub async fn register(
        &self,
        registration: Registration,
        password: NewPassword,
        call: Call,
    ) -> Result<(Account, Option<IssuedToken>), AuthError> {
        self.require_open_registration(&call)?;
        self.require_right_clock()?;
        let signed_in = matches!(registration, Registration::Username(_));
        // Hashed before anything is known about the name: a taken one costs the same as a free one.
        // Once the hash has begun, this registration counts, whoever stays to hear of it.
        let charge = guessing::charge(&self.budgets.registrations, &call).inspect_err(self.audit_too_many(
            Action::Register,
            None,
            &call,
        ))?;
        let turn = turn(&call);
        // A storm of registrations is not one of reads of the disk, too.
        self.hasher.require_room(&turn)?;
        self.rules.passwords.require_unbreached("password", &password).await?;
        let begins = move || charge.spend();
        let password_hash = self.hasher.hash_with(password.as_password(), turn, begins).await?;
        let new = new_account(registration, password_hash, &*self.clock);
        let account = Account {
            id: new.id,
            identity: new.identity.clone(),
            status: AccountStatus::Active,
            epoch: 0,
            created_at: new.created_at,
            platform_admin: false,
        };
        let session = signed_in.then(|| self.new_session(&account, call.client.clone()));
        let mail = match &new.identity {
            Identity::Email { email, .. } => {
                let id = new_id(&*self.clock);
                Some(NewMail::to_address(id, MailKind::VerifyEmail, email.clone(), self.clock.now()))
            }
            Identity::Username(_) => None,
        };
        let (this, opening) = (self.clone(), session.clone());
        uninterrupted(async move {
            let stored = this.store.insert_account(&new, opening.as_ref(), mail.as_ref()).await;
            match &stored {
                Ok(()) => this.audit(Action::Register, &call, None, new.id, "ok"),
                Err(StoreError::HandleTaken) => this.audit(Action::Register, &call, None, None, "taken"),
                // Logged with its cause where it becomes a status.
                Err(_) => {}
            }
            Ok(stored?)
        })
        .await?;
        let token = session.map(|session| self.first_token(&session, &account)).transpose()?;
        Ok((account, token))
    }

    /// The account of an authenticated caller, as of the epoch of its sign-in; from memory, where it is known. The token of
    /// an epoch that is over is not good any more, which is for the guard to tell; [`Known`] has the rule.
    pub async fn who_is(&self, id: Uuid, epoch: i64) -> Result<Arc<Account>, AuthError> {
        // Of a database that was lost one can only tell what it held.
        if self.store.is_in_step()
            && let Some(account) = self.known.find(id, epoch)
        {
            return Ok(account);
        }
        let reading = self.known.begin();
        let account = Arc::new(self.find_active(id, epoch).await?);
        self.known.note(&account, reading);
        Ok(account)
    }

    /// The account of an authenticated caller, as the store has it now. `epoch` is that of the caller's sign-in: a disable that
    /// another process stored, and an enable after it, may both be here before the feed has told of the former.
    async fn find_active(&self, id: Uuid, epoch: i64) -> Result<Account, AuthError> {
        match self.store.find_account(id).await? {
            Some(account) if account.status == AccountStatus::Active && account.epoch == epoch => Ok(account),
            _ => Err(AuthError::AccountGone),
        }
    }

    /// Ends the session of a token, which may have expired, durably and at once. A session that has ended already is as its
    /// owner wants it.
    pub async fn logout(&self, claims: &Claims, call: Call) -> Result<(), AuthError> {
        let Claims { sid: session_id, sub: account_id, epoch, iat, exp, .. } = *claims;
        if self.revocations.contains(session_id, account_id, epoch) {
            return Ok(());
        }
        // When its last token has expired, its end may be forgotten. A token that is still good is revoked in any case.
        if self.tokens.has_expired(claims) && self.store.find_session(session_id).await?.is_none() {
            return Ok(());
        }
        // That of this token, and so of all its tokens. While this waits for the database the session may slide once more:
        // hence longer than that.
        let token_lifetime = Duration::from_secs(exp.saturating_sub(iat).try_into().unwrap_or(0));
        let until = self.clock.now() + token_lifetime.min(MAX_LIFETIME) + AFTERLIFE;
        let this = self.clone();
        uninterrupted(async move {
            this.store.end_session(session_id, until).await?;
            this.revocations.insert(Revocation::Session(session_id), until);
            let note = Note::new(Action::Logout, "ok", &call).by(account_id).on(account_id);
            this.audit.note(note.with(Detail::Session(session_id)));
            Ok(())
        })
        .await
    }

    /// Refuses while this machine's clock is further off than is tolerated: no other replica would accept a token that it
    /// mints, and none of its times would be right.
    fn require_right_clock(&self) -> Result<(), AuthError> {
        if self.revocations.is_clock_off() {
            return Err(AuthError::Unavailable("the clock of this machine is further off than CLOCK_SKEW".into()));
        }
        Ok(())
    }

    fn new_session(&self, account: &Account, client: Client) -> Session {
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

    fn first_token(&self, session: &Session, account: &Account) -> Result<IssuedToken, AuthError> {
        Ok(self.tokens.issue(NewSession {
            account_id: account.id,
            session_id: session.id,
            epoch: session.epoch,
            token_lifetime: session.token_lifetime,
            profile: profile(&account.identity),
        })?)
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("known", &self.known).finish_non_exhaustive()
    }
}

/// Its place in the hash lane.
fn turn(call: &Call) -> Turn {
    Turn { client: call.client.address, deadline: call.deadline }
}

fn new_account(registration: Registration, password_hash: PasswordHash, clock: &dyn Clock) -> NewAccount {
    let (identity, created_at) = (registrant(registration, clock), to_the_second(clock.now()));
    NewAccount { id: new_id(clock), identity, joins: false, password_hash: Some(password_hash), created_at }
}

/// Who somebody becomes who registers.
fn registrant(registration: Registration, clock: &dyn Clock) -> Identity {
    match registration {
        Registration::Username(username) => Identity::Username(username),
        Registration::Email { email, name, firm_name } => {
            let firm = Firm { id: new_id(clock), name: firm_name };
            Identity::Email { email, name, firm, role: Role::Admin, verified: false }
        }
    }
}

fn to_the_second(time: OffsetDateTime) -> OffsetDateTime {
    time.replace_nanosecond(0).unwrap_or(time)
}

/// A request with one field that needs another value.
fn refuse_field(field: &'static str, description: &'static str) -> AuthError {
    let mut violations = Violations::default();
    violations.add(field, description);
    AuthError::Validation(violations)
}

/// A UUID of version 7: in the order of time, and unlikely to collide; not a secret.
fn new_id(clock: &dyn Clock) -> Uuid {
    let now = clock.now();
    let seconds = now.unix_timestamp().try_into().unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, now.nanosecond()))
}

/// What a token shows of an account.
pub fn profile(identity: &Identity) -> Profile {
    match identity {
        Identity::Username(username) => Profile::Username { username: username.to_string() },
        Identity::Email { email, firm, role, .. } => {
            Profile::Email { email: email.to_string(), firm_id: firm.id, role: role.as_str().to_owned() }
        }
    }
}

/// Runs a change of state to its end, whether or not the caller stays to hear of it.
async fn uninterrupted<T: Send + 'static>(
    change: impl Future<Output = Result<T, AuthError>> + Send + 'static,
) -> Result<T, AuthError> {
    tokio::spawn(change.instrument(Span::current()))
        .await
        .unwrap_or_else(|panic| Err(AuthError::Internal(panic.into())))
}
