//! The public keys of an issuer, fetched over HTTP (RFC 7517) and kept up to date, for a
//! [`Verifier`]. Separate from `token` because nothing there makes a call.
//!
//! ```no_run
//! use countersign_guard::token::Verifier;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The server's `ISSUER`, which is its `PUBLIC_URL` unless it is set.
//! let verifier = Verifier::from_jwks("https://auth.example.com/.well-known/jwks.json", "https://auth.example.com")?;
//! // Then: AuthLayer::new(verifier, revocations, …)
//! # Ok(()) }
//! ```
//!
//! - The keys are fetched at the start, and again when three quarters of the answer's `max-age` have passed. Until the
//!   first answer, tokens are refused with [`TokenError::UnknownKey`](crate::token::TokenError::UnknownKey), which the
//!   layer answers as unavailable.
//! - A token with an unknown key has them fetched at once, but not within 30 seconds after another answer: a forger
//!   cannot make this service call the issuer more often. There is never more than one request.
//! - A `watch::Watcher` that has the verifier has them fetched at once when the server says that they have changed, and
//!   four times more within 40 seconds, the first after 250 ms, because the replica that answers may not know it yet.
//! - While the issuer is away, or what it answers cannot be read, the last keys stay, and it is asked again after a
//!   second and then less often, at least once a minute.
//! - At most 1 MiB of an answer and 64 of its keys are used. Keys of other types, algorithms or uses are skipped. If
//!   two keys have one name, both are.
//!
//! Inside, `follower` decides when to fetch, `client` fetches, and `set` reads the answer.

mod client;
mod follower;
mod set;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::token::Verifier;
use client::Client;
use follower::{Fetching, Follower};

/// An answer of the issuer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The body: a JSON Web Key Set.
    pub body: Vec<u8>,
    /// The `max-age` of the header `cache-control`, if it has one.
    pub max_age: Option<Duration>,
}

/// A verifier could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// The text is not the address of a key set.
    #[error("the address of the key set must begin with https:// or http:// and have a host, but no user name")]
    InvalidUrl,
    /// There is no runtime that the task which fetches could run on.
    #[error("a verifier that fetches its keys must be made inside a tokio runtime")]
    NoRuntime,
}

impl Verifier {
    /// Makes a verifier with the keys at `url`, such as `https://auth.example.com/.well-known/jwks.json`, for tokens
    /// whose `iss` is `issuer`. A task keeps the keys up to date until the last clone is dropped; see the
    /// [module](crate::jwks). Redirects are not followed, and HTTPS trusts the authorities of Mozilla's list: for a
    /// private one, or through a proxy, use [`Self::from_jwks_by`]. Fails if there is no tokio runtime, or if the text
    /// is not an address.
    pub fn from_jwks(url: &str, issuer: &str) -> Result<Self, JwksError> {
        let client = Arc::new(Client::new(url)?);
        Self::from_jwks_by(
            move || {
                let client = Arc::clone(&client);
                async move { client.get().await }
            },
            issuer,
        )
    }

    /// Does what [`Self::from_jwks`] does, and has `fetch` make each request. It may take ten seconds.
    pub fn from_jwks_by<F, A, E>(fetch: F, issuer: &str) -> Result<Self, JwksError>
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<Answer, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let runtime = Handle::try_current().map_err(|_| JwksError::NoRuntime)?;
        let keys = Arc::default();
        let fetch = Box::new(move || -> Fetching {
            let answer = fetch();
            Box::pin(async move { answer.await.map_err(Into::into) })
        });
        let follower = Follower::start(&runtime, Arc::clone(&keys), fetch);
        Ok(Self::new(issuer, keys, Some(Arc::new(move |occasion| follower.look_again(occasion)))))
    }
}
