//! A private key in memory, and where this server has it from. Separate because a keyring takes its key for good, so
//! the key is kept in the form that it is read from, and read again for each keyring.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_guard::token::{Asymmetric, KeyError, PublicKey, SigningKey};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::sealing::MasterSecret;
use crate::domain::KeyId;
use crate::store::{NewKey, StoredKey, TokenKind};

/// What this server signs tokens with, by its settings.
#[derive(Debug)]
pub(crate) enum KeySource {
    /// The secret of HS256.
    Secret,
    /// Keys that the servers make themselves and keep in the database.
    Own(OwnKeys),
    /// A key in a file of the operator.
    File(FileKey),
}

impl KeySource {
    /// The kind of the keys that sign.
    pub(super) fn kind(&self) -> TokenKind {
        if matches!(self, Self::Secret) { TokenKind::Secret } else { TokenKind::Keys }
    }
}

/// The keys that the servers make themselves.
#[derive(Debug)]
pub(crate) struct OwnKeys {
    /// The algorithm of new keys.
    pub algorithm: Asymmetric,
    /// Seals the private keys.
    pub master: Arc<MasterSecret>,
    /// How long a key signs; `None` if it is replaced only when somebody asks.
    pub rotation: Option<Duration>,
}

impl OwnKeys {
    /// Opens the private key of a stored key. `None` if another server has it in a file, if another master secret
    /// sealed it, or if the row was changed.
    pub(super) fn open(&self, key: &StoredKey) -> Option<PrivateKey> {
        let pkcs8 = self.master.open_key(key.id, key.algorithm, key.sealed_key.as_deref()?)?;
        let opened = PrivateKey { id: key.id, algorithm: key.algorithm, form: PrivateForm::Pkcs8(pkcs8) };
        opened.signing_key().is_ok().then_some(opened)
    }
}

/// A key in a file of the operator.
pub(crate) struct FileKey {
    pem: SecretString,
    public: NewKey,
}

impl FileKey {
    /// Reads a private key in PEM form.
    pub(crate) fn parse(algorithm: Asymmetric, pem: String) -> Result<Self, KeyError> {
        let public = new_key(SigningKey::from_pem(algorithm, &pem)?.public()).ok_or(KeyError::Unusable(algorithm))?;
        Ok(Self { pem: pem.into(), public })
    }

    /// The public key, to be stored.
    pub(super) fn public(&self) -> &NewKey {
        &self.public
    }

    pub(super) fn private(&self) -> PrivateKey {
        let NewKey { id, algorithm, .. } = self.public;
        PrivateKey { id, algorithm, form: PrivateForm::Pem(self.pem.clone()) }
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileKey").field(&self.public.id).finish()
    }
}

/// A private key that this process can sign with.
pub(super) struct PrivateKey {
    pub id: KeyId,
    algorithm: Asymmetric,
    form: PrivateForm,
}

enum PrivateForm {
    Pkcs8(Zeroizing<Vec<u8>>),
    Pem(SecretString),
}

impl PrivateKey {
    /// The key for a keyring.
    pub(super) fn signing_key(&self) -> Result<SigningKey, KeyError> {
        match &self.form {
            PrivateForm::Pkcs8(der) => SigningKey::from_pkcs8(self.algorithm, der),
            PrivateForm::Pem(pem) => SigningKey::from_pem(self.algorithm, pem.expose_secret()),
        }
    }
}

/// Makes a new key, and returns its public form and its sealed private form. It takes some 100 ms for RSA, so it is not
/// for a thread that serves.
pub(super) fn generate(algorithm: Asymmetric, master: &MasterSecret) -> Result<(NewKey, String), KeyError> {
    let (key, pkcs8) = SigningKey::generate(algorithm)?;
    let (pkcs8, unusable) = (Zeroizing::new(pkcs8), KeyError::Unusable(algorithm));
    let public = new_key(key.public()).ok_or(unusable)?;
    let sealed = master.seal_key(public.id, algorithm, &pkcs8).ok_or(unusable)?;
    Ok((public, sealed))
}

fn new_key(public: &PublicKey) -> Option<NewKey> {
    let public_key = serde_json::to_string(public.jwk()).ok()?;
    Some(NewKey { id: KeyId::parse(public.id())?, algorithm: public.algorithm(), public_key })
}
