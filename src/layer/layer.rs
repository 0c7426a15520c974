//! Construction of the middleware.

use std::fmt;
use std::sync::Arc;

use tower::Layer;

use super::caller::Caller;
use super::guard::{Guard, Refusal};
use super::service::Auth;
use crate::revocations::Revocations;
use crate::token::Tokens;

/// Wraps a service in [`Auth`]. `R` turns a [`Refusal`] into a response.
pub struct AuthLayer<R> {
    pub(super) guard: Arc<Guard<R>>,
}

/// A public path that could never match a request.
#[derive(Debug, thiserror::Error)]
#[error("the public path {0:?} must be a full path that begins with a slash, without pattern or query")]
pub struct InvalidPath(String);

impl<R> AuthLayer<R> {
    /// Guards everything but `public`, a list of full paths such as `/countersign.v1.AuthService/Login`.
    pub fn new<B>(
        tokens: Tokens,
        revocations: Arc<Revocations>,
        public: impl IntoIterator<Item = impl Into<String>>,
        refuse: R,
    ) -> Result<Self, InvalidPath>
    where
        R: Fn(Refusal) -> http::Response<B>,
    {
        let public = public
            .into_iter()
            .map(Into::into)
            .map(|path| {
                let exact = path.starts_with('/') && !path.contains(['*', '{', '?', '#']);
                if exact { Ok(path) } else { Err(InvalidPath(path)) }
            })
            .collect::<Result<_, _>>()?;
        let guard = Guard { tokens, revocations, public, refuse: Arc::new(refuse), on_fresh_token: None };
        Ok(Self { guard: Arc::new(guard) })
    }

    /// Calls `tell` whenever an answer is given a fresh token. It stands in the way of that answer, so it must be quick
    /// and must not block; where the news goes is not the layer's to know.
    #[must_use]
    pub fn on_fresh_token(mut self, tell: impl Fn(&Caller) + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.guard).on_fresh_token = Some(Arc::new(tell));
        self
    }
}

impl<R> Clone for AuthLayer<R> {
    fn clone(&self) -> Self {
        Self { guard: Arc::clone(&self.guard) }
    }
}

impl<R> fmt::Debug for AuthLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer").field("public", &self.guard.public).finish_non_exhaustive()
    }
}

impl<S, R> Layer<S> for AuthLayer<R> {
    type Service = Auth<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Auth { inner, guard: Arc::clone(&self.guard) }
    }
}
