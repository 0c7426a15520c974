//! Constructs the middleware. Separate from its service because a layer is made once and a service for each connection.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::authority::Authority;
use super::caller::Caller;
use super::credential::Credential;
use super::guard::{Exemption, Guard, Refusal};
use super::service::Auth;
use crate::revocations::Revocations;
use crate::token::{IssuedToken, Profile};

/// A tower layer that wraps a service in [`Auth`]. `R` is the function that turns a [`Refusal`] into a response.
pub struct AuthLayer<R> {
    pub(super) guard: Arc<Guard<R>>,
}

/// A path was refused because it could never match a request.
#[derive(Debug, thiserror::Error)]
#[error("the path {0:?} must be a full path that begins with a slash, without pattern or query")]
pub struct InvalidPath(String);

impl<R> AuthLayer<R> {
    /// Makes a layer that requires a valid token on every path except those of `public`, full paths such as
    /// `/countersign.v1.AuthService/Login`. `authority` is a [`Tokens`](crate::token::Tokens), or a
    /// [`Verifier`](crate::token::Verifier), with which responses carry no fresh token. `refuse` makes the response of
    /// a refused request. Fails if a path does not begin with a slash, or has a pattern or a query.
    pub fn new<B>(
        authority: impl Into<Authority>,
        revocations: Arc<Revocations>,
        public: impl IntoIterator<Item = impl Into<String>>,
        refuse: R,
    ) -> Result<Self, InvalidPath>
    where
        R: Fn(Refusal) -> http::Response<B>,
    {
        let (exemptions, refuse, warning) = (exempt(public, Exemption::Public)?, Arc::new(refuse), Arc::default());
        let guard =
            Guard { authority: authority.into(), revocations, exemptions, refuse, on_fresh_token: None, warning };
        Ok(Self { guard: Arc::new(guard) })
    }

    /// Also accepts expired and revoked tokens on the paths of `ending`, full paths of handlers that end sessions. Such
    /// a handler finds a [`FormerCaller`](super::FormerCaller) instead of a [`Caller`], and its responses carry no
    /// token. Fails as [`Self::new`] does.
    pub fn ending(mut self, ending: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, InvalidPath> {
        Arc::make_mut(&mut self.guard).exemptions.extend(exempt(ending, Exemption::Ending)?);
        Ok(self)
    }

    /// Calls `callback` whenever a response gets a fresh token. The response waits for it, so it must be quick and must
    /// not block.
    #[must_use]
    pub fn on_fresh_token(mut self, callback: impl Fn(&Caller) + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.guard).on_fresh_token = Some(Arc::new(callback));
        self
    }

    /// Verifies a credential that came by another way than in the headers of a request to the service, for instance
    /// in a question of a proxy. The rules are those of the layer.
    pub fn verify(&self, credential: Credential<'_>) -> Result<Caller, Refusal> {
        self.guard.verify(credential)
    }

    /// Mints the fresh token that the answer to such a caller carries. Fails if the session was revoked meanwhile, if
    /// the set of revocations cannot tell, or if a key was revoked, so that the token is to be verified again.
    /// `profile` describes the account as it is now. A layer with a verifier returns no token.
    pub fn renew(&self, caller: &Caller, profile: Profile) -> Result<Option<IssuedToken>, Refusal> {
        self.guard.renew(caller, Some(profile))
    }
}

/// Checks the paths, and gives each the exemption.
fn exempt(
    paths: impl IntoIterator<Item = impl Into<String>>,
    exemption: Exemption,
) -> Result<HashMap<String, Exemption>, InvalidPath> {
    let exact = |path: String| {
        let is_exact = path.starts_with('/') && !path.contains(['*', '{', '?', '#']);
        if is_exact { Ok((path, exemption)) } else { Err(InvalidPath(path)) }
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
        f.debug_struct("AuthLayer").field("exemptions", &self.guard.exemptions).finish_non_exhaustive()
    }
}

impl<S, R> Layer<S> for AuthLayer<R> {
    type Service = Auth<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Auth { inner, guard: Arc::clone(&self.guard) }
    }
}
