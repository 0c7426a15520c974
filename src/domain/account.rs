//! Accounts, their firms and their sessions.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{Client, Email, FirmName, Handle, PasswordHash, PersonName, Username};

/// An account as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The id, which is never reused.
    pub id: Uuid,
    /// How the account signs in.
    pub identity: Identity,
    /// Whether the account may sign in at all.
    pub status: AccountStatus,
    /// How many times all sessions of the account were ended at once. A token carries the epoch of its sign-in, and a
    /// token of an earlier epoch is revoked. It is a counter rather than a time, so that no clock decides which
    /// sessions live.
    pub epoch: i64,
    /// The time of registration, in whole seconds.
    pub created_at: OffsetDateTime,
    /// Whether the account administers the whole service. Only the command line grants that.
    pub platform_admin: bool,
}

/// How an account signs in, and the data that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// An account that signs in by username.
    Username(Username),
    /// An account that signs in by email, and belongs to a firm.
    Email {
        /// The address, unique across firms.
        email: Email,
        /// The name of the person.
        name: PersonName,
        /// The firm that the account belongs to.
        firm: Firm,
        /// The role of the account within its firm.
        role: Role,
        /// Whether the owner has proved that mail to the address arrives.
        verified: bool,
    },
}

impl Identity {
    /// Returns the name that the account signs in with.
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
    /// The id, which is never reused.
    pub id: Uuid,
    /// The name, which need not be unique.
    pub name: FirmName,
}

/// What an account may do within its firm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// An administrator of the firm's accounts.
    Admin,
    /// An account that works with the firm's data.
    User,
    /// An account that reads the firm's data.
    Viewer,
}

impl Role {
    /// Returns the spelling in tokens, both JSON APIs and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
            Self::Viewer => "viewer",
        }
    }

    /// Reads what [`Self::as_str`] returns.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Admin, Self::User, Self::Viewer].into_iter().find(|role| role.as_str() == text)
    }
}

/// Whether an account may sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountStatus {
    /// The account may sign in.
    Active,
    /// The account may not sign in, and none of its sessions is live.
    Inactive,
}

impl AccountStatus {
    /// Returns the spelling in the database and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
        }
    }

    /// Reads what [`Self::as_str`] returns.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Inactive].into_iter().find(|status| status.as_str() == text)
    }
}

/// An account that is about to be stored. Callers give its ids and times; the store makes none.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The id, which no other account may have.
    pub id: Uuid,
    /// How the account will sign in.
    pub identity: Identity,
    /// Whether the firm of an email identity exists; otherwise it is created with the account.
    pub joins: bool,
    /// The hash of the password; `None` until a reset or an administrator sets one.
    pub password_hash: Option<PasswordHash>,
    /// The time of registration.
    pub created_at: OffsetDateTime,
}

impl NewAccount {
    /// Returns the time at which its email was verified, if the email counts as verified.
    pub fn verified_at(&self) -> Option<OffsetDateTime> {
        matches!(self.identity, Identity::Email { verified: true, .. }).then_some(self.created_at)
    }
}

/// One sign-in. Every token of it carries its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The `sid` of its tokens.
    pub id: Uuid,
    /// The account that signed in.
    pub account_id: Uuid,
    /// The epoch of the account at the sign-in.
    pub epoch: i64,
    /// The time at which the password was checked.
    pub created_at: OffsetDateTime,
    /// The time at which its last token expires, however often it is refreshed.
    pub expires_at: OffsetDateTime,
    /// How long each of its tokens is valid.
    pub token_lifetime: Duration,
    /// The program and address of the sign-in.
    pub client: Client,
}
