//! Verifies tokens with public keys. Separate from `service` because a service with these keys alone can mint
//! nothing: no first token, and no fresh one.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;
use std::{fmt, mem};

use super::accepted::{AcceptedKeys, Unaccepted};
use super::claims::Claims;
use super::key::PublicKey;
use super::times::{Times, TokenError, seconds};
use crate::clock::{Clock, Skew, SystemClock};

/// Verifies the tokens of one issuer, with the public keys that it gives to everybody, and mints none. A clone is
/// cheap: it shares the keys and the memory of tokens.
///
/// It reads as strictly as [`Tokens`](super::Tokens). In addition, a token must have the issuer's name as its `iss`;
/// and either the [audience](Self::with_audience) is among its `aud`, or it has none and none is asked for (RFC 7519
/// section 4.1.3).
#[derive(Clone)]
pub struct Verifier {
    keys: Arc<CurrentKeys>,
    /// Has the keys fetched again. `None` if they were given.
    look_again: Option<Arc<LookAgain>>,
    times: Times,
    issuer: Arc<str>,
    audience: Option<Arc<str>>,
}

pub(crate) type LookAgain = dyn Fn(Occasion) + Send + Sync;

/// Why the keys are to be fetched again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The issuer says that they have changed.
    Changed,
    /// A token names a key that is not among them, which anybody can make it do.
    UnknownKey,
}

/// The keys of this moment. The task that fetches them replaces them.
#[derive(Default)]
pub(crate) struct CurrentKeys(RwLock<KeySet>);

#[derive(Default)]
struct KeySet {
    accepted: AcceptedKeys,
    /// The time of the last answer of the issuer; `None` before the first.
    answered: Option<Instant>,
}

impl Verifier {
    /// Makes a verifier with keys that never change, for tokens whose `iss` is `issuer`. Tokens name a key by its
    /// [thumbprint](PublicKey::id).
    pub fn from_keys(keys: impl IntoIterator<Item = PublicKey>, issuer: &str) -> Self {
        let verifier = Self::new(issuer, Arc::default(), None);
        verifier.keys.replace(keys.into_iter().map(|key| (key.id().to_owned(), key)).collect());
        verifier
    }

    /// Makes a verifier whose keys may be replaced.
    pub(crate) fn new(issuer: &str, keys: Arc<CurrentKeys>, look_again: Option<Arc<LookAgain>>) -> Self {
        // How long a session may last is in its tokens.
        let times = Times { clock: Arc::new(SystemClock), session_max_lifetime: i64::MAX, skew: Skew::default() };
        Self { keys, look_again, times, issuer: issuer.into(), audience: None }
    }

    /// Requires that `audience` is among the claim `aud`: the server's `TOKEN_AUDIENCE`.
    #[must_use]
    pub fn with_audience(self, audience: &str) -> Self {
        Self { audience: Some(audience.into()), ..self }
    }

    /// Judges the times of tokens by another clock than the machine's.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { times: Times { clock, ..self.times }, ..self }
    }

    /// Tolerates another clock skew than the default, a minute.
    #[must_use]
    pub fn with_skew(self, skew: Skew) -> Self {
        Self { times: Times { skew, ..self.times }, ..self }
    }

    /// Verifies a token that a client sent, and returns its claims. There is no leeway for `exp`. It does not ask
    /// whether the session was revoked; see [`Revocations`](crate::revocations::Revocations).
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

    /// Has the keys fetched at once, because the issuer says that they have changed: one of them may have been stolen.
    /// A `watch::Watcher` that has this verifier does it when the server says so. Keys that were given stay.
    pub fn look_again(&self) {
        if let Some(look_again) = &self.look_again {
            look_again(Occasion::Changed);
        }
    }

    fn read(&self, token: &str, now: i64) -> Result<Arc<Claims>, TokenError> {
        let keys = self.keys.get();
        let claims = keys.accepted.read(token, now).map_err(|unaccepted| match unaccepted {
            Unaccepted::Invalid => TokenError::Invalid,
            Unaccepted::UnknownKey { iat } => self.unknown_key(now.saturating_sub(iat), keys.answered),
        })?;
        drop(keys);
        let is_for = |audience: &Arc<str>| claims.aud.iter().any(|name| **name == **audience);
        let is_meant = self.audience.as_ref().map_or(claims.aud.is_empty(), is_for);
        let is_theirs = claims.iss.as_deref() == Some(&*self.issuer);
        if is_theirs && is_meant { Ok(claims) } else { Err(TokenError::Invalid) }
    }

    /// Has the keys fetched again, and returns the error of a token that names another key. `age` is the time since the
    /// token was issued, in seconds. A key is published before it signs; so the key of a token that is older than the
    /// last answer is gone, and that of a younger one may be new.
    fn unknown_key(&self, age: i64, answered: Option<Instant>) -> TokenError {
        let Some(look_again) = &self.look_again else { return TokenError::Invalid };
        look_again(Occasion::UnknownKey);
        let skew = self.times.skew.as_duration();
        let is_older = answered.is_some_and(|at| age > seconds(at.elapsed().saturating_add(skew)));
        if is_older { TokenError::Invalid } else { TokenError::UnknownKey }
    }
}

impl CurrentKeys {
    /// Takes the keys of a new answer, each with the name that tokens call it by. Keeps the memory of tokens if they
    /// are the same, and tells whether they are others.
    pub(crate) fn replace(&self, keys: Vec<(String, PublicKey)>) -> bool {
        let others = (!self.get().accepted.are(&keys)).then(|| AcceptedKeys::of(keys));
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        current.answered = Some(Instant::now());
        let former = others.map(|others| mem::replace(&mut current.accepted, others));
        // Wiping the memory of tokens takes a while, so it is done without the lock.
        drop(current);
        former.is_some()
    }

    fn get(&self) -> RwLockReadGuard<'_, KeySet> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Verifier");
        debug.field("issuer", &self.issuer).field("audience", &self.audience);
        debug.field("keys", &self.keys.get().accepted).finish_non_exhaustive()
    }
}
