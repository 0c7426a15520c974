//! TLS on the one port: the handshake, and what is said to who speaks in the clear. Apart from the listener, which serves
//! what comes out of a handshake as it serves a connection without one.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::first_bytes::Protocol;
use super::sending::{Noted, Outbox};

/// Handshakes, with the certificate of the moment. Cheap to clone.
#[derive(Clone)]
pub(super) struct Tls {
    config: watch::Receiver<Arc<ServerConfig>>,
    failed: Arc<Mutex<Failed>>,
}

/// The handshakes that failed since that was last told.
#[derive(Default)]
struct Failed {
    times: u64,
    /// Why the last one did.
    last: String,
}

impl Tls {
    pub fn new(config: watch::Receiver<Arc<ServerConfig>>) -> Self {
        Self { config, failed: Arc::default() }
    }

    /// The handshake, and what was agreed to be spoken. In a box: it is large, and moved about.
    pub async fn begin(
        &self,
        mut stream: TcpStream,
        outbox: &Arc<Outbox>,
    ) -> io::Result<(Box<TlsStream<Noted>>, Protocol)> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if first != [HANDSHAKE] {
            return Err(refuse(&mut stream, first).await);
        }
        let config = Arc::clone(&self.config.borrow());
        let stream = Noted::new(stream, Arc::clone(outbox));
        match TlsAcceptor::from(config).accept(stream).into_fallible().await {
            Ok(stream) => {
                let agreed = stream.get_ref().1.alpn_protocol();
                let protocol = if agreed == Some(b"h2") { Protocol::Http2 } else { Protocol::Http1 };
                Ok((Box::new(stream), protocol))
            }
            Err((error, mut stream)) => {
                {
                    let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                    *failed = Failed { times: failed.times + 1, last: error.to_string() };
                }
                // The reason has been sent, as an alert.
                let _ = part(&mut stream).await;
                Err(error)
            }
        }
    }

    /// Tells the log of those that failed, in one line: who scans ports must not fill it.
    pub fn tell_failed(&self) {
        let Failed { times, last } = std::mem::take(&mut *self.failed.lock().unwrap_or_else(PoisonError::into_inner));
        if times > 0 {
            tracing::info!(event = "tls", result = "failed", times, last);
        }
    }
}

/// The first byte of a TLS record that carries a handshake (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;

/// To whoever speaks HTTP in the clear; a gRPC client that does shows it, too.
const USE_HTTPS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 35\r\n\
    connection: close\r\n\r\nThis port speaks TLS: use https://\n";

/// Waits for the peer to close: if this side did so with something unread, the system would take back what was sent last. The
/// time for a handshake is the limit.
async fn part(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = [0; 1_024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Answers what is no handshake, if it may be HTTP.
async fn refuse(stream: &mut TcpStream, first: [u8; 1]) -> io::Error {
    let answer = async {
        stream.write_all(USE_HTTPS).await?;
        part(stream).await
    };
    if first[0].is_ascii_alphabetic() {
        // Who does not wait for it has no use for it.
        let _ = answer.await;
    }
    io::ErrorKind::InvalidData.into()
}
