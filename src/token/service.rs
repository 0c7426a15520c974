//! Issuing, verifying and refreshing tokens.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::claims::{Claims, Profile};
use super::jws::{HEADER, Unverified};
use super::keyring::Keyring;
use crate::clock::{Clock, Skew};

/// The longest that a token may live, whatever is set: by then every revocation can be forgotten.
pub const MAX_LIFETIME: Duration = Duration::from_secs(90 * 86_400);

/// A minted token. Printed only where it is meant to go, through [`Token::as_str`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The compact form, as it travels.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, to be sent.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A token and how long it is good for.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// The token.
    pub token: Token,
    /// From now until it expires.
    pub expires_in: Duration,
}

/// What a sign-in decides for all tokens that will slide from it.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The account.
    pub account_id: Uuid,
    /// The session.
    pub session_id: Uuid,
    /// The account's epoch.
    pub epoch: i64,
    /// How long each token lives.
    pub token_lifetime: Duration,
    /// What its tokens show.
    pub profile: Profile,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Malformed, not ours, or claims what it cannot.
    #[error("the token is not valid")]
    Invalid,
    /// Was good once; or its session has reached the ceiling.
    #[error("the token has expired")]
    Expired,
    /// One of its times is so far from now that two clocks must differ by more than is tolerated. That says nothing against
    /// the token.
    #[error("the token is {} s from the future", .ahead.as_secs())]
    FromTheFuture {
        /// How far.
        ahead: Duration,
    },
}

/// A token could not be minted: a defect, for a keyring's key signs anything.
#[derive(Debug, thiserror::Error)]
#[error("the token could not be minted")]
pub struct MintError(#[from] serde_json::Error);

/// Issues, verifies and refreshes tokens. Cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    keyring: Arc<Keyring>,
    clock: Arc<dyn Clock>,
    session_max_lifetime: i64,
    skew: Skew,
}

impl Tokens {
    /// `session_max_lifetime` is the ceiling: however often a session slides, no token of it is good for longer than
    /// this after the sign-in. Tolerates the usual [`Skew`].
    pub fn new(keyring: Keyring, clock: Arc<dyn Clock>, session_max_lifetime: Duration) -> Self {
        let session_max_lifetime = seconds(session_max_lifetime);
        Self { keyring: Arc::new(keyring), clock, session_max_lifetime, skew: Skew::default() }
    }

    /// Tolerates another skew between the clocks that mint and verify.
    #[must_use]
    pub fn tolerating(self, skew: Skew) -> Self {
        Self { skew, ..self }
    }

    /// Mints the first token of a session.
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

    /// Mints a fresh token with the subject, session, sign-in time and lifetime of `claims`; it shows `profile` where
    /// that is given, and what `claims` shows otherwise.
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

    /// Reads a token that a client sent. Its expiry is judged with no leeway: the documented hour has sixty minutes.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        let (claims, now) = (self.read(token)?, self.now());
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        self.require_past(&claims, now)?;
        Ok(claims)
    }

    /// As [`Self::verify`], of a token that may have expired, if only its session could still live. Good for ending that
    /// session, and for nothing else.
    pub fn verify_former(&self, token: &str) -> Result<Claims, TokenError> {
        let claims = self.read(token)?;
        self.require_past(&claims, self.now())?;
        Ok(claims)
    }

    /// What a token of ours says, whenever that was or will be.
    fn read(&self, token: &str) -> Result<Claims, TokenError> {
        let unverified = Unverified::parse(token).ok_or(TokenError::Invalid)?;
        if !self.keyring.accepts(unverified.message, &unverified.signature) {
            return Err(TokenError::Invalid);
        }
        let claims = unverified.claims().ok_or(TokenError::Invalid)?;
        let lifetime = claims.exp.saturating_sub(claims.iat);
        if lifetime <= 0 || lifetime > seconds(MAX_LIFETIME) {
            return Err(TokenError::Invalid);
        }
        Ok(claims)
    }

    /// Refuses a token of a session whose longest time is over, and one whose times have not come yet. Whoever signed those
    /// meant them: if they come too early, a clock is wrong, and perhaps this one. Of replicas whose clocks differ by less,
    /// one sees it all the time.
    fn require_past(&self, claims: &Claims, now: i64) -> Result<(), TokenError> {
        if self.ceiling(claims) <= now {
            return Err(TokenError::Expired);
        }
        let ahead = claims.auth_time.max(claims.iat).max(claims.nbf.unwrap_or(now)).saturating_sub(now);
        let ahead = ahead.max(claims.auth_time.saturating_sub(claims.iat));
        if ahead > seconds(self.skew.as_duration()) {
            return Err(TokenError::FromTheFuture { ahead: Duration::from_secs(ahead.try_into().unwrap_or(0)) });
        }
        Ok(())
    }

    /// Whether a token that was good has expired since.
    pub fn has_expired(&self, claims: &Claims) -> bool {
        let now = self.now();
        claims.exp <= now || self.ceiling(claims) <= now
    }

    fn mint(&self, mut claims: Claims) -> Result<IssuedToken, MintError> {
        claims.exp = claims.exp.min(self.ceiling(&claims));
        let expires_in = Duration::from_secs(claims.exp.saturating_sub(claims.iat).try_into().unwrap_or(0));
        let payload = serde_json::to_vec(&claims)?;
        // Four characters for three bytes, and both other segments.
        let mut token = String::with_capacity(payload.len() * 4 / 3 + 84);
        token.push_str(HEADER);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        self.keyring.sign(&mut token);
        Ok(IssuedToken { token: Token(token), expires_in })
    }

    pub(super) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The one of the sign-in, or today's if that is lower: a lowered setting counts at once, a raised one from the next
    /// sign-in on.
    fn ceiling(&self, claims: &Claims) -> i64 {
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
