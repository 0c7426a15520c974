//! The settings of TLS, which are given together or not at all. Separate because they are one decision.

use std::path::{Path, PathBuf};

use clap::Args;

/// The files of TLS. Each is read again when it changes.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TlsSettings {
    /// The server's certificate in PEM form, followed by its intermediate certificates: with it, the port speaks TLS
    #[arg(long, env, global = true)]
    pub tls_cert_file: Option<PathBuf>,

    /// The private key of TLS_CERT_FILE, in PEM form, without a passphrase
    #[arg(long, env, global = true)]
    pub tls_key_file: Option<PathBuf>,

    /// Certificate authorities in PEM form: every client must present a certificate that one of them has signed
    #[arg(long, env, global = true)]
    pub tls_client_ca_file: Option<PathBuf>,
}

/// A setting of TLS that is given without another.
#[derive(Debug, thiserror::Error)]
#[error("{given} is set and {missing} is not: set TLS_CERT_FILE and TLS_KEY_FILE, or no setting of TLS")]
pub struct IncompleteTls {
    given: &'static str,
    missing: &'static str,
}

impl TlsSettings {
    /// Returns the files of the certificate and its key, or `None` without TLS.
    pub(crate) fn pair(&self) -> Result<Option<(&Path, &Path)>, IncompleteTls> {
        let (cert, key) = ("TLS_CERT_FILE", "TLS_KEY_FILE");
        match (&self.tls_cert_file, &self.tls_key_file, &self.tls_client_ca_file) {
            (Some(cert), Some(key), _) => Ok(Some((cert, key))),
            (None, None, None) => Ok(None),
            (Some(_), None, _) => Err(IncompleteTls { given: cert, missing: key }),
            (None, Some(_), _) => Err(IncompleteTls { given: key, missing: cert }),
            (None, None, Some(_)) => Err(IncompleteTls { given: "TLS_CLIENT_CA_FILE", missing: cert }),
        }
    }
}
