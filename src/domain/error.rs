//! What can go wrong. Two faces: a variant is what the client learns, its source is what the log learns. Neither ever
//! holds what the client typed.

use std::error::Error;
use std::time::Duration;

type Source = Box<dyn Error + Send + Sync>;

/// The text of an error and of its direct cause, for an operator at a terminal.
pub fn with_cause(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The request itself is wrong.
    #[error("the request has fields that need another value")]
    Validation(Violations),
    /// Another account signs in with this.
    #[error("this username or email is already registered")]
    HandleTaken,
    /// Registration is closed.
    #[error("registration is closed")]
    RegistrationClosed,
    /// Wrong password, no such account, or a disabled one: never told apart.
    #[error("the username or email and the password do not match")]
    InvalidCredentials,
    /// The token verified, but its account is no longer there or no longer active.
    #[error("the account of this token is gone")]
    AccountGone,
    /// There is no such account or session, or it is not the caller's to see: never told apart.
    #[error("there is no such session or account")]
    NotFound,
    /// The password is right, and this service wants the email address verified first.
    #[error("the email address is not verified: use the link that was sent to it, or ask for another")]
    EmailNotVerified,
    /// The one-time token is none, was used, or has expired: never told apart.
    #[error("this link was used already, or has expired: ask for another")]
    OneTimeTokenInvalid,
    /// The caller is signed in and may not do this.
    #[error("only an administrator may do this")]
    InsufficientPermissions,
    /// Too many failed attempts on this account or from this address.
    #[error("too many attempts")]
    TooManyAttempts {
        /// When to try again.
        retry_after: Duration,
    },
    /// Too many sign-ins are waiting already.
    #[error("too many sign-ins are waiting")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// The caller's time passed before anything was done.
    #[error("the call ran out of time")]
    OutOfTime,
    /// The database is out of reach.
    #[error("the database is out of reach")]
    Unavailable(#[source] Source),
    /// Whether a new password is known from a breach cannot be found out.
    #[error("a new password cannot be checked for the moment")]
    PasswordUnchecked(#[source] Source),
    /// A defect.
    #[error("internal error")]
    Internal(#[source] Source),
}

/// One field that needs another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's name in the proto.
    pub field: &'static str,
    /// What to change, as it follows the field's name: "must have at least 3 characters".
    pub description: &'static str,
}

/// Every bad field of a request at once; never empty when it is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Takes note of a bad field.
    pub fn add(&mut self, field: &'static str, description: &'static str) {
        self.0.push(Violation { field, description });
    }

    /// Keeps a parsed value, or takes note of why there is none.
    pub fn check<T>(&mut self, field: &'static str, parsed: Result<T, &'static str>) -> Option<T> {
        parsed.map_err(|description| self.add(field, description)).ok()
    }

    /// Whether no field was bad.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bad fields in the order they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.0.iter()
    }
}
