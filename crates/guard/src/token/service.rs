//! Issues, verifies and refreshes tokens. Separate from `accepted` and `times`, whose rules also hold for a verifier
//! that cannot mint.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;
use std::{fmt, mem};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::claims::{Claims, Profile};
use super::keyring::Keyring;
use super::memory::Origin;
use super::times::{Times, TokenError, seconds};
use crate::clock::{Clock, Skew};

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

/// A token could not be minted.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The claims have no JSON form. That is a defect of this crate.
    #[error("the claims of a token have no JSON form")]
    Claims(#[from] serde_json::Error),
    /// The key made no signature: the system has no random bytes.
    #[error("the token could not be signed: the system has no random bytes")]
    Signature,
}

/// Issues, verifies and refreshes tokens. A clone is cheap: it shares the keys, the clock and a memory of tokens. When
/// the keys are [replaced](Self::replace_keyring), they are for all clones.
///
/// The memory has at most 2 MiB. A token in it is not read and its signature is not verified again, and a second token
/// of equal claims, which is one of the same second, is not signed again. Nothing else is remembered: times are judged
/// at each call.
#[derive(Clone)]
pub struct Tokens {
    /// Locked for reading while a token is verified or signed: two steps of an atomic number a call, and no more.
    keyring: Arc<RwLock<Keyring>>,
    /// How often a key was taken away before all of its tokens had expired.
    withdrawals: Arc<AtomicU64>,
    times: Times,
    names: Arc<Names>,
}

/// The claims that tokens of asymmetric keys have for readers that share no secret.
#[derive(Default)]
struct Names {
    issuer: Option<String>,
    audience: Vec<String>,
}

impl Tokens {
    /// Makes it from keys, a clock and the longest lifetime of a session: however often its token is refreshed, no
    /// token is good for longer than that after the sign-in. The tolerated [`Skew`] is the default, a minute.
    pub fn new(keyring: Keyring, clock: Arc<dyn Clock>, session_max_lifetime: Duration) -> Self {
        let times = Times { clock, session_max_lifetime: seconds(session_max_lifetime), skew: Skew::default() };
        Self { keyring: Arc::new(RwLock::new(keyring)), withdrawals: Arc::default(), times, names: Arc::default() }
    }

    /// Tolerates another clock skew than the default.
    #[must_use]
    pub fn with_skew(self, skew: Skew) -> Self {
        Self { times: Times { skew, ..self.times }, ..self }
    }

    /// Gives tokens of asymmetric keys the claim `iss` and, if there is an audience, `aud`. Tokens of a secret have
    /// neither. Verifying does not ask for them: a good signature of one's own key is enough.
    #[must_use]
    pub fn with_issuer(self, issuer: &str, audience: Option<&str>) -> Self {
        let audience = audience.map(str::to_owned).into_iter().collect();
        Self { names: Arc::new(Names { issuer: Some(issuer.to_owned()), audience }), ..self }
    }

    /// Replaces the keys at once, for all clones. The memory of tokens goes with the former keys, so a key that is no
    /// longer in the keyring verifies nothing from now on.
    pub fn replace_keyring(&self, keyring: Keyring) {
        let mut held = self.keyring.write().unwrap_or_else(PoisonError::into_inner);
        if !held.accepted.are_all_among(&keyring.accepted, self.times.now()) {
            self.withdrawals.fetch_add(1, Ordering::Release);
        }
        let former = mem::replace(&mut *held, keyring);
        drop(held);
        // Wiping the memory of tokens takes a while, so it is done without the lock.
        drop(former);
    }

    /// How often a key was taken away before all of its tokens had expired. What was verified before the last time may
    /// be of that key. [`AuthLayer`](crate::layer::AuthLayer) compares the number before it verifies a signature with
    /// the number after it has asked the set of revocations. A service that verifies tokens without the layer does the
    /// same.
    pub fn withdrawals(&self) -> u64 {
        self.withdrawals.load(Ordering::Acquire)
    }

    /// Mints the first token of a session. Only the authentication server does this.
    pub fn issue(&self, session: NewSession) -> Result<IssuedToken, MintError> {
        let now = self.times.now();
        self.mint(Claims {
            sub: session.account_id,
            sid: session.session_id,
            iss: None,
            aud: Vec::new(),
            epoch: session.epoch,
            auth_time: now,
            iat: now,
            exp: now.saturating_add(seconds(session.token_lifetime)),
            session_exp: now.saturating_add(self.times.session_max_lifetime),
            nbf: None,
            profile: session.profile,
        })
    }

    /// Mints a fresh token with the subject, session, sign-in time and lifetime of `claims`. It describes the account
    /// by `profile`; without one, as `claims` does.
    pub fn refresh(&self, claims: &Claims, profile: Option<Profile>) -> Result<IssuedToken, MintError> {
        let now = self.times.now();
        self.mint(Claims {
            sub: claims.sub,
            sid: claims.sid,
            iss: None,
            aud: Vec::new(),
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
        let now = self.times.now();
        self.times.require_live(self.read(token, now)?, now)
    }

    /// Verifies a token that may have expired, as long as its session may still live, and returns its claims. Use them
    /// only to end that session.
    pub fn verify_former(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        let now = self.times.now();
        self.times.require_past(self.read(token, now)?, now)
    }

    fn read(&self, token: &str, now: i64) -> Result<Arc<Claims>, TokenError> {
        self.keyring().accepted.read(token, now).map_err(|_| TokenError::Invalid)
    }

    /// Tells whether a token names an asymmetric key that is not in the keyring. It is invalid. Where another process
    /// may have changed the keys meanwhile, read them, and then verify it again.
    pub fn lack_the_key_of(&self, token: &str) -> bool {
        self.keyring().accepted.lack_the_key_of(token)
    }

    /// Tells whether the token of verified claims has expired meanwhile.
    pub fn has_expired(&self, claims: &Claims) -> bool {
        self.times.have_passed(claims)
    }

    /// Mints a token with these claims. Those that the key and the session decide are set here.
    fn mint(&self, mut claims: Claims) -> Result<IssuedToken, MintError> {
        let keyring = self.keyring();
        if keyring.is_asymmetric() {
            claims.iss.clone_from(&self.names.issuer);
            claims.aud.clone_from(&self.names.audience);
        }
        claims.exp = claims.exp.min(self.times.session_end(&claims));
        let expires_in = Duration::from_secs(claims.exp.saturating_sub(claims.iat).try_into().unwrap_or(0));
        let memory = &keyring.accepted.memory;
        if let Some(token) = memory.minted(&claims) {
            return Ok(IssuedToken { token: Token(token), expires_in });
        }
        let token = sign(&keyring, &claims)?;
        memory.remember(Origin::Minted, claims.sid, &token, claims, i64::MAX);
        Ok(IssuedToken { token: Token(token), expires_in })
    }

    /// The keys, which are not replaced while they are borrowed.
    pub(super) fn keyring(&self) -> RwLockReadGuard<'_, Keyring> {
        self.keyring.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sign(keyring: &Keyring, claims: &Claims) -> Result<String, MintError> {
    let (header, payload) = (keyring.header(), serde_json::to_vec(claims)?);
    // Base64 needs four characters for three bytes. 48 are the two dots and the signature of HS256.
    let mut token = String::with_capacity(header.len() + payload.len() * 4 / 3 + 48);
    token.push_str(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    keyring.sign(&mut token).ok_or(MintError::Signature)?;
    Ok(token)
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("keyring", &*self.keyring()).finish_non_exhaustive()
    }
}
