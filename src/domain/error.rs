//! The failures of use cases. They have two faces: the client learns the variant, and the log learns its source.
//! Neither holds text that the client sent.

use std::error::Error;
use std::time::Duration;

type Cause = Box<dyn Error + Send + Sync>;

/// The text of an error and of its direct cause, for an operator at a terminal.
pub(crate) fn with_cause(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The request itself is wrong.
    #[error("the request has fields that need another value")]
    Validation(Violations),
    /// Another account signs in with this name.
    #[error("this username or email is already registered")]
    HandleTaken,
    /// Registration is closed to strangers.
    #[error("registration is closed")]
    RegistrationClosed,
    /// The password is wrong, or there is no such account, or it is disabled. The client cannot tell these apart.
    #[error("the username or email and the password do not match")]
    InvalidCredentials,
    /// The token is genuine, but its account is deleted or disabled.
    #[error("the account of this token is gone")]
    AccountGone,
    /// There is no such account, session, firm or invitation, or the caller may not see it. The client cannot tell
    /// these apart. The text names the kind of thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The firm of the account would be left with active accounts and no active administrator.
    #[error("the account is the last active administrator of its firm")]
    LastAdministrator,
    /// The password is right, and this service requires a verified email address first.
    #[error("the email address is not verified: use the link that was sent to it, or ask for another")]
    EmailNotVerified,
    /// The one-time token is unknown, was used, or has expired. The client cannot tell these apart.
    #[error("this link was used already, or has expired: ask for another")]
    OneTimeTokenInvalid,
    /// The code of a sign-in is wrong or was used. The client cannot tell these apart.
    #[error("this code is wrong or was used before: send another one with the same ticket")]
    SecondFactorInvalid,
    /// The ticket of a sign-in is unknown, was used, or has expired, or the account has changed since. The client
    /// cannot tell these apart.
    #[error("this sign-in has expired or was finished: sign in with the password again")]
    LoginTicketInvalid,
    /// There is no master secret to seal the secret of an authenticator app with.
    #[error("this service offers no second factor: its operator must set MASTER_SECRET_FILE")]
    SecondFactorNotOffered,
    /// The account has no second factor, which the call is about.
    #[error("the account has no second factor")]
    NoSecondFactor,
    /// The caller is signed in and may not do this.
    #[error("only an administrator may do this")]
    InsufficientPermissions,
    /// Too many attempts failed on this account or from this address.
    #[error("too many attempts")]
    TooManyAttempts {
        /// The time to wait before the next attempt.
        retry_after: Duration,
    },
    /// Too many sign-ins are waiting already.
    #[error("too many sign-ins are waiting")]
    Overloaded {
        /// The time to wait before the next attempt.
        retry_after: Duration,
    },
    /// The deadline of the caller passed before anything was done.
    #[error("the call ran out of time")]
    OutOfTime,
    /// The database is out of reach.
    #[error("the database is out of reach")]
    Unavailable(#[source] Cause),
    /// The file of breached passwords cannot be read, so the new password cannot be checked.
    #[error("a new password cannot be checked for the moment")]
    PasswordUnchecked(#[source] Cause),
    /// The code has a defect.
    #[error("internal error")]
    Internal(#[source] Cause),
}

/// One field that needs another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The name of the field in the proto.
    pub field: &'static str,
    /// What to change, as it follows the field's name: "must have at least 3 characters".
    pub description: &'static str,
}

/// All bad fields of a request at once; it is not empty when it is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Adds a bad field.
    pub fn add(&mut self, field: &'static str, description: &'static str) {
        self.0.push(Violation { field, description });
    }

    /// Returns a parsed value, or adds the reason why there is none.
    pub fn check<T>(&mut self, field: &'static str, parsed: Result<T, &'static str>) -> Option<T> {
        parsed.map_err(|description| self.add(field, description)).ok()
    }

    /// Whether no field was bad.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bad fields in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.0.iter()
    }
}
