//! The certificate and key of TLS: the files that the settings name, checked, and read again when they change. Separate
//! from `tls`, which makes handshakes: nothing here knows a connection.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::tls::Tls;
use super::validity::{DailyReminder, Validity};
use crate::config::{IncompleteTls, TlsSettings};

const CERT: &str = "TLS_CERT_FILE";
const KEY: &str = "TLS_KEY_FILE";
const CLIENT_CA: &str = "TLS_CLIENT_CA_FILE";

/// The longest file in bytes. The certificates of all public authorities take a fifth of that.
const MAX_FILE: u64 = 1_024 * 1_024;

/// Why the files of TLS cannot be used. Each message names the setting and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Some settings of TLS are missing.
    #[error(transparent)]
    Incomplete(#[from] IncompleteTls),
    /// A file cannot be read.
    #[error("cannot read {0} ({1}): {2}; name a file in PEM form that this user may read")]
    Unreadable(&'static str, PathBuf, io::Error),
    /// A file does not contain what its setting needs.
    #[error("{0} ({1}) holds no {2} in PEM form: it must have a block that begins with {3}")]
    Empty(&'static str, PathBuf, &'static str, &'static str),
    /// The key belongs to another certificate.
    #[error(
        "TLS_KEY_FILE ({0}) is not the key of the first certificate in TLS_CERT_FILE: name the key that \
         belongs to the certificate, and put the server's own certificate first"
    )]
    OtherKey(PathBuf),
    /// A file holds something that rustls does not accept.
    #[error("{0} ({1}) cannot be used: {2}; make it anew, as the documentation shows")]
    Unfit(&'static str, PathBuf, String),
}

/// The files of TLS, and the configuration made from them.
pub(crate) struct Certificate {
    settings: TlsSettings,
    seen: StableRead<Result<TlsFiles, String>>,
    config: watch::Sender<Arc<ServerConfig>>,
    /// The validity of the certificate in use, if it can be read.
    validity: Option<Validity>,
    /// Notified when the files are to be read at once.
    pub reread: Arc<Notify>,
    /// Makes handshakes with the latest configuration.
    pub tls: Tls,
}

/// Accepts a change once two reads in a row have found it. A certificate and its key are two files, which cannot be
/// replaced at the same moment.
struct StableRead<T> {
    /// The content that was last accepted, valid or not.
    accepted: T,
    last: T,
}

/// The content of the files.
#[derive(Clone, PartialEq, Eq)]
struct TlsFiles {
    cert: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    client_ca: Option<Vec<u8>>,
}

impl Certificate {
    /// Reads the files; `None` if the settings name none.
    pub(crate) fn load(settings: &TlsSettings) -> Result<Option<Self>, TlsError> {
        let Some(files) = TlsFiles::read(settings)? else { return Ok(None) };
        let (config, current) = watch::channel(files.config(settings)?);
        let (settings, validity, reread) = (settings.clone(), files.validity(), Arc::default());
        let seen = StableRead { accepted: Ok(files.clone()), last: Ok(files) };
        Ok(Some(Self { settings, seen, config, validity, reread, tls: Tls::new(current) }))
    }

    /// Reads the files again and again, until the task is aborted. It compares their content, so that neither times of
    /// files nor changing links matter. A certificate that clients refuse, or soon will, is logged once a day.
    pub(crate) async fn follow(mut self, every: Duration, now: impl Fn() -> OffsetDateTime) {
        let mut reminder = DailyReminder::default();
        loop {
            if let Some(validity) = self.validity
                && reminder.is_due(now())
            {
                validity.warn(now());
            }
            let asked = timeout(every, self.reread.notified()).await.is_ok();
            self.tls.log_failed();
            let settings = self.settings.clone();
            // On a thread that may wait for the disk.
            let read =
                tokio::task::spawn_blocking(move || TlsFiles::read(&settings).map_err(|error| error.to_string()));
            // Fails only when the runtime ends.
            let Ok(found) = read.await.map(|read| read.and_then(|files| files.ok_or_else(String::new))) else { return };
            if asked {
                // Whoever asks says that the files are whole.
                self.seen.last = found.clone();
            }
            if !self.seen.settles(found) {
                if asked {
                    tracing::info!(event = "tls", result = "unchanged");
                }
                continue;
            }
            let fit = self.seen.accepted.as_ref().map_err(Clone::clone);
            match fit.and_then(|files| files.config(&self.settings).map_err(|error| error.to_string())) {
                Ok(config) => {
                    // Open connections keep the old certificate. No session of it can be resumed, because the session
                    // cache is part of the configuration.
                    self.config.send_replace(config);
                    self.validity = self.seen.accepted.as_ref().ok().and_then(TlsFiles::validity);
                    reminder = DailyReminder::default();
                    tracing::info!(event = "tls", result = "reloaded");
                }
                Err(cause) => {
                    tracing::warn!(event = "tls", result = "kept", cause, "the last valid certificate stays in use")
                }
            }
        }
    }
}

impl<T: Clone + PartialEq> StableRead<T> {
    /// Whether `found` is a change to accept: it was found twice in a row, and is not what was accepted last.
    fn settles(&mut self, found: T) -> bool {
        let settles = found == self.last && found != self.accepted;
        if settles {
            self.accepted = found.clone();
        }
        self.last = found;
        settles
    }
}

/// Reads a regular file. A pipe would block its reader, and could be read only once.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let about = std::fs::metadata(path)?;
    if !about.is_file() || about.len() > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file, or longer than a megabyte"));
    }
    std::fs::read(path)
}

