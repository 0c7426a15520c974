//! Failures of the parts, as failures of the use cases. Apart from those for length only.

use std::time::Duration;

use countersign_guard::token::MintError;

use super::guessing::too_many;
use crate::budgets::Crowded;
use crate::domain::AuthError;
use crate::hashing::HashError;
use crate::store::StoreError;

/// When whoever finds a queue full may find room in it: any that ends makes some.
const SOON: Duration = Duration::from_secs(1);

impl From<StoreError> for AuthError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::HandleTaken => Self::HandleTaken,
            StoreError::Unavailable(source) => Self::Unavailable(source),
            StoreError::Corrupt(source) => Self::Internal(source),
        }
    }
}

impl From<HashError> for AuthError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Overloaded => Self::Overloaded { retry_after: SOON },
            HashError::Spent { retry_after } => too_many(retry_after),
            HashError::Late => Self::OutOfTime,
            HashError::Kernel(_) | HashError::Failed(_) => Self::Internal(error.into()),
        }
    }
}

impl From<MintError> for AuthError {
    fn from(error: MintError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<Crowded> for AuthError {
    fn from(_: Crowded) -> Self {
        Self::Overloaded { retry_after: SOON }
    }
}
