//! Accounts, their firms and their sessions.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Client, Email, FirmName, Handle, PasswordHash, PersonName, Username};

/// An account as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Never reused.
    pub id: Uuid,
    /// How it signs in.
    pub identity: Identity,
    /// Whether it may sign in at all.
    pub status: AccountStatus,
    /// Counts the times that all its sessions were ended at once. A token carries the epoch of its sign-in: one of an
    /// earlier epoch is dead. A counter rather than a time, so that no clock decides who is signed in.
    pub epoch: i64,
    /// When it was registered, to the second.
    pub created_at: OffsetDateTime,
    /// Whether it administers the whole service. Only the command line makes it so.
    pub platform_admin: bool,
}

/// How an account signs in, and what comes with that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// By username.
    Username(Username),
    /// By email; belongs to a firm.
    Email {
        /// Unique across firms.
        email: Email,
        /// The person's name.
        name: PersonName,
        /// Where the account belongs.
        firm: Firm,
        /// What it may do there.
        role: Role,
        /// Whether its owner proved that mail to the address arrives.
        verified: bool,
    },
}

impl Identity {
    /// What is typed to sign in.
    pub fn handle(&self) -> Handle {
        match self {
            Self::Username(username) => Handle::Username(username.clone()),
            Self::Email { email, .. } => Handle::Email(email.clone()),
        }
    }
}

/// A tenant: the group that email accounts belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firm {
    /// Never reused.
    pub id: Uuid,
    /// Not unique.
    pub name: FirmName,
}

/// What an account may do within its firm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Administers the firm's accounts.
    Admin,
    /// Works with the firm's data.
    User,
    /// Reads the firm's data.
    Viewer,
}

impl Role {
    /// As tokens, both JSON APIs and the database spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
            Self::Viewer => "viewer",
        }
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Admin, Self::User, Self::Viewer].into_iter().find(|role| role.as_str() == text)
    }
}

/// Whether an account may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountStatus {
    /// It may.
    Active,
    /// It may not, and none of its sessions lives.
    Inactive,
}

impl AccountStatus {
    /// As the database and the command line spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }

    /// The reverse of [`Self::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Inactive].into_iter().find(|status| status.as_str() == text)
    }
}

/// An account about to be stored. Ids and times are given to the store, never made by it.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Its id.
    pub id: Uuid,
    /// How it will sign in.
    pub identity: Identity,
    /// Whether the firm of an email identity is there already; otherwise it is made with the account.
    pub joins: bool,
    /// Its password; `None` until one is set by a reset or an administrator.
    pub password_hash: Option<PasswordHash>,
    /// Now.
    pub created_at: OffsetDateTime,
}

impl NewAccount {
    /// When its email was verified, if it is: at once.
    pub fn verified_at(&self) -> Option<OffsetDateTime> {
        matches!(self.identity, Identity::Email { verified: true, .. }).then_some(self.created_at)
    }
}

/// One sign-in. Every token of it carries its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The `sid` of its tokens.
    pub id: Uuid,
    /// Whose it is.
    pub account_id: Uuid,
    /// The account's epoch at sign-in.
    pub epoch: i64,
    /// When the password was checked.
    pub created_at: OffsetDateTime,
    /// When its last token expires, however often it slides: the ceiling.
    pub expires_at: OffsetDateTime,
    /// How long each of its tokens lives.
    pub token_lifetime: Duration,
    /// Where the sign-in came from.
    pub client: Client,
}
