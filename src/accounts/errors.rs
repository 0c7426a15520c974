//! Failures of the parts, as failures of the use cases. Apart from those for length only.

use crate::domain::AuthError;
use crate::hashing::HashError;
use crate::store::StoreError;
use crate::token::MintError;

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
            HashError::Overloaded { retry_after } => Self::Overloaded { retry_after },
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
