//! The times of a token, judged by a clock. Separate from the signature because they are judged again at each call, of
//! remembered tokens as of any others.

use std::sync::Arc;
use std::time::Duration;

use super::claims::Claims;
use crate::clock::{Clock, Skew};

/// The longest lifetime of a token: 90 days. Revocations can be forgotten after that. A token that claims a longer
/// lifetime is refused.
pub const MAX_LIFETIME: Duration = Duration::from_secs(90 * 86_400);

/// The reason why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The token is malformed, no accepted key signed it, or its lifetime is impossible.
    #[error("the token is not valid")]
    Invalid,
    /// The token has expired, or its session has lasted as long as a session may.
    #[error("the token has expired")]
    Expired,
    /// The token names a key that is not known here, and that may be new: the issuer is being asked, or it has not
    /// answered yet. The token itself may be good.
    #[error("the key of the token is not known yet")]
    UnknownKey,
    /// A time in the token is so far in the future that two clocks differ by more than the tolerated skew. The token
    /// itself may be good.
    #[error("the token is {} s from the future", .ahead.as_secs())]
    FromTheFuture {
        /// The distance between that time and this machine's.
        ahead: Duration,
    },
}

/// The clock, and what it decides by.
#[derive(Clone)]
pub(super) struct Times {
    pub clock: Arc<dyn Clock>,
    /// The longest lifetime of a session, in seconds.
    pub session_max_lifetime: i64,
    pub skew: Skew,
}

impl Times {
    /// Refuses a token that has expired, and what [`Self::require_past`] refuses. There is no leeway for `exp`.
    pub(super) fn require_live(&self, claims: Arc<Claims>, now: i64) -> Result<Arc<Claims>, TokenError> {
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        self.require_past(claims, now)
    }

    /// Refuses a token if its session has lasted too long, or if one of its times is in the future by more than the
    /// skew. A time in the future means that the clock of the signing machine or of this one is wrong. Smaller
    /// differences between replicas are usual, and are tolerated.
    pub(super) fn require_past(&self, claims: Arc<Claims>, now: i64) -> Result<Arc<Claims>, TokenError> {
        if self.session_end(&claims) <= now {
            return Err(TokenError::Expired);
        }
        let ahead = claims.auth_time.max(claims.iat).max(claims.nbf.unwrap_or(now)).saturating_sub(now);
        let ahead = ahead.max(claims.auth_time.saturating_sub(claims.iat));
        if ahead > seconds(self.skew.as_duration()) {
            return Err(TokenError::FromTheFuture { ahead: Duration::from_secs(ahead.try_into().unwrap_or(0)) });
        }
        Ok(claims)
    }

    /// Tells whether the token of these claims has expired.
    pub(super) fn have_passed(&self, claims: &Claims) -> bool {
        let now = self.now();
        claims.exp <= now || self.session_end(claims) <= now
    }

    /// Returns the time when the session ends at the latest: by its own claim, or by the current setting if that is
    /// earlier. So a lowered setting applies at once, and a raised one applies to the next sign-in.
    pub(super) fn session_end(&self, claims: &Claims) -> i64 {
        claims.session_exp.min(claims.auth_time.saturating_add(self.session_max_lifetime))
    }

    pub(super) fn now(&self) -> i64 {
        self.clock.now().unix_timestamp()
    }
}

/// Tells whether a token of these claims lives at all, and not for longer than any may.
pub(super) fn has_possible_lifetime(claims: &Claims) -> bool {
    let lifetime = claims.exp.saturating_sub(claims.iat);
    0 < lifetime && lifetime <= seconds(MAX_LIFETIME)
}

/// Whole seconds, as tokens count them.
pub(super) fn seconds(duration: Duration) -> i64 {
    duration.as_secs().try_into().unwrap_or(i64::MAX)
}
