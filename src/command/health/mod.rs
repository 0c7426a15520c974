//! `countersign health`: asks a running server whether it is ready, for containers and scripts without an HTTP client.

mod any_certificate;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{CommandError, say};
use crate::config::{ServerAddress, Settings};
use crate::probe;
use any_certificate::AnyCertificate;

/// How long the server may take to answer. Docker kills a health check after 30 seconds, Kubernetes after one or more.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the server is not known to be ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HealthError {
    /// The port was chosen by the system.
    #[error("LISTEN_ADDR has the port 0, which is any port: give --address http://127.0.0.1:PORT")]
    AnyPort,
    /// The server serves and is not ready.
    #[error(
        "the server at {0} answers and is not ready: its database cannot be reached or written, its clock is wrong, or it \
         is stopping; the log of the server says which"
    )]
    NotReady(ServerAddress),
    /// The answer is none that this server gives.
    #[error("the server at {0} answers {1}: it is not Countersign, or a proxy in front of it cannot reach it")]
    Strange(ServerAddress, StatusCode),
    /// Nothing was answered in time.
    #[error("the server at {0} did not answer within {1:?}")]
    Late(ServerAddress, Duration),
    /// There is no connection, or it ended.
    #[error(
        "the server at {0} cannot be asked: {1}; if it listens elsewhere, set its LISTEN_ADDR here, too, or give --address"
    )]
    Silent(ServerAddress, io::Error),
    /// The files of TLS cannot be used for a client.
    #[error("cannot use TLS_CERT_FILE and TLS_KEY_FILE as the certificate of a client: {0}")]
    ClientCertificate(String),
}

/// Asks the server at `address`, or the one that these settings are of.
pub(crate) async fn health(settings: &Settings, address: Option<ServerAddress>) -> Result<(), CommandError> {
    let address = address.or_else(|| settings.own_address()).ok_or(HealthError::AnyPort)?;
    let tls = address.is_tls.then(|| tls(settings)).transpose()?;
    let status = match timeout(PATIENCE, ask(&address, tls)).await {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => return Err(HealthError::Silent(address, error).into()),
        Err(_) => return Err(HealthError::Late(address, PATIENCE).into()),
    };
    match status {
        StatusCode::OK => say(&format!("the server at {address} is ready")),
        StatusCode::SERVICE_UNAVAILABLE => Err(HealthError::NotReady(address).into()),
        status => Err(HealthError::Strange(address, status).into()),
    }
}

async fn ask(address: &ServerAddress, tls: Option<TlsConnector>) -> io::Result<StatusCode> {
    let ServerAddress { host, port, prefix, .. } = address;
    let stream = TcpStream::connect((host.as_str(), *port)).await?;
    let path = format!("{prefix}/readyz");
    // An IPv6 address has brackets in a header, and none in a certificate.
    let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    match tls {
        None => probe::get(stream, &authority, &path).await,
        Some(tls) => {
            let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
            probe::get(tls.connect(name, stream).await?, &authority, &path).await
        }
    }
}

/// A client that accepts every certificate. Where the server asks clients for a certificate, it shows the server's own,
/// which is accepted if the same authority has signed both.
fn tls(settings: &Settings) -> Result<TlsConnector, HealthError> {
    let wrong = |cause: &dyn std::fmt::Display| HealthError::ClientCertificate(cause.to_string());
    let provider = Arc::new(default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)));
    let files = settings.tls.pair().ok().flatten().filter(|_| settings.tls.tls_client_ca_file.is_some());
    let config = match files {
        None => config.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect);
            let chain: Vec<_> = chain.map_err(|error| wrong(&error))?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(&error))?;
            config.with_client_auth_cert(chain, key).map_err(|error| wrong(&error))?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}
