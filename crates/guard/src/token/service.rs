//! Issues, verifies and refreshes tokens. Separate from `jws` because these rules depend on keys and on the time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::claims::{Claims, Profile};
use super::jws::{HEADER, Unverified, session_at_its_place};
use super::keyring::Keyring;
use super::memory::Origin;
use crate::clock::{Clock, Skew};

/// The longest lifetime of a token: 90 days. Revocations can be forgotten after that. A token that claims a longer
/// lifetime is refused.
pub const MAX_LIFETIME: Duration = Duration::from_secs(90 * 86_400);

/// A minted token. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Returns the compact form, `header.payload.signature`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the compact form as an owned string.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A minted token with its lifetime.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// The token in its compact form.
    pub token: Token,
    /// The time from now until the token expires, in whole seconds.
    pub expires_in: Duration,
}

/// The properties that a sign-in gives to all tokens of its session.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The account's id: the claim `sub`.
    pub account_id: Uuid,
    /// The session's id: the claim `sid`.
    pub session_id: Uuid,
    /// The account's epoch: a counter that grows when all its sessions are ended.
    pub epoch: i64,
    /// The lifetime of each token.
    pub token_lifetime: Duration,
    /// The claims that describe the account.
    pub profile: Profile,
}

/// The reason why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The token is malformed, no accepted key signed it, or its lifetime is impossible.
    #[error("the token is not valid")]
    Invalid,
    /// The token has expired, or its session has lasted as long as a session may.
    #[error("the token has expired")]
    Expired,
    /// A time in the token is so far in the future that two clocks differ by more than the tolerated skew. The token
    /// itself may be good.
    #[error("the token is {} s from the future", .ahead.as_secs())]
    FromTheFuture {
        /// The distance between that time and this machine's.
        ahead: Duration,
    },
}

