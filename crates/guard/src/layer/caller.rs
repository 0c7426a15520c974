//! The proof that a request was authenticated, and the weaker proof that an expired or revoked token gives. Separate
//! from the rules because handlers need these two types, and nothing else of the layer.

use std::sync::Arc;

use uuid::Uuid;

use crate::token::Claims;

/// The authenticated caller of a request, from the claims of a verified token. A handler finds it in the extensions of
/// the request. Only the layer makes one. A clone is cheap: it shares the claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    claims: Arc<Claims>,
    /// `Tokens::withdrawals` before the token was verified.
    pub(super) withdrawals: u64,
}

impl Caller {
    pub(super) fn new(claims: Arc<Claims>, withdrawals: u64) -> Self {
        Self { claims, withdrawals }
    }

    /// Returns the account's id: the claim `sub`.
    pub fn account_id(&self) -> Uuid {
        self.claims.sub
    }

    /// Returns the session's id: the claim `sid`.
    pub fn session_id(&self) -> Uuid {
        self.claims.sid
    }

    /// Returns all claims of the token.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }
}

/// The former caller of a path that [ends sessions](super::AuthLayer::ending): the token has a good signature, but it
/// may have expired, or its session may have been revoked. Use it only to end that session. It is a type of its own so
/// that no handler takes it for a [`Caller`]. Only the layer makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerCaller(Arc<Claims>);

impl FormerCaller {
    pub(super) fn new(verified: Arc<Claims>) -> Self {
        Self(verified)
    }

    /// Returns all claims of the token.
    pub fn claims(&self) -> &Claims {
        &self.0
    }
}
