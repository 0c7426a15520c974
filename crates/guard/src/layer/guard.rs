//! The two decisions of the middleware, both synchronous: whether a request may pass, and whether its response gets a
//! fresh token. Separate from the tower plumbing, so that they can be read as rules.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use super::authority::Authority;
use super::caller::{Caller, FormerCaller};
use super::credential::{self, Credential, TOKEN};
use super::warning::FutureTokenWarning;
use crate::revocations::{Revocations, Standing};
use crate::token::{Claims, IssuedToken, Profile, TokenError};

/// The reason why a request is refused. Its `Display` is a sentence for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request has no credential.
    #[error("a token is missing: send it as `token` or as `authorization: Bearer`")]
    TokenMissing,
    /// The credential is malformed, forged or revoked. The client does not learn which.
    #[error("the token is not valid: sign in again")]
    TokenInvalid,
    /// The two headers have different tokens.
    #[error("two different tokens were sent: send one, as `token` or as `authorization: Bearer`")]
    TwoTokens,
    /// The token has expired.
    #[error("the token has expired: sign in again")]
    TokenExpired,
    /// The token may be good or revoked: the set of revocations is stale, a clock is wrong, or the issuer's keys are
    /// not known yet. The response must not be an authentication failure (401, `UNAUTHENTICATED`), because a client
    /// drops its token after one. 503 or `UNAVAILABLE` fits.
    #[error("tokens cannot be checked at the moment: try again")]
    Unavailable,
}

/// The exemption of a path. Every path without one needs a valid token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exemption {
    /// A request needs no token.
    Public,
    /// A request needs a token that may have expired or been revoked, because it ends the session.
    Ending,
}

/// The caller of an admitted request.
pub(super) enum Admitted {
    Anyone,
    Former(FormerCaller),
    Caller(Caller),
}

/// The callback of [`AuthLayer::on_fresh_token`](super::AuthLayer::on_fresh_token).
pub(super) type OnFreshToken = dyn Fn(&Caller) + Send + Sync;

/// The lifetime of the fresh token on a response, in whole seconds. The layer puts it into the extensions of the
/// response, for a middleware that repeats it in the body; it is not sent as a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreshTokenLifetime(pub Duration);

/// The state that all clones of the middleware share.
pub(super) struct Guard<R> {
    pub authority: Authority,
    pub revocations: Arc<Revocations>,
    pub exemptions: HashMap<String, Exemption>,
    pub refuse: Arc<R>,
    pub on_fresh_token: Option<Arc<OnFreshToken>>,
    pub warning: Arc<FutureTokenWarning>,
}

// By hand: a derived implementation would require `R: Clone`.
impl<R> Clone for Guard<R> {
    fn clone(&self) -> Self {
        Self {
            authority: self.authority.clone(),
            revocations: Arc::clone(&self.revocations),
            exemptions: self.exemptions.clone(),
            refuse: Arc::clone(&self.refuse),
            on_fresh_token: self.on_fresh_token.clone(),
            warning: Arc::clone(&self.warning),
        }
    }
}

impl<R> Guard<R> {
    /// Decides whether a request with these headers may call this path.
    pub(super) fn admit(&self, path: &str, headers: &HeaderMap) -> Result<Admitted, Refusal> {
        match self.exemptions.get(path) {
            Some(Exemption::Public) => Ok(Admitted::Anyone),
            Some(Exemption::Ending) => self.verify_former(headers).map(Admitted::Former),
            None => self.verify(credential::read(headers)).map(Admitted::Caller),
        }
    }

    /// Decides whether a credential is good at the moment.
    pub(super) fn verify(&self, credential: Credential<'_>) -> Result<Caller, Refusal> {
        let withdrawals = self.authority.withdrawals();
        let claims = self.authority.verify(presented(credential)?).map_err(|error| self.refusal(error))?;
        self.judge(claims, withdrawals)
    }

    /// Decides whether a token is good whose signature was verified after the withdrawals were counted.
    ///
    /// They are counted again at the end. Otherwise a stale replica could learn of a revoked key after it has verified
    /// a signature of that key, and then find its set of revocations fresh.
    fn judge(&self, claims: Arc<Claims>, withdrawals: u64) -> Result<Caller, Refusal> {
        match self.standing(&claims, Some(claims.exp)) {
            Standing::Live if self.authority.withdrawals() == withdrawals => Ok(Caller::new(claims, withdrawals)),
            Standing::Revoked => Err(Refusal::TokenInvalid),
            Standing::Live | Standing::Unknown => Err(Refusal::Unavailable),
        }
    }

