//! Asks a running server over its port whether it answers, as a load balancer does. A module of its own, because both
//! `countersign health` and the watchdog of the server ask.

use std::io;

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Sends `GET path` over HTTP/1.1 and returns the status of the answer. The headers and the body are not read.
pub(crate) async fn get(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    path: &str,
) -> io::Result<StatusCode> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    // RFC 9112 section 4: the version, a space, and the status of three digits.
    let mut line = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut line).await?;
    let status = line.strip_prefix(b"HTTP/1.").and_then(|rest| rest.strip_prefix(b"0").or(rest.strip_prefix(b"1")));
    let status = status.and_then(|rest| StatusCode::from_bytes(rest.strip_prefix(b" ")?).ok());
    status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP/1.1"))
}
