//! Fetches a key set: one request of HTTP/1.1 on a connection of its own, because an hour has few of them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, AGE, CACHE_CONTROL, HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::uri::Scheme;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::set::MAX_SET_BYTES;
use super::{Answer, JwksError};

/// Why a request has no answer that could be a key set.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("the issuer cannot be reached: {0}")]
    Unreachable(#[from] io::Error),
    #[error("the issuer did not answer: {0}")]
    Failed(#[from] hyper::Error),
    #[error("the issuer answered {0}; the address must be that of the key set itself")]
    Refused(StatusCode),
    #[error("the answer broke off, or has more than 1 MiB")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The address of a key set, with what its requests need.
pub(super) struct Client {
    request: Request<Empty<Bytes>>,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Client {
    /// Makes it for an address. Its host is resolved anew for each request.
    pub(super) fn new(url: &str) -> Result<Self, JwksError> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        Self::trusting(roots, url).ok_or(JwksError::InvalidUrl)
    }

    fn trusting(roots: RootCertStore, url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
        if host.is_empty() || !(is_tls || uri.scheme() == Some(&Scheme::HTTP)) {
            return None;
        }
        let tls = if is_tls { Some((connector(roots)?, ServerName::try_from(host.clone()).ok()?)) } else { None };
        let request = Request::get(uri.path_and_query().map_or("/", |path| path.as_str()))
            .header(HOST, authority.as_str())
            .header(ACCEPT, "application/jwk-set+json, application/json")
            // What a cache has may be the keys from before one was revoked.
            .header(CACHE_CONTROL, "no-cache")
            .header(USER_AGENT, concat!("countersign-guard/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .ok()?;
        Some(Self { request, host, port: authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }), tls })
    }

    /// Makes one request. The caller limits its time.
    pub(super) async fn get(&self) -> Result<Answer, FetchError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        match &self.tls {
            None => self.exchange(TokioIo::new(stream)).await,
            Some((connector, name)) => {
                self.exchange(TokioIo::new(connector.connect(name.clone(), stream).await?)).await
            }
        }
    }

    async fn exchange(&self, stream: impl Read + Write + Send + Unpin + 'static) -> Result<Answer, FetchError> {
        let (mut sender, connection) = http1::handshake(stream).await?;
        // It ends with the sender, and tells the sender why.
        tokio::spawn(connection);
        let (head, body) = sender.send_request(self.request.clone()).await?.into_parts();
        if head.status != StatusCode::OK {
            return Err(FetchError::Refused(head.status));
        }
        let body = Limited::new(body, MAX_SET_BYTES).collect().await.map_err(FetchError::Unreadable)?;
        Ok(Answer { body: body.to_bytes().into(), max_age: max_age(&head.headers) })
    }
}

fn connector(roots: RootCertStore) -> Option<TlsConnector> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().ok()?.with_root_certificates(roots).with_no_client_auth();
    Some(TlsConnector::from(Arc::new(config)))
}

/// Returns how long an answer may be used (RFC 9111 section 4.2): its `max-age`, less the time that it has spent in
/// caches.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let seconds = |text: &str| text.trim().trim_matches('"').parse().ok().map(Duration::from_secs);
    let text = |value: &'_ HeaderValue| value.to_str().ok().map(str::to_ascii_lowercase);
    let max_age = headers.get_all(CACHE_CONTROL).iter().filter_map(text).find_map(|directives| {
        directives.split(',').find_map(|directive| directive.trim().strip_prefix("max-age=").and_then(seconds))
    })?;
    let age = headers.get(AGE).and_then(text).and_then(|age| seconds(&age)).unwrap_or_default();
    Some(max_age.saturating_sub(age))
}

#[cfg(test)]
mod tests;