    fn verify_former(&self, headers: &HeaderMap) -> Result<FormerCaller, Refusal> {
        let presented = presented(credential::read(headers))?;
        let claims = self.authority.verify_former(presented).map_err(|error| self.refusal(error))?;
        match self.standing(&claims, None) {
            Standing::Live | Standing::Revoked => Ok(FormerCaller::new(claims)),
            Standing::Unknown => Err(Refusal::Unavailable),
        }
    }

    fn standing(&self, claims: &Claims, expires: Option<i64>) -> Standing {
        self.revocations.standing(claims.sid, claims.sub, claims.epoch, expires)
    }

    fn refusal(&self, error: TokenError) -> Refusal {
        match error {
            TokenError::Invalid => Refusal::TokenInvalid,
            // By a clock that is an hour ahead, every token of an hour has expired.
            TokenError::Expired if self.revocations.is_clock_off() => Refusal::Unavailable,
            TokenError::Expired => Refusal::TokenExpired,
            TokenError::UnknownKey => Refusal::Unavailable,
            TokenError::FromTheFuture { ahead } => {
                // If this machine's clock is known to be wrong, that is logged already.
                if !self.revocations.is_clock_off() {
                    self.warning.log(ahead);
                }
                Refusal::Unavailable
            }
        }
    }

    /// Attaches a fresh token to the response, with its lifetime as [`FreshTokenLifetime`] in the extensions. Does
    /// nothing if the layer has a verifier, if the response says that the caller is not authenticated, if the session
    /// or a key was revoked meanwhile (by this call or by a concurrent one), or if the set of revocations cannot
    /// tell.
    pub(super) fn countersign<B>(&self, response: &mut Response<B>, caller: &Caller) {
        if matches!(self.authority, Authority::Verifier(_)) {
            // A service behind a verifier may hand on the fresh token that it got from the server.
            return;
        }
        // A `token` header of the handler's own would be a token that was not minted here.
        response.headers_mut().remove(TOKEN);
        if is_unauthenticated(response) {
            return;
        }
        let profile = response.extensions_mut().remove::<Profile>();
        let Ok(Some(fresh)) = self.renew(caller, profile) else { return };
        // A token has only base64url characters and dots, so it is always a header value.
        if let Ok(mut value) = HeaderValue::try_from(fresh.token.into_string()) {
            value.set_sensitive(true);
            response.headers_mut().insert(TOKEN, value);
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response.extensions_mut().insert(FreshTokenLifetime(fresh.expires_in));
        }
    }

    /// Mints a fresh token for a caller, unless the session was revoked meanwhile, or the set of revocations cannot
    /// tell. A layer with a verifier mints none. If a key was revoked meanwhile, the token must be verified again: it
    /// may be of that key, and a thief of the key could otherwise keep a call open to get a token of the next key.
    pub(super) fn renew(&self, caller: &Caller, profile: Option<Profile>) -> Result<Option<IssuedToken>, Refusal> {
        let Authority::Tokens(tokens) = &self.authority else { return Ok(None) };
        let claims = caller.claims();
        match self.standing(claims, Some(claims.exp)) {
            Standing::Live => {}
            Standing::Revoked => return Err(Refusal::TokenInvalid),
            Standing::Unknown => return Err(Refusal::Unavailable),
        }
        let fresh = tokens.refresh(claims, profile).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "no fresh token");
            Refusal::Unavailable
        })?;
        // Asked after the token was minted, so that no key was revoked before that.
        if tokens.withdrawals() != caller.withdrawals {
            return Err(Refusal::Unavailable);
        }
        if let Some(tell) = &self.on_fresh_token {
            tell(caller);
        }
        Ok(Some(fresh))
    }
}

/// Returns the one token of a request.
fn presented(credential: Credential<'_>) -> Result<&str, Refusal> {
    match credential {
        Credential::NotPresented => Err(Refusal::TokenMissing),
        Credential::Malformed => Err(Refusal::TokenInvalid),
        Credential::Contradictory => Err(Refusal::TwoTokens),
        Credential::Presented(token) => Ok(token),
    }
}

