//! Checks at the start, and from then on, that the secret is the one of the other servers on the database, and of the
//! ones before. With different secrets, each would refuse the tokens of the others.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use countersign_guard::token::Secret;
use tokio::time::sleep;

use super::error::ServeError;
use super::secret::{self, SecretSourceError, SigningSecrets};
use crate::config::Settings;
use crate::store::{Listed, Store};

/// The time between two looks at the digest in the database.
const PERIOD: Duration = Duration::from_secs(5);

/// Finds the secrets. One is made only for a database that was never served, or if `accept_new`.
pub(super) async fn find(
    settings: &Settings,
    database_url: &str,
    store: &dyn Store,
    accept_new: bool,
) -> Result<SigningSecrets, ServeError> {
    let may_make = accept_new || store.signing_key().await?.is_none();
    let secrets = secret::find(settings, database_url, may_make)?;
    if secrets.is_new && store.list_accounts(None, 1).await? != Listed::default() {
        tracing::warn!(
            event = "secret",
            result = "made",
            "the database has accounts, but had no secret beside it, so a new one was made and all sessions are signed \
             out: a database that is moved or restored needs its -secret file as well"
        );
    }
    Ok(secrets)
}

/// Refuses secrets that [`claim`] would refuse, before anything is stored that depends on them.
pub(super) async fn require_known(
    store: &dyn Store,
    secrets: &SigningSecrets,
    accept_new: bool,
) -> Result<(), ServeError> {
    let stored = store.signing_key().await?;
    let is_known = |stored| known(secrets).any(|secret| secret.digest() == stored);
    if accept_new || stored.is_none_or(is_known) { Ok(()) } else { Err(SecretSourceError::Another.into()) }
}

/// The secrets with which tokens may be signed.
fn known(secrets: &SigningSecrets) -> impl Iterator<Item = &Secret> {
    iter::once(&secrets.current).chain(&secrets.previous)
}

/// Compares the secrets with the digest in the database. The digest of the current secret replaces that of the previous
/// one, or, if `accept_new`, any other. Called when nothing else can keep the server from starting, so that a start
/// with a wrong setting leaves no digest behind.
pub(super) async fn claim(store: &dyn Store, secrets: &SigningSecrets, accept_new: bool) -> Result<(), ServeError> {
    let (stored, digest) = (store.signing_key().await?, secrets.current.digest());
    if stored.as_ref() == Some(&digest) {
        if accept_new {
            tracing::warn!(event = "secret", "--accept-new-secret was not needed: leave it out");
        }
        return Ok(());
    }
    let is_first = stored.is_none();
    let is_change = match (&stored, &secrets.previous) {
        (Some(stored), Some(previous)) => *stored == previous.digest(),
        _ => false,
    };
    // Nothing is stored if another server has stored its digest meanwhile.
    if !(is_first || is_change || accept_new) || !store.set_signing_key(&digest, stored.as_deref()).await? {
        return Err(SecretSourceError::Another.into());
    }
    if is_change {
        tracing::info!(event = "secret", result = "changed", "tokens are signed with a new secret");
    } else if !is_first {
        tracing::warn!(
            event = "secret",
            result = "accepted",
            "the secret before this one is given up: everybody is signed out"
        );
    }
    Ok(())
}

/// Looks from time to time whether another server signs with a secret that this one does not know, and logs it until it
/// ends: this server refuses the tokens of that one.
pub(super) fn follow(store: Arc<dyn Store>, secrets: &SigningSecrets) -> impl Future<Output = ()> + use<> {
    compare(store, known(secrets).map(Secret::digest).collect())
}

async fn compare(store: Arc<dyn Store>, known: Vec<String>) {
    let mut told = None;
    loop {
        sleep(PERIOD).await;
        // Whether the database is out of reach is told by others.
        let Ok(Some(digest)) = store.signing_key().await else { continue };
        if known.contains(&digest) {
            told = None;
        } else if told.as_ref() != Some(&digest) {
            tracing::error!(
                event = "secret",
                result = "another",
                "another server on this database signs tokens with a secret that this one does not know, so about half \
                 of all calls fail: restart this server with that secret as JWT_SECRET, and with its own as \
                 JWT_SECRET_PREVIOUS"
            );
            told = Some(digest);
        }
    }
}
