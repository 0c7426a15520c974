//! What TLS is spoken with: the files that the settings name, checked, and read anew when they change. Apart from `tls`,
//! which is the handshake: nothing here knows a connection.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::tls::Tls;
use crate::config::{IncompleteTls, TlsSettings};

const CERT: &str = "TLS_CERT_FILE";
const KEY: &str = "TLS_KEY_FILE";
const CLIENT_CA: &str = "TLS_CLIENT_CA_FILE";

/// In bytes. The certificates of all public authorities are a fifth of it.
const LONGEST: u64 = 1_024 * 1_024;

/// Why there is no TLS. Each message names the setting and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not all settings.
    #[error(transparent)]
    Incomplete(#[from] IncompleteTls),
    /// A file.
    #[error("cannot read {0} ({1}): {2}; name a file in PEM form that this user may read")]
    Unreadable(&'static str, PathBuf, io::Error),
    /// A file without what it is for.
    #[error("{0} ({1}) holds no {2} in PEM form: it must have a block that begins with {3}")]
    Empty(&'static str, PathBuf, &'static str, &'static str),
    /// A key of some other certificate.
    #[error(
        "TLS_KEY_FILE ({0}) is not the key of the first certificate in TLS_CERT_FILE: name the two that were made \
         together, and put the server's own certificate first"
    )]
    OtherKey(PathBuf),
    /// What rustls does not take.
    #[error("{0} ({1}) is of no use: {2}; make it anew, as docs/tls.md shows")]
    Unfit(&'static str, PathBuf, String),
}

/// The files, and who is told when they change.
pub(super) struct Certificate {
    settings: TlsSettings,
    seen: Seen<Result<Files, String>>,
    config: watch::Sender<Arc<ServerConfig>>,
    /// What connections begin with.
    pub tls: Tls,
}

/// What two looks in a row have found is whole: a certificate and its key are two files, which nobody replaces at once.
struct Seen<T> {
    /// As they were when they were last judged, good or bad.
    judged: T,
    last: T,
}

/// What the files hold.
#[derive(Clone, PartialEq, Eq)]
struct Files {
    cert: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
    client_ca: Option<Vec<u8>>,
}

impl Certificate {
    /// Reads the files; none when none is set.
    pub fn load(settings: &TlsSettings) -> Result<Option<Self>, TlsError> {
        let Some(files) = Files::read(settings)? else { return Ok(None) };
        let (config, current) = watch::channel(files.config(settings)?);
        let seen = Seen { judged: Ok(files.clone()), last: Ok(files) };
        Ok(Some(Self { settings: settings.clone(), seen, config, tls: Tls::new(current) }))
    }

    /// Looks at the files now and then, for ever. At what they hold: neither times of files nor links that change their
    /// target have to be understood.
    pub async fn follow(mut self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            self.tls.tell_failed();
            let settings = self.settings.clone();
            // On a thread that may wait for a disk.
            let read = tokio::task::spawn_blocking(move || Files::read(&settings).map_err(|error| error.to_string()));
            // It only fails when the runtime ends.
            let Ok(found) = read.await.map(|read| read.and_then(|files| files.ok_or_else(String::new))) else { return };
            if !self.seen.settles(found) {
                continue;
            }
            let fit = self.seen.judged.as_ref().map_err(Clone::clone);
            match fit.and_then(|files| files.config(&self.settings).map_err(|error| error.to_string())) {
                Ok(config) => {
                    // Connections that are open go on with what they began with. Nothing of the old certificate is
                    // resumed: what clients could resume is part of the configuration.
                    self.config.send_replace(config);
                    tracing::info!(event = "tls", result = "reloaded");
                }
                Err(cause) => tracing::warn!(event = "tls", result = "kept", cause, "the last good certificate stays"),
            }
        }
    }
}

impl<T: Clone + PartialEq> Seen<T> {
    /// Whether this is to be judged now: whole, and not what was judged last.
    fn settles(&mut self, found: T) -> bool {
        let settles = found == self.last && found != self.judged;
        if settles {
            self.judged = found.clone();
        }
        self.last = found;
        settles
    }
}

/// Of a regular file: a pipe would keep its reader waiting, and give what it has only once.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let about = std::fs::metadata(path)?;
    if !about.is_file() || about.len() > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file, or longer than a megabyte"));
    }
    std::fs::read(path)
}

impl Files {
    fn read(settings: &TlsSettings) -> Result<Option<Self>, TlsError> {
        let Some((cert, key)) = settings.pair()? else { return Ok(None) };
        let read = |setting, path: &Path| {
            read_file(path).map_err(|cause| TlsError::Unreadable(setting, path.to_owned(), cause))
        };
        let client_ca = settings.tls_client_ca_file.as_deref().map(|path| read(CLIENT_CA, path)).transpose()?;
        Ok(Some(Self { cert: read(CERT, cert)?, key: Zeroizing::new(read(KEY, key)?), client_ca }))
    }

    /// `settings` say where it came from.
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
    use super::Seen;

    #[test]
    fn what_changes_is_judged_once_when_it_stays() {
        let mut seen = Seen { judged: "old", last: "old" };
        let looks = ["old", "half", "whole", "whole", "whole", "half", "whole", "whole", "old", "old", "old"];
        let judged = looks.map(|found| seen.settles(found));
        assert_eq!(judged, [false, false, false, true, false, false, false, false, false, true, false]);
    }
}
