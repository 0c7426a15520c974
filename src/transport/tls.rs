//! The TLS handshake, and the answer to a client that speaks plain HTTP. Separate from `connection`, which serves the
//! result of a handshake like a connection without TLS.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::first_bytes::Protocol;
use super::sending::{Flow, ObservedSocket};

/// Makes handshakes with the current certificate. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls {
    config: watch::Receiver<Arc<ServerConfig>>,
    failed: Arc<Mutex<FailedHandshakes>>,
}

/// The handshakes that failed since the last log line.
#[derive(Default)]
struct FailedHandshakes {
    times: u64,
    /// The error of the last one.
    last: String,
}

impl Tls {
    pub(super) fn new(config: watch::Receiver<Arc<ServerConfig>>) -> Self {
        Self { config, failed: Arc::default() }
    }

    /// Makes the handshake, and returns the stream and the protocol that ALPN agreed on. The stream is boxed, because
    /// it is large and is moved.
    pub(super) async fn begin(
        &self,
        mut stream: TcpStream,
        flow: &Arc<Flow>,
    ) -> io::Result<(Box<TlsStream<ObservedSocket>>, Protocol)> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first != [HANDSHAKE] {
            return Err(refuse(&mut stream, first).await);
        }
        let config = Arc::clone(&self.config.borrow());
        let stream = ObservedSocket::new(stream, Arc::clone(flow));
        match TlsAcceptor::from(config).accept(stream).into_fallible().await {
            Ok(stream) => {
                let agreed = stream.get_ref().1.alpn_protocol();
                let protocol = if agreed == Some(b"h2") { Protocol::Http2 } else { Protocol::Http1 };
                Ok((Box::new(stream), protocol))
            }
            Err((error, mut stream)) => {
                {
                    let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                    *failed = FailedHandshakes { times: failed.times + 1, last: error.to_string() };
                }
                // The client was sent the reason as an alert.
                let _ = close(&mut stream).await;
                Err(error)
            }
        }
    }

    /// Logs the failed handshakes in one line, because port scans must not fill the log.
    pub(super) fn log_failed(&self) {
        let FailedHandshakes { times, last } =
            std::mem::take(&mut *self.failed.lock().unwrap_or_else(PoisonError::into_inner));
        if times > 0 {
            tracing::info!(event = "tls", result = "failed", times, last);
        }
    }
}

/// The first byte of a TLS record that carries a handshake (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;

/// The answer to a client that speaks plain HTTP. gRPC clients show it as well.
const USE_HTTPS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 35\r\n\
    connection: close\r\n\r\nThis port speaks TLS: use https://\n";

/// Closes a stream after its peer has closed it. If this side closed it with something unread, the system would discard
/// what was sent last. The deadline of the handshake limits the wait.
async fn close(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = [0; 1_024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Answers a connection that does not begin with a handshake, if it may be HTTP.
async fn refuse(stream: &mut TcpStream, first: [u8; 1]) -> io::Error {
    let answer = async {
        stream.write_all(USE_HTTPS).await?;
        close(stream).await
    };
    if first[0].is_ascii_alphabetic() {
        // A client that has gone does not need the answer.
        let _ = answer.await;
    }
    io::ErrorKind::InvalidData.into()
}
