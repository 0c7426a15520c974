//! The ways a mail can go: to a server, into a folder, or into the log when there is neither. None is tried twice here: the
//! queue does that.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
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

/// Answers that speak of the user and the password, and not of the mail (RFC 4954): what is wrong is a setting, which
/// somebody will correct.
const NOT_LET_IN: [&str; 4] = ["530", "534", "535", "538"];

/// Why mail cannot go where `MAIL_URL` says, whatever it is.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The folder.
    #[error("MAIL_URL: {path} is no folder that mail can be written to: {cause}", path = .0.display(), cause = .1)]
    Folder(PathBuf, io::Error),
    /// The authorities.
    #[error("cannot read MAIL_CA_FILE ({path}): {cause}", path = .0.display(), cause = .1)]
    Authorities(PathBuf, io::Error),
    /// There are none in it.
    #[error("MAIL_CA_FILE ({path}) holds no certificate in PEM form", path = .0.display())]
    Empty(PathBuf),
    /// TLS cannot be spoken with them.
    #[error("MAIL_CA_FILE holds a certificate that no authority can have: {0}")]
    Tls(#[source] smtp::Error),
}

/// Why a mail did not go.
#[derive(Debug)]
pub(super) struct Failure {
    /// Whether it never will.
    pub permanent: bool,
    /// What was said, which may show what the mail said.
    pub cause: String,
}

/// A way for mail.
#[derive(Debug)]
pub(super) enum Transport {
    Smtp { connection: Box<AsyncSmtpTransport<Tokio1Executor>>, patience: Duration },
    Folder(PathBuf),
    Log,
}

impl Transport {
    /// Opens the way to `url`; to the log without one. `authorities` sign the server's certificate, in place of the public
    /// ones. A server that has not accepted a connection within `patience`, or a mail within three times that, has not taken
    /// it.
    pub fn open(
        url: Option<MailUrl>,
        authorities: Option<&Path>,
        hello: &str,
        patience: Duration,
    ) -> Result<Self, TransportError> {
        match url {
            None => Ok(Self::Log),
            Some(MailUrl::Folder(folder)) => {
                // Now, rather than at the first mail.
                tempting(&folder).map_err(|error| TransportError::Folder(folder.clone(), error))?;
                Ok(Self::Folder(folder))
            }
            Some(MailUrl::Smtp(server)) => {
                let tls = tls(&server, authorities)?;
                let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server.host)
                    .port(server.port)
                    .hello_name(ClientId::Domain(hello.to_owned()))
                    .timeout(Some(patience))
                    .tls(tls);
                if let Some((user, password)) = server.credentials {
                    builder = builder.credentials(Credentials::new(user, password.expose_secret().to_owned()));
                }
                Ok(Self::Smtp { connection: Box::new(builder.build()), patience: 3 * patience })
            }
        }
    }

    /// Sends a mail, once.
    pub async fn send(&self, id: Uuid, letter: Message) -> Result<(), Failure> {
        match self {
            Self::Smtp { connection, patience } => match tokio::time::timeout(*patience, connection.send(letter)).await
            {
                Ok(sent) => sent.map(drop).map_err(refusal),
                Err(_) => {
                    let cause = format!("the mail server has not taken it within {patience:?}");
                    Err(Failure { permanent: false, cause })
                }
            },
            Self::Folder(folder) => {
                let folder = folder.clone();
                let written = tokio::task::spawn_blocking(move || write(&folder, id, &letter.formatted())).await;
                let written = written.unwrap_or_else(|panic| Err(io::Error::other(panic)));
                written.map_err(|error| Failure { permanent: false, cause: error.to_string() })
            }
            // Who calls writes the line, and has the link.
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

fn refusal(error: smtp::Error) -> Failure {
    let answer = error.status().map(|code| code.to_string());
    let not_let_in = answer.is_some_and(|answer| NOT_LET_IN.contains(&answer.as_str()));
    Failure { permanent: error.is_permanent() && !not_let_in, cause: error.to_string() }
}

/// Writes and removes a file.
fn tempting(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".{}", Uuid::now_v7()));
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(path)
}

/// Writes a mail, whole or not at all. A mail that is written again replaces the first.
fn write(folder: &Path, id: Uuid, letter: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!(".{id}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(letter)?;
    file.sync_all()?;
    std::fs::rename(unfinished, folder.join(format!("{id}.eml")))
}
