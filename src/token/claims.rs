//! What a token says.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The claims of a token, as both contracts document them and with what sliding needs. Times are seconds since the
/// Unix epoch (RFC 7519 section 2, NumericDate).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Whose token it is: the account's id.
    pub sub: Uuid,
    /// Which sign-in it slid from. All tokens of one sign-in share it.
    pub sid: Uuid,
    /// The account's epoch at sign-in: a revocation of all sessions names the first epoch that survives it.
    pub epoch: i64,
    /// When the password was checked (OpenID Connect's name for it). Sliding never moves it.
    pub auth_time: i64,
    /// When this token was minted.
    pub iat: i64,
    /// When it stops being good: at this second it already is not.
    pub exp: i64,
    /// The ceiling that was set at sign-in: when the session's row is gone, so are its tokens.
    pub session_exp: i64,
    /// Not before, which this service never sends and honours when present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// What the two APIs show of the account.
    #[serde(flatten)]
    pub profile: Profile,
}

/// What a token shows of its account: `{username}` for one kind, `{email, firm_id, role}` for the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Profile {
    /// Of an account that signs in with an email address.
    Email {
        /// Canonical.
        email: String,
        /// Where the account belongs.
        firm_id: Uuid,
        /// `admin`, `user` or `viewer`.
        role: String,
    },
    /// Of an account that signs in with a username.
    Username {
        /// Canonical.
        username: String,
    },
}
