//! The proof that a request was authenticated.

use std::sync::Arc;

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
