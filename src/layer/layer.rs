//! Construction of the middleware.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tower::Layer;

use super::caller::Caller;
use super::guard::{Guard, Mode, Refusal};
use super::service::Auth;
use crate::revocations::Revocations;
use crate::token::Tokens;

/// Wraps a service in [`Auth`]. `R` turns a [`Refusal`] into a response.
pub struct AuthLayer<R> {
    pub(super) guard: Arc<Guard<R>>,
}

/// A public or ending path that could never match a request.
#[derive(Debug, thiserror::Error)]
#[error("the path {0:?} must be a full path that begins with a slash, without pattern or query")]
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
        let (paths, refuse, warning) = (all(public, Mode::Public)?, Arc::new(refuse), Arc::default());
        let guard = Guard { tokens, revocations, paths, refuse, on_fresh_token: None, warning };
        Ok(Self { guard: Arc::new(guard) })
    }

    /// Lets also those call `ending`, a list of full paths, whose token has expired or whose session has ended: what is there
    /// ends sessions, and their aim is reached. It finds a [`FormerCaller`](super::FormerCaller) in place of a [`Caller`],
    /// and its answers carry no token.
    pub fn ending(mut self, ending: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, InvalidPath> {
        Arc::make_mut(&mut self.guard).paths.extend(all(ending, Mode::Ending)?);
        Ok(self)
    }

    /// Calls `tell` whenever an answer is given a fresh token. It stands in the way of that answer, so it must be quick
    /// and must not block; where the news goes is not the layer's to know.
    #[must_use]
    pub fn on_fresh_token(mut self, tell: impl Fn(&Caller) + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.guard).on_fresh_token = Some(Arc::new(tell));
        self
    }
}

/// Full paths, of one mode.
fn all(paths: impl IntoIterator<Item = impl Into<String>>, mode: Mode) -> Result<HashMap<String, Mode>, InvalidPath> {
    let exact = |path: String| {
        let is_exact = path.starts_with('/') && !path.contains(['*', '{', '?', '#']);
        if is_exact { Ok((path, mode)) } else { Err(InvalidPath(path)) }
    };
    paths.into_iter().map(Into::into).map(exact).collect()
}

impl<R> Clone for AuthLayer<R> {
    fn clone(&self) -> Self {
        Self { guard: Arc::clone(&self.guard) }
    }
}

impl<R> fmt::Debug for AuthLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer").field("paths", &self.guard.paths).finish_non_exhaustive()
    }
}

impl<S, R> Layer<S> for AuthLayer<R> {
    type Service = Auth<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Auth { inner, guard: Arc::clone(&self.guard) }
    }
}
