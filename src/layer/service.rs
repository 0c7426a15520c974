//! The middleware itself: one synchronous decision, [`Guard::verify`], and the tower plumbing around it.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{AUTHORIZATION, HeaderMap};
use http::{Request, Response};
use tower::Service;

use super::caller::Caller;
use super::credential::{self, Credential, TOKEN};
use super::future::ResponseFuture;
use super::layer::Guard;
use crate::token::TokenError;

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
}

/// Middleware that authenticates requests to `S`. See the [module](super).
pub struct Auth<S, R> {
    pub(super) inner: S,
    pub(super) guard: Arc<Guard<R>>,
}

impl<R> Guard<R> {
    fn verify(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
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
        if self.is_revoked(&caller) { Err(Refusal::TokenInvalid) } else { Ok(caller) }
    }

    pub(super) fn is_revoked(&self, caller: &Caller) -> bool {
        self.revocations.contains(caller.session_id(), caller.account_id(), caller.claims().epoch)
    }
}

impl<S, R, ReqBody, ResBody> Service<Request<ReqBody>> for Auth<S, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    R: Fn(Refusal) -> Response<ResBody>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        if self.guard.public.contains(request.uri().path()) {
            return ResponseFuture::public(self.inner.call(request));
        }
        match self.guard.verify(request.headers()) {
            Err(refusal) => ResponseFuture::refused((self.guard.refuse)(refusal)),
            Ok(caller) => {
                request.headers_mut().remove(TOKEN);
                request.headers_mut().remove(AUTHORIZATION);
                request.extensions_mut().insert(caller.clone());
                ResponseFuture::authenticated(self.inner.call(request), Arc::clone(&self.guard), caller)
            }
        }
    }
}

impl<S: Clone, R> Clone for Auth<S, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), guard: Arc::clone(&self.guard) }
    }
}

impl<S: fmt::Debug, R> fmt::Debug for Auth<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("inner", &self.inner).finish_non_exhaustive()
    }
}
