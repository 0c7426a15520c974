//! Translates failures of the store, the hash lane, the budgets and the tokens into failures of the use cases. Separate
//! because the use cases only write `?`: a failure that reaches several of them means the same in each.

use std::time::Duration;

use crate::breaches::BreachesError;
use crate::budgets::TooManyWaiting;
use crate::domain::{AuthError, Violations};
use crate::hashing::HashError;
use crate::store::StoreError;
use countersign_guard::token::MintError;

/// When a caller that found a full queue should retry: each call that ends makes room in it.
const RETRY_FULL_QUEUE: Duration = Duration::from_secs(1);

/// Refuses a call because too many passwords wait to be hashed.
pub(crate) fn full_queue() -> AuthError {
    AuthError::Overloaded { retry_after: RETRY_FULL_QUEUE }
}

/// Refuses a call until a rate limit allows it again; rounded up to whole seconds, at least one.
pub(super) fn too_many(wait: Duration) -> AuthError {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    AuthError::TooManyAttempts { retry_after: Duration::from_secs(seconds.max(1)) }
}

/// Refuses a request because one of its fields needs another value.
pub(super) fn refuse_field(field: &'static str, description: &'static str) -> AuthError {
    let mut violations = Violations::default();
    violations.add(field, description);
    AuthError::Validation(violations)
}

impl From<StoreError> for AuthError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::HandleTaken => Self::HandleTaken,
            StoreError::LastAdministrator => Self::LastAdministrator,
            StoreError::AuthorGone => Self::AccountGone,
            StoreError::Unavailable(source) => Self::Unavailable(source),
            StoreError::Corrupt(source) => Self::Internal(source),
        }
    }
}

impl From<HashError> for AuthError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Overloaded { .. } => full_queue(),
            HashError::Spent { retry_after } => too_many(retry_after),
            HashError::Late => Self::OutOfTime,
            // Other processes may have taken the memory, and may give it back.
            HashError::OutOfMemory => Self::Unavailable(error.into()),
            HashError::Kernel(_) | HashError::Failed(_) => Self::Internal(error.into()),
        }
    }
}

impl From<MintError> for AuthError {
    fn from(error: MintError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<TooManyWaiting> for AuthError {
    fn from(_: TooManyWaiting) -> Self {
        full_queue()
    }
}

impl From<BreachesError> for AuthError {
    fn from(error: BreachesError) -> Self {
        Self::PasswordUnchecked(error.into())
    }
}