/// A token could not be minted, because its claims have no JSON form. That is a defect of this crate.
#[derive(Debug, thiserror::Error)]
#[error("the token could not be minted")]
pub struct MintError(#[from] serde_json::Error);

/// Issues, verifies and refreshes tokens. A clone is cheap: it shares the keys, the clock and a memory of tokens.
///
/// The memory has at most 2 MiB. A token in it is not read and its signature is not verified again, and a second token
/// of equal claims, which is one of the same second, is not signed again. Nothing else is remembered: times are judged
/// at each call.
#[derive(Clone)]
pub struct Tokens {
    keyring: Arc<Keyring>,
    clock: Arc<dyn Clock>,
    session_max_lifetime: i64,
    skew: Skew,
}

impl Tokens {
    /// Makes it from keys, a clock and the longest lifetime of a session: however often its token is refreshed, no
    /// token is good for longer than that after the sign-in. The tolerated [`Skew`] is the default, a minute.
    pub fn new(keyring: Keyring, clock: Arc<dyn Clock>, session_max_lifetime: Duration) -> Self {
        let session_max_lifetime = seconds(session_max_lifetime);
        Self { keyring: Arc::new(keyring), clock, session_max_lifetime, skew: Skew::default() }
    }

    /// Tolerates another clock skew than the default.
    #[must_use]
    pub fn with_skew(self, skew: Skew) -> Self {
        Self { skew, ..self }
    }

    /// Mints the first token of a session. Only the authentication server does this.
    pub fn issue(&self, session: NewSession) -> Result<IssuedToken, MintError> {
        let now = self.now();
        self.mint(Claims {
            sub: session.account_id,
            sid: session.session_id,
            epoch: session.epoch,
            auth_time: now,
            iat: now,
            exp: now.saturating_add(seconds(session.token_lifetime)),
            session_exp: now.saturating_add(self.session_max_lifetime),
            nbf: None,
            profile: session.profile,
        })
    }

    /// Mints a fresh token with the subject, session, sign-in time and lifetime of `claims`. It describes the account
    /// by `profile`; without one, as `claims` does.
    pub fn refresh(&self, claims: &Claims, profile: Option<Profile>) -> Result<IssuedToken, MintError> {
        let now = self.now();
        self.mint(Claims {
            sub: claims.sub,
            sid: claims.sid,
            epoch: claims.epoch,
            auth_time: claims.auth_time,
            iat: now,
            exp: now.saturating_add(claims.exp.saturating_sub(claims.iat)),
            session_exp: claims.session_exp,
            nbf: None,
            profile: profile.unwrap_or_else(|| claims.profile.clone()),
        })
    }

    /// Verifies a token that a client sent, and returns its claims. There is no leeway for `exp`: the documented hour
    /// has sixty minutes. It does not ask whether the session was revoked; see
    /// [`Revocations`](crate::revocations::Revocations).
    pub fn verify(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        let (claims, now) = (self.read(token)?, self.now());
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        self.require_past(&claims, now)?;
        Ok(claims)
    }

    /// Verifies a token that may have expired, as long as its session may still live, and returns its claims. Use them
    /// only to end that session.
    pub fn verify_former(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        let claims = self.read(token)?;
        self.require_past(&claims, self.now())?;
        Ok(claims)
    }

    /// Returns the claims of a token with a good signature, without a look at the time.
    fn read(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        let (memory, session) = (&self.keyring.memory, session_at_its_place(token));
        let claims = if let Some(known) = session.and_then(|session| memory.claims(session, token)) {
            known
        } else {
            let claims = Arc::new(self.read_unknown(token).ok_or(TokenError::Invalid)?);
            // Where the id stands at another place, the token would never be found again.
            if session == Some(claims.sid) {
                memory.remember(Origin::Verified, claims.sid, token, Arc::clone(&claims));
            }
            claims
        };
        let lifetime = claims.exp.saturating_sub(claims.iat);
        if lifetime <= 0 || lifetime > seconds(MAX_LIFETIME) {
            return Err(TokenError::Invalid);
        }
        Ok(claims)
    }

    /// Verifies the signature of a token, and reads its claims. All failures are `None`.
    fn read_unknown(&self, token: &str) -> Option<Claims> {
        let unverified = Unverified::parse(token)?;
        self.keyring.accepts(unverified.message, &unverified.signature).then(|| unverified.claims())?
    }

    /// Refuses a token if its session has lasted too long, or if one of its times is in the future by more than the
    /// skew. A time in the future means that the clock of the signing machine or of this one is wrong. Smaller
    /// differences between replicas are usual, and are tolerated.
    fn require_past(&self, claims: &Claims, now: i64) -> Result<(), TokenError> {
        if self.session_end(claims) <= now {
            return Err(TokenError::Expired);
        }
        let ahead = claims.auth_time.max(claims.iat).max(claims.nbf.unwrap_or(now)).saturating_sub(now);
        let ahead = ahead.max(claims.auth_time.saturating_sub(claims.iat));
        if ahead > seconds(self.skew.as_duration()) {
            return Err(TokenError::FromTheFuture { ahead: Duration::from_secs(ahead.try_into().unwrap_or(0)) });
        }
        Ok(())
    }

    /// Tells whether the token of verified claims has expired meanwhile.
    pub fn has_expired(&self, claims: &Claims) -> bool {
        let now = self.now();
        claims.exp <= now || self.session_end(claims) <= now
    }

    fn mint(&self, mut claims: Claims) -> Result<IssuedToken, MintError> {
        claims.exp = claims.exp.min(self.session_end(&claims));
        let expires_in = Duration::from_secs(claims.exp.saturating_sub(claims.iat).try_into().unwrap_or(0));
        let memory = &self.keyring.memory;
        if let Some(token) = memory.minted(&claims) {
            return Ok(IssuedToken { token: Token(token), expires_in });
        }
        let token = self.sign(&claims)?;
        memory.remember(Origin::Minted, claims.sid, &token, claims);
        Ok(IssuedToken { token: Token(token), expires_in })
    }

    fn sign(&self, claims: &Claims) -> Result<String, MintError> {
        let payload = serde_json::to_vec(claims)?;
        // Base64 needs four characters for three bytes; 84 are the other two segments and the dots.
        let mut token = String::with_capacity(payload.len() * 4 / 3 + 84);
        token.push_str(HEADER);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        self.keyring.sign(&mut token);
        Ok(token)
    }

    pub(super) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Returns the time when the session ends at the latest: by its own claim, or by the current setting if that is
    /// earlier. So a lowered setting applies at once, and a raised one applies to the next sign-in.
    fn session_end(&self, claims: &Claims) -> i64 {
        claims.session_exp.min(claims.auth_time.saturating_add(self.session_max_lifetime))
    }

    fn now(&self) -> i64 {
        self.clock.now().unix_timestamp()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("keyring", &self.keyring).finish_non_exhaustive()
    }
}

fn seconds(duration: Duration) -> i64 {
    duration.as_secs().try_into().unwrap_or(i64::MAX)
}
