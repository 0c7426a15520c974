//! The two decisions of the middleware, both synchronous: may this request pass, and may its answer carry a fresh token.
//! Apart from the plumbing, so that they can be read as rules.

use std::collections::HashSet;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use super::caller::Caller;
use super::credential::{self, Credential, TOKEN};
use crate::revocations::Revocations;
use crate::token::{Profile, TokenError, Tokens};

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No credential was presented.
    #[error("a token is missing: send it as `token` or as `authorization: Bearer`")]
    TokenMissing,
    /// The credential is malformed, forged, contradictory or revoked. Which one is not for the client to know.
    #[error("the token is not valid: sign in again")]
    TokenInvalid,
    /// The token was good once.
    #[error("the token has expired: sign in again")]
    TokenExpired,
    /// The token may be good or revoked: what was revoked of late could not be read. Says nothing about the token, so it
    /// must not look as if it did.
    #[error("tokens cannot be checked at the moment: try again")]
    Unavailable,
}

/// Hears that a caller has been given a fresh token.
pub(super) type OnFreshToken = dyn Fn(&Caller) + Send + Sync;

/// What every clone of the middleware shares.
pub(super) struct Guard<R> {
    pub tokens: Tokens,
    pub revocations: Arc<Revocations>,
    pub public: HashSet<String>,
    pub refuse: Arc<R>,
    /// Told of every fresh token.
    pub on_fresh_token: Option<Arc<OnFreshToken>>,
}

// By hand, for a derived one would want `R: Clone`.
impl<R> Clone for Guard<R> {
    fn clone(&self) -> Self {
        Self {
            tokens: self.tokens.clone(),
            revocations: Arc::clone(&self.revocations),
            public: self.public.clone(),
            refuse: Arc::clone(&self.refuse),
            on_fresh_token: self.on_fresh_token.clone(),
        }
    }
}

impl<R> Guard<R> {
    /// Who sends this request, or why it is refused.
    pub fn verify(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let token = match credential::read(headers) {
            Credential::NotPresented => return Err(Refusal::TokenMissing),
            Credential::Malformed => return Err(Refusal::TokenInvalid),
            Credential::Presented(token) => token,
        };
        let claims = self.tokens.verify(token).map_err(|error| match error {
            TokenError::Invalid => Refusal::TokenInvalid,
            TokenError::Expired => Refusal::TokenExpired,
        })?;
        let caller = Caller::new(claims);
        self.refute(&caller).map_or(Ok(caller), Err)
    }

    /// What speaks against this caller now. A token that is known to be revoked stays so, whatever else is not known.
    fn refute(&self, caller: &Caller) -> Option<Refusal> {
        // Asked first. The other way round, the feed could come back between the two questions, and a revocation that it
        // brought would go unseen.
        let stale = self.revocations.is_stale();
        if self.revocations.contains(caller.session_id(), caller.account_id(), caller.claims().epoch) {
            Some(Refusal::TokenInvalid)
        } else {
            stale.then_some(Refusal::Unavailable)
        }
    }

    /// Attaches a fresh token, unless the answer says that the caller is not authenticated after all, or the session has
    /// ended meanwhile (by this very call, or by another that raced it), or nobody can tell whether it has.
    pub fn countersign<B>(&self, response: &mut Response<B>, caller: &Caller) {
        // A handler's own `token` header could only be a token that was not minted here.
        response.headers_mut().remove(TOKEN);
        if is_unauthenticated(response) || self.refute(caller).is_some() {
            return;
        }
        let profile = response.extensions_mut().remove::<Profile>();
        match self.tokens.refresh(caller.claims(), profile) {
            Ok(fresh) => {
                // A token is base64url and dots, so it is always a header value.
                if let Ok(mut value) = HeaderValue::try_from(fresh.token.into_string()) {
                    value.set_sensitive(true);
                    response.headers_mut().insert(TOKEN, value);
                    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                    if let Some(tell) = &self.on_fresh_token {
                        tell(caller);
                    }
                }
            }
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "no fresh token"),
        }
    }
}

/// HTTP 401, or gRPC status 16, which an error answer carries in its headers.
fn is_unauthenticated<B>(response: &Response<B>) -> bool {
    response.status() == StatusCode::UNAUTHORIZED
        || response.headers().get("grpc-status").is_some_and(|status| status == "16")
}
