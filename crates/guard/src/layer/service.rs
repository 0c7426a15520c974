//! The middleware: the tower plumbing around [`Guard::admit`]. Separate from the rules, as in every tower middleware.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{Request, Response};
use tower_service::Service;

use super::credential::TOKEN;
use super::future::ResponseFuture;
use super::guard::{Admitted, Guard, Refusal};

/// The middleware that authenticates the requests to a service `S`; see the [module](super) for its rules.
pub struct Auth<S, R> {
    pub(super) inner: S,
    pub(super) guard: Arc<Guard<R>>,
}

/// A request that the layer refuses.
#[derive(Debug)]
pub struct Refused<B> {
    /// The request as it came.
    pub request: Request<B>,
    /// The reason of the refusal.
    pub refusal: Refusal,
}

impl<S, R> Auth<S, R> {
    /// Calls the service, or returns a refused request with the reason, for a caller that can find out more about its
    /// token and then calls again. Everybody else calls the service of tower.
    pub fn try_call<ReqBody, ResBody>(
        &mut self,
        mut request: Request<ReqBody>,
    ) -> Result<ResponseFuture<S::Future, R, ResBody>, Box<Refused<ReqBody>>>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    {
        let admitted = match self.guard.admit(request.uri().path(), request.headers()) {
            Ok(admitted) => admitted,
            Err(refusal) => return Err(Box::new(Refused { request, refusal })),
        };
        if !matches!(admitted, Admitted::Anyone) {
            request.headers_mut().remove(TOKEN);
            request.headers_mut().remove(AUTHORIZATION);
        }
        Ok(match admitted {
            Admitted::Anyone => ResponseFuture::unsigned(self.inner.call(request)),
            Admitted::Former(former) => {
                request.extensions_mut().insert(former);
                ResponseFuture::unsigned(self.inner.call(request))
            }
            Admitted::Caller(caller) => {
                request.extensions_mut().insert(caller.clone());
                ResponseFuture::authenticated(self.inner.call(request), Arc::clone(&self.guard), caller)
            }
        })
    }

    /// Answers a refused request.
    pub fn refuse<F, ResBody>(&self, refusal: Refusal) -> ResponseFuture<F, R, ResBody>
    where
        R: Fn(Refusal) -> Response<ResBody>,
    {
        ResponseFuture::refused((self.guard.refuse)(refusal))
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

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        self.try_call(request).unwrap_or_else(|refused| self.refuse(refused.refusal))
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
