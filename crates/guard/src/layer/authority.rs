//! What verifies the tokens of a layer: with the secret, or with public keys only.

use std::sync::Arc;

use crate::token::{Claims, TokenError, Tokens, Verifier};

/// What verifies the tokens of an [`AuthLayer`](super::AuthLayer). It is made from either by `into()`.
#[derive(Debug, Clone)]
pub enum Authority {
    /// Verifies tokens, and mints the fresh one of each response.
    Tokens(Tokens),
    /// Verifies tokens, and mints none: responses carry no fresh token.
    Verifier(Verifier),
}

impl Authority {
    pub(super) fn verify(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        match self {
            Self::Tokens(tokens) => tokens.verify(token),
            Self::Verifier(verifier) => verifier.verify(token),
        }
    }

    /// How often a key was taken away (`Tokens::withdrawals`). What a verifier says is not asked again, so it counts
    /// none.
    pub(super) fn withdrawals(&self) -> u64 {
        match self {
            Self::Tokens(tokens) => tokens.withdrawals(),
            Self::Verifier(_) => 0,
        }
    }

    pub(super) fn verify_former(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        match self {
            Self::Tokens(tokens) => tokens.verify_former(token),
            Self::Verifier(verifier) => verifier.verify_former(token),
        }
    }
}

impl From<Tokens> for Authority {
    fn from(tokens: Tokens) -> Self {
        Self::Tokens(tokens)
    }
}

impl From<Verifier> for Authority {
    fn from(verifier: Verifier) -> Self {
        Self::Verifier(verifier)
    }
}
