//! The delivery of mail: to a mail server, into a folder, or, if neither is set, into the log. Each mail is tried once
//! here; the worker tries it again.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{self, AsyncSmtpTransport};
use lettre::{AsyncTransport as _, Message, Tokio1Executor};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::url::{MailUrl, Privacy, Smtp};

/// SMTP codes that refuse the user or the password and not the mail (RFC 4954). The mail is tried again, because the
/// operator will correct the setting.
const AUTHENTICATION_FAILURES: [&str; 4] = ["530", "534", "535", "538"];

/// Why the transport of `MAIL_URL` cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The folder cannot be written to.
    #[error("MAIL_URL: mail cannot be written to the folder {path}: {cause}", path = .0.display(), cause = .1)]
    Folder(PathBuf, io::Error),
    /// The file of authorities cannot be read.
    #[error("cannot read MAIL_CA_FILE ({path}): {cause}", path = .0.display(), cause = .1)]
    Authorities(PathBuf, io::Error),
    /// The file of authorities holds no certificate.
    #[error("MAIL_CA_FILE ({path}) holds no certificate in PEM form", path = .0.display())]
    Empty(PathBuf),
    /// The file of authorities holds a certificate that cannot be used.
    #[error("MAIL_CA_FILE holds a certificate that cannot be used: {0}")]
    Tls(#[source] smtp::Error),
}

/// Why a mail was not delivered.
#[derive(Debug)]
pub(super) struct SendFailure {
    /// Whether another attempt cannot succeed.
    pub permanent: bool,
    /// The answer of the server, which may quote the mail.
    pub cause: String,
}

/// An open transport for mail.
#[derive(Debug)]
pub(super) enum Transport {
    Smtp { connection: Box<AsyncSmtpTransport<Tokio1Executor>>, timeout: Duration },
    Folder(PathBuf),
    Log,
}

impl Transport {
    /// Opens the transport to `url`, or to the log if it is `None`. The certificate of a mail server must be signed by
    /// `authorities` instead of the public ones. The deadline is `connect_timeout` for a connection, and three times
    /// that for a mail.
    pub(super) fn open(
        url: Option<MailUrl>,
        authorities: Option<&Path>,
        hello: &str,
        connect_timeout: Duration,
    ) -> Result<Self, TransportError> {
        match url {
            None => Ok(Self::Log),
            Some(MailUrl::Folder(folder)) => {
                // As a missing database file is created: in a folder that exists.
                match DirBuilder::new().mode(0o700).create(&folder) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(TransportError::Folder(folder, error));
                    }
                    _ => {}
                }
                // Fails at the start rather than at the first mail.
                probe(&folder).map_err(|error| TransportError::Folder(folder.clone(), error))?;
                Ok(Self::Folder(folder))
            }
            Some(MailUrl::Smtp(server)) => {
                let tls = tls(&server, authorities)?;
                let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host)
                    .port(server.port)
                    .hello_name(ClientId::Domain(hello.to_owned()))
                    .timeout(Some(connect_timeout))
                    .tls(tls);
                if let Some((user, password)) = server.credentials {
                    builder = builder.credentials(Credentials::new(user, password.expose_secret().to_owned()));
                }
                Ok(Self::Smtp { connection: Box::new(builder.build()), timeout: 3 * connect_timeout })
            }
        }
    }

    /// Sends a mail, once.
    pub(super) async fn send(&self, id: Uuid, letter: Message) -> Result<(), SendFailure> {
        match self {
            Self::Smtp { connection, timeout } => match tokio::time::timeout(*timeout, connection.send(letter)).await {
                Ok(sent) => sent.map(drop).map_err(refusal),
                Err(_) => {
                    let cause = format!("the mail server has not accepted it within {timeout:?}");
                    Err(SendFailure { permanent: false, cause })
                }
            },
            Self::Folder(folder) => {
                let folder = folder.clone();
                let written = tokio::task::spawn_blocking(move || write(&folder, id, &letter.formatted())).await;
                let written = written.unwrap_or_else(|panic| Err(io::Error::other(panic)));
                written.map_err(|error| SendFailure { permanent: false, cause: error.to_string() })
            }
            // The worker writes the log line, because it has the link.
            Self::Log => Ok(()),
        }
    }
}

fn tls(server: &Smtp, authorities: Option<&Path>) -> Result<Tls, TransportError> {
    let mut parameters = TlsParameters::builder(server.host.clone());
    if let Some(path) = authorities {
        let pem = std::fs::read(path).map_err(|error| TransportError::Authorities(path.to_owned(), error))?;
        if CertificateDer::pem_slice_iter(&pem).next().is_none() {
            return Err(TransportError::Empty(path.to_owned()));
        }
        let certificates = Certificate::from_pem(&pem).map_err(TransportError::Tls)?;
        parameters = parameters.certificate_store(CertificateStore::None).add_root_certificate(certificates);
    }
    let parameters = parameters.build().map_err(TransportError::Tls)?;
    Ok(match server.privacy {
        Privacy::Tls => Tls::Wrapper(parameters),
        Privacy::StartTls => Tls::Required(parameters),
        Privacy::Opportunistic => Tls::Opportunistic(parameters),
        Privacy::None => Tls::None,
    })
}

fn refusal(error: smtp::Error) -> SendFailure {
    let answer = error.status().map(|code| code.to_string());
    let is_authentication = answer.is_some_and(|answer| AUTHENTICATION_FAILURES.contains(&answer.as_str()));
    SendFailure { permanent: error.is_permanent() && !is_authentication, cause: error.to_string() }
}

/// Checks a folder by writing and removing a file.
fn probe(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".{}", Uuid::now_v7()));
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(path)
}

/// Writes a mail to a temporary file and renames it. A mail that is written again replaces the first.
fn write(folder: &Path, id: Uuid, letter: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!(".{id}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(letter)?;
    file.sync_all()?;
    std::fs::rename(unfinished, folder.join(format!("{id}.eml")))
}
