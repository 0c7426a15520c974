//! The caller of a use case within a session. Separate because the owner's and the administrators' use cases share it.

use uuid::Uuid;

/// The caller of a use case, as its verified token states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Actor {
    /// The account that the token belongs to.
    pub account_id: Uuid,
    /// The session that the token belongs to.
    pub session_id: Uuid,
    /// The epoch of the account when it signed in.
    pub epoch: i64,
}
