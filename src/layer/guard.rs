//! The two decisions of the middleware, both synchronous: may this request pass, and may its answer carry a fresh token.
//! Apart from the plumbing, so that they can be read as rules.

use std::collections::HashMap;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use super::caller::{Caller, FormerCaller, FreshToken};
use super::credential::{self, Credential, TOKEN};
use super::warning::Warning;
use crate::revocations::{Revocations, Standing};
use crate::token::{Claims, Profile, TokenError, Tokens};

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No credential was presented.
    #[error("a token is missing: send it as `token` or as `authorization: Bearer`")]
    TokenMissing,
    /// The credential is malformed, forged or revoked. Which one is not for the client to know.
    #[error("the token is not valid: sign in again")]
    TokenInvalid,
    /// Both carriers hold a token, and not the same one.
    #[error("two different tokens were sent: send one, as `token` or as `authorization: Bearer`")]
    TwoTokens,
    /// The token was good once.
    #[error("the token has expired: sign in again")]
    TokenExpired,
    /// The token may be good or revoked: what was revoked of late could not be read, or a clock is wrong. Says nothing about
    /// the token, so it must not look as if it did.
    #[error("tokens cannot be checked at the moment: try again")]
    Unavailable,
}

/// What is asked of who calls a path. Whatever no path was given for is guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Nothing.
    Public,
    /// A token that was good once.
    Ending,
}

/// Who may call.
pub(super) enum Admitted {
    Anyone,
    Former(FormerCaller),
    Caller(Caller),
}

/// Hears that a caller has been given a fresh token.
pub(super) type OnFreshToken = dyn Fn(&Caller) + Send + Sync;

/// What every clone of the middleware shares.
pub(super) struct Guard<R> {
    pub tokens: Tokens,
    pub revocations: Arc<Revocations>,
    pub paths: HashMap<String, Mode>,
    pub refuse: Arc<R>,
    /// Told of every fresh token.
    pub on_fresh_token: Option<Arc<OnFreshToken>>,
    /// Of clocks that differ.
    pub warning: Arc<Warning>,
}

// By hand, for a derived one would want `R: Clone`.
impl<R> Clone for Guard<R> {
    fn clone(&self) -> Self {
        Self {
            tokens: self.tokens.clone(),
            revocations: Arc::clone(&self.revocations),
            paths: self.paths.clone(),
            refuse: Arc::clone(&self.refuse),
            on_fresh_token: self.on_fresh_token.clone(),
            warning: Arc::clone(&self.warning),
        }
    }
}

impl<R> Guard<R> {
    /// Who sends a request with these headers to this path, or why it is refused.
    pub fn admit(&self, path: &str, headers: &HeaderMap) -> Result<Admitted, Refusal> {
        match self.paths.get(path) {
            Some(Mode::Public) => Ok(Admitted::Anyone),
            Some(Mode::Ending) => self.verify_former(headers).map(Admitted::Former),
            None => self.verify(headers).map(Admitted::Caller),
        }
    }

    fn verify(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let claims = self.tokens.verify(presented(headers)?).map_err(|error| self.refusal(error))?;
        match self.standing(&claims, Some(claims.exp)) {
            Standing::Live => Ok(Caller::new(claims)),
            Standing::Revoked => Err(Refusal::TokenInvalid),
            Standing::Unknown => Err(Refusal::Unavailable),
        }
    }

    fn verify_former(&self, headers: &HeaderMap) -> Result<FormerCaller, Refusal> {
        let claims = self.tokens.verify_former(presented(headers)?).map_err(|error| self.refusal(error))?;
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
            // By a clock that is an hour ahead, every token of an hour has.
            TokenError::Expired if self.revocations.is_clock_off() => Refusal::Unavailable,
            TokenError::Expired => Refusal::TokenExpired,
            TokenError::FromTheFuture { ahead } => {
                // If this clock is known to be the one that is wrong, the log has it.
                if !self.revocations.is_clock_off() {
                    self.warning.tell(ahead);
                }
                Refusal::Unavailable
            }
        }
    }

    /// Attaches a fresh token, unless the answer says that the caller is not authenticated after all, or the session has
    /// ended meanwhile (by this very call, or by another that raced it), or nobody can tell whether it has.
    pub fn countersign<B>(&self, response: &mut Response<B>, caller: &Caller) {
        // A handler's own `token` header could only be a token that was not minted here.
        response.headers_mut().remove(TOKEN);
        let claims = caller.claims();
        if is_unauthenticated(response) || self.standing(claims, Some(claims.exp)) != Standing::Live {
            return;
        }
        let profile = response.extensions_mut().remove::<Profile>();
        match self.tokens.refresh(claims, profile) {
            Ok(fresh) => {
                // A token is base64url and dots, so it is always a header value.
                if let Ok(mut value) = HeaderValue::try_from(fresh.token.into_string()) {
                    value.set_sensitive(true);
                    response.headers_mut().insert(TOKEN, value);
                    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                    response.extensions_mut().insert(FreshToken { expires_in: fresh.expires_in });
                    if let Some(tell) = &self.on_fresh_token {
                        tell(caller);
                    }
                }
            }
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "no fresh token"),
        }
    }
}

/// The one token of a request.
fn presented(headers: &HeaderMap) -> Result<&str, Refusal> {
    match credential::read(headers) {
        Credential::NotPresented => Err(Refusal::TokenMissing),
        Credential::Malformed => Err(Refusal::TokenInvalid),
        Credential::Contradictory => Err(Refusal::TwoTokens),
        Credential::Presented(token) => Ok(token),
    }
}

/// HTTP 401, or gRPC status 16, which an error answer carries in its headers.
fn is_unauthenticated<B>(response: &Response<B>) -> bool {
    response.status() == StatusCode::UNAUTHORIZED
        || response.headers().get("grpc-status").is_some_and(|status| status == "16")
}