impl TlsFiles {
    fn read(settings: &TlsSettings) -> Result<Option<Self>, TlsError> {
        let Some((cert, key)) = settings.pair()? else { return Ok(None) };
        let read = |setting, path: &Path| {
            read_file(path).map_err(|cause| TlsError::Unreadable(setting, path.to_owned(), cause))
        };
        let client_ca = settings.tls_client_ca_file.as_deref().map(|path| read(CLIENT_CA, path)).transpose()?;
        Ok(Some(Self { cert: read(CERT, cert)?, key: Zeroizing::new(read(KEY, key)?), client_ca }))
    }

    /// The validity of the certificate and its intermediates.
    fn validity(&self) -> Option<Validity> {
        let chain = CertificateDer::pem_slice_iter(&self.cert).collect::<Result<Vec<_>, _>>();
        chain.ok().and_then(|chain| Validity::of(&chain))
    }

    /// The configuration of rustls. `settings` name the files for errors.
    fn config(&self, settings: &TlsSettings) -> Result<Arc<ServerConfig>, TlsError> {
        let path = |path: &Option<PathBuf>| path.clone().unwrap_or_default();
        let unfit = |setting, path, cause: &dyn ToString| TlsError::Unfit(setting, path, cause.to_string());
        let (cert, key) = (path(&settings.tls_cert_file), path(&settings.tls_key_file));
        let provider = Arc::new(default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| unfit(CERT, cert.clone(), &error))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let file = path(&settings.tls_client_ca_file);
                let mut roots = RootCertStore::empty();
                for root in certificates(CLIENT_CA, &file, pem)? {
                    roots.add(root).map_err(|error| unfit(CLIENT_CA, file.clone(), &error))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(|error| unfit(CLIENT_CA, file, &error))?)
            }
        };
        let secret = PrivateKeyDer::pem_slice_iter(&self.key).next();
        let secret = secret.ok_or_else(|| {
            TlsError::Empty(KEY, key.clone(), "private key without a password", "-----BEGIN PRIVATE KEY-----")
        })?;
        let secret = secret.map_err(|error| unfit(KEY, key.clone(), &error))?;
        let chain = certificates(CERT, &cert, &self.cert)?;
        let mut config = builder.with_single_cert(chain, secret).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::OtherKey(key),
            rustls::Error::General(cause) => unfit(KEY, key, &cause),
            error => unfit(CERT, cert, &error),
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn certificates(setting: &'static str, file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if found.is_empty() => {
            Err(TlsError::Empty(setting, file.to_owned(), "certificate", "-----BEGIN CERTIFICATE-----"))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(TlsError::Unfit(setting, file.to_owned(), error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::StableRead;

    #[test]
    fn a_change_is_accepted_once_when_it_is_stable() {
        let mut seen = StableRead { accepted: "old", last: "old" };
        let looks = ["old", "half", "whole", "whole", "whole", "half", "whole", "whole", "old", "old", "old"];
        let accepted = looks.map(|found| seen.settles(found));
        assert_eq!(accepted, [false, false, false, true, false, false, false, false, false, true, false]);
    }
}
