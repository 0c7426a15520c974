//! The proof that a request was authenticated.

use uuid::Uuid;

use crate::token::Claims;

/// Who is calling, as a verified token says. Only the layer makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller(Claims);

impl Caller {
    pub(super) fn new(verified: Claims) -> Self {
        Self(verified)
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
