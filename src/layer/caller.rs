//! The proof that a request was authenticated, and the lesser proof that it could have been once.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::token::Claims;

/// Who is calling, as a verified token says. Only the layer makes one. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller(Arc<Claims>);

impl Caller {
    pub(super) fn new(verified: Claims) -> Self {
        Self(Arc::new(verified))
    }

    /// The account.
    pub fn account_id(&self) -> Uuid {
        self.0.sub
    }

    /// The sign-in.
    pub fn session_id(&self) -> Uuid {
        self.0.sid
    }

    /// Everything that the token says.
    pub fn claims(&self) -> &Claims {
        &self.0
    }
}

/// Who called once, as a token says that is good but for two things: it may have expired, and its session may have ended.
/// Enough to end that session, and a type of its own so that nobody takes it for a [`Caller`]. Only the layer makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerCaller(Arc<Claims>);

impl FormerCaller {
    pub(super) fn new(verified: Claims) -> Self {
        Self(Arc::new(verified))
    }

    /// Everything that the token says.
    pub fn claims(&self) -> &Claims {
        &self.0
    }
}

/// The lifetime of a fresh token, in the extensions of each response that the layer attached one to. For code that wraps the
/// guarded service in the same process; it is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreshToken {
    /// The time from now until the token expires.
    pub expires_in: Duration,
}
