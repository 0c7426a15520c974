//! What signs tokens and what encrypts the database's secrets, made from the settings and their files.

use std::sync::Arc;

use countersign_guard::clock::Clock;
use countersign_guard::token::{Asymmetric, KeyError, SigningKey, Tokens};

use super::error::ServeError;
use super::secret::{KeyFileError, SecretSourceError, SigningSecrets, kept};
use super::signing_key;
use crate::config::{Settings, TokenAlgorithm, secret_file};
use crate::keys::{FileKey, Issuer, KeySource, MasterSecret, OwnKeys, Secrets, TokenKeys, TokenKeysParts};
use crate::store::{self, Store, StoreError, beside};

/// Brings the keys in the database in line with the settings, and gives `tokens` their keyring. What is lost is given
/// up only if `accept_new`. `introspects` says whether services may ask about tokens.
pub(super) async fn open(
    settings: &Settings,
    store: &Arc<dyn Store>,
    secrets: &SigningSecrets,
    (tokens, clock): (Tokens, Arc<dyn Clock>),
    introspects: bool,
    accept_new: bool,
    master: Option<&Arc<MasterSecret>>,
) -> Result<Arc<TokenKeys>, ServeError> {
    let source = source(settings, master)?;
    if !matches!(source, KeySource::Secret) {
        signing_key::require_known(&**store, secrets, accept_new).await?;
    }
    // A database file has one server, which need not fear another clock than its own.
    let tolerance = store.time().await?.map_or_else(Default::default, |_| settings.clock_skew.as_duration());
    let parts = TokenKeysParts {
        store: Arc::clone(store),
        source,
        tokens,
        clock,
        secrets: Secrets { current: secrets.current.clone(), previous: secrets.previous.clone() },
        lifetime: settings.username_token_lifetime.max(settings.email_token_lifetime),
        tolerance,
        issuer: settings.issuer()?.map(|url| Issuer { url: url.to_owned(), introspects }),
    };
    Ok(Arc::new(TokenKeys::open(parts, accept_new, settings.revocation_staleness).await?))
}

fn source(settings: &Settings, master: Option<&Arc<MasterSecret>>) -> Result<KeySource, SecretSourceError> {
    let TokenAlgorithm::Asymmetric(algorithm) = settings.tokens.token_algorithm else {
        return Ok(KeySource::Secret);
    };
    let file = settings.tokens.signing_key_file.as_deref();
    if let (Some(path), Some(pem)) = (file, secret_file::value("SIGNING_KEY", None, file)?) {
        let refused = |cause| SecretSourceError::KeyFile { path: path.to_owned(), cause };
        return key(algorithm, pem).map(KeySource::File).map_err(refused);
    }
    let master = Arc::clone(master.ok_or(SecretSourceError::NoMaster)?);
    Ok(KeySource::Own(OwnKeys { algorithm, master, rotation: settings.tokens.key_rotation.0 }))
}

fn key(algorithm: Asymmetric, pem: String) -> Result<FileKey, KeyFileError> {
    let others = [Asymmetric::Es256, Asymmetric::Rs256, Asymmetric::EdDsa].into_iter();
    let held = others.filter(|other| *other != algorithm).find(|other| SigningKey::from_pem(*other, &pem).is_ok());
    match (FileKey::parse(algorithm, pem), held) {
        (Err(KeyError::NotAKey(set)), Some(held)) => Err(KeyFileError::Other { held, set }),
        (read, _) => Ok(read?),
    }
}

/// Finds the secret that encrypts keys and second factors in the database: that of the setting, or the one beside a
/// database file. One is made only while nothing is encrypted, or if `accept_new`. `None` if a database server has no
/// folder to keep one in.
pub(super) async fn master(
    settings: &Settings,
    database_url: &str,
    store: &dyn Store,
    accept_new: bool,
) -> Result<Option<Arc<MasterSecret>>, ServeError> {
    let is_used = async || -> Result<bool, StoreError> {
        let rows = store.token_keys().await?;
        Ok(rows.keys.iter().any(|key| key.sealed_key.is_some()) || store.has_sealed_factors().await?)
    };
    let may_make = accept_new || !is_used().await?;
    Ok(find_master(settings, database_url, may_make)?.map(Arc::new))
}

fn find_master(
    settings: &Settings,
    database_url: &str,
    may_make: bool,
) -> Result<Option<MasterSecret>, SecretSourceError> {
    const SETTING: &str = "MASTER_SECRET_FILE";
    let given = secret_file::value("MASTER_SECRET", None, settings.tokens.master_secret_file.as_deref())?;
    if let Some(given) = given {
        return Ok(Some(MasterSecret::parse(&given)?));
    }
    let Some(file) = store::file(database_url)? else { return Ok(None) };
    let path = beside(&file, "-master");
    let (text, _) = kept(SETTING, &path, may_make)?.ok_or_else(|| SecretSourceError::MasterGone(path.clone()))?;
    MasterSecret::parse(&text).map(Some).map_err(|_| {
        let cause = std::io::Error::other("it holds no secret; put a copy of it back");
        SecretSourceError::Generated { setting: SETTING, path, cause }
    })
}