/// Tells whether a response is an authentication failure: HTTP 401, or the gRPC status 16 in the headers of an error.
fn is_unauthenticated<B>(response: &Response<B>) -> bool {
    response.status() == StatusCode::UNAUTHORIZED
        || response.headers().get("grpc-status").is_some_and(|status| status == "16")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue, Response};
    use uuid::Uuid;

    use super::{Admitted, Credential, FreshTokenLifetime, Refusal, TOKEN};
    use crate::clock::{Clock as _, ManualClock};
    use crate::layer::{AuthLayer, Caller};
    use crate::revocations::{Revocation, Revocations};
    use crate::token::{Asymmetric, FormerKey, Keyring, Limit, NewSession, Profile, Secret, SigningKey, Tokens};

    #[test]
    fn the_lifetime_of_a_fresh_token_is_in_the_extensions_of_the_response_and_ends_with_the_session() {
        let (clock, lifetime) = (ManualClock::at(1_000), Duration::from_secs(100));
        let secret = Secret::parse("x".repeat(32)).unwrap();
        let tokens = Tokens::new(Keyring::new(&secret, None), Arc::new(clock.clone()), Duration::from_secs(250));
        let profile = Profile::Username { username: "ada".to_owned() };
        let session = NewSession {
            account_id: Uuid::nil(),
            session_id: Uuid::nil(),
            epoch: 0,
            token_lifetime: lifetime,
            profile,
        };
        let issued = tokens.issue(session).unwrap();
        let caller = Caller::new(tokens.verify(issued.token.as_str()).unwrap(), 0);
        let layer = AuthLayer::new(tokens, Arc::new(Revocations::default()), [""; 0], |_| Response::new(())).unwrap();
        for (passed, expected) in [(0, lifetime), (200, Duration::from_secs(50))] {
            clock.advance(passed);
            let mut response = Response::new(());
            layer.guard.countersign(&mut response, &caller);
            assert!(response.headers().contains_key(TOKEN));
            assert_eq!(response.extensions().get(), Some(&FreshTokenLifetime(expected)), "{passed}");
        }
    }

    #[test]
    fn a_remembered_token_is_checked_for_revocation_staleness_and_clocks_at_each_call() {
        let clock = ManualClock::at(1_000);
        let secret = Secret::parse("x".repeat(32)).unwrap();
        let longest = Duration::from_secs(1_000);
        let tokens = Tokens::new(Keyring::new(&secret, None), Arc::new(clock.clone()), longest);
        let revocations = Arc::new(Revocations::fed(Arc::new(clock.clone()), Duration::from_secs(5)));
        let session = NewSession {
            account_id: Uuid::from_u128(1),
            session_id: Uuid::from_u128(2),
            epoch: 0,
            token_lifetime: Duration::from_secs(100),
            profile: Profile::Username { username: "ada".to_owned() },
        };
        let issued = tokens.issue(session).unwrap();
        let layer = AuthLayer::new(tokens.clone(), Arc::clone(&revocations), [""; 0], |_| Response::new(()));
        let layer = layer.unwrap().ending(["/end"]).unwrap();
        let headers = HeaderMap::from_iter([(TOKEN, HeaderValue::from_str(issued.token.as_str()).unwrap())]);
        let claims = || tokens.verify_former(issued.token.as_str()).unwrap();
        claims();
        assert!(Arc::ptr_eq(&claims(), &claims()), "it is remembered");
        // Whether the call is admitted, and whether its answer gets a fresh token.
        let call = |path| {
            let admitted = layer.guard.admit(path, &headers).map(|admitted| matches!(admitted, Admitted::Caller(_)));
            let mut response = Response::new(());
            layer.guard.countersign(&mut response, &Caller::new(claims(), 0));
            (admitted, response.headers().contains_key(TOKEN))
        };
        let complete = || revocations.mark_complete(clock.elapsed());

        assert_eq!(call("/"), (Err(Refusal::Unavailable), false), "the set was never complete");
        complete();
        assert_eq!((call("/"), call("/end")), ((Ok(true), true), (Ok(false), true)));
        clock.elapse(5);
        assert_eq!(call("/"), (Err(Refusal::Unavailable), false), "the set is stale");
        complete();
        revocations.compare(clock.now() + Duration::from_secs(61), clock.elapsed());
        assert_eq!(call("/"), (Err(Refusal::Unavailable), false), "the clock is wrong");
        revocations.compare(clock.now(), clock.elapsed());
        assert_eq!(call("/"), (Ok(true), true));
        clock.advance(100);
        revocations.compare(clock.now(), clock.elapsed());
        assert_eq!(call("/").0, Err(Refusal::TokenExpired));
        clock.advance(-1);
        assert_eq!(call("/"), (Ok(true), true));
        revocations.insert(Revocation::Account { id: Uuid::from_u128(1), epoch: 1 }, clock.now() + longest);
        assert_eq!(call("/"), (Err(Refusal::TokenInvalid), false), "the account's sessions were ended");
        assert_eq!(call("/end"), (Ok(false), false), "its end may still be asked for");
    }

    #[test]
    fn a_key_that_is_revoked_between_the_signature_and_the_set_is_noticed() {
        let clock = ManualClock::at(1_000);
        let secret = Secret::parse("x".repeat(32)).unwrap();
        let signing = || Keyring::new(&secret, None).signing_with(SigningKey::generate(Asymmetric::Es256).unwrap().0);
        let tokens = Tokens::new(signing(), Arc::new(clock.clone()), Duration::from_secs(1_000));
        let revocations = Arc::new(Revocations::fed(Arc::new(clock.clone()), Duration::from_secs(5)));
        let layer = AuthLayer::new(tokens.clone(), Arc::clone(&revocations), [""; 0], |_| Response::new(())).unwrap();
        let session = NewSession {
            account_id: Uuid::nil(),
            session_id: Uuid::nil(),
            epoch: 0,
            token_lifetime: Duration::from_secs(100),
            profile: Profile::Username { username: "ada".to_owned() },
        };
        let issued = tokens.issue(session).unwrap();
        // The replica is stale. Its feed learns of the revoked key while this check is under way.
        let withdrawals = tokens.withdrawals();
        let claims = tokens.verify(issued.token.as_str()).unwrap();
        tokens.replace_keyring(signing());
        revocations.mark_complete(clock.elapsed());
        assert_eq!(layer.guard.judge(Arc::clone(&claims), withdrawals).unwrap_err(), Refusal::Unavailable);
        assert!(layer.guard.judge(claims, tokens.withdrawals()).is_ok(), "the set is fresh");
    }

    #[test]
    fn a_call_that_outlasts_its_key_gets_a_fresh_token_if_the_key_was_rotated_and_none_if_it_was_revoked() {
        let clock = ManualClock::at(1_000);
        let secret = Secret::parse("x".repeat(32)).unwrap();
        let [one, two, three, four] = [(); 4].map(|()| SigningKey::generate(Asymmetric::Es256).unwrap().0);
        let (first, second) = (one.public().clone(), two.public().clone());
        let signing = |key| Keyring::new(&secret, None).signing_with(key);
        let tokens = Tokens::new(signing(one), Arc::new(clock.clone()), Duration::from_secs(1_000));
        let layer = AuthLayer::new(tokens.clone(), Arc::new(Revocations::default()), [""; 0], |_| Response::new(()));
        let guard = layer.unwrap().guard;
        let caller = || {
            let session = NewSession {
                account_id: Uuid::nil(),
                session_id: Uuid::nil(),
                epoch: 0,
                token_lifetime: Duration::from_secs(100),
                profile: Profile::Username { username: "ada".to_owned() },
            };
            let issued = tokens.issue(session).unwrap();
            guard.verify(Credential::Presented(issued.token.as_str())).unwrap()
        };
        let renewed = |caller: &Caller| guard.renew(caller, None).map(|fresh| fresh.is_some());

        let of_first = caller();
        let limit = Limit { last_iat: i64::MAX, until: 1_100 };
        tokens.replace_keyring(signing(two).accepting_former(FormerKey::Public(first), limit));
        assert_eq!(renewed(&of_first), Ok(true), "rotated");
        let of_second = caller();
        clock.advance(100);
        tokens.replace_keyring(signing(three).accepting(second));
        assert_eq!(renewed(&of_second), Ok(true), "the first key has gone at its time");
        tokens.replace_keyring(signing(four));
        assert_eq!(renewed(&of_second), Err(Refusal::Unavailable), "revoked");
        assert_eq!(renewed(&caller()), Ok(true), "a token that was verified after the revocation is renewed");
    }
}
