//! A real proxy with persistent connections: no request is lost when a connection reaches its maximum age.
//! `NGINX_REQUESTS` sets the number of requests; the default is a few thousand.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Method, StatusCode};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::sockets::SOON;
use crate::support::app::request;
use crate::support::binary::{Binary, command};
use crate::support::{Answer, SECRET};
use crate::wire::eventually;

/// The maximum age of a connection, and for how many of them the test lasts at least.
const AGE: Duration = Duration::from_secs(2);
const AGES: u32 = 2;

/// The number of concurrent callers. Each has a connection to the proxy, and the proxy has as many to the server.
const CALLERS: usize = 16;

/// An nginx process that is killed when dropped.
struct Nginx(Child);

impl Nginx {
    /// Starts nginx in front of a server, on a socket in `dir`. Returns `None` if nginx is not installed.
    fn start(dir: &Path, server: &Binary) -> Option<Self> {
        let folder = dir.display();
        let mut temporary = String::new();
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            write!(temporary, "{kind}_temp_path {folder}/{kind};").unwrap();
        }
        // nginx must not retry a lost request, because a retry would hide the loss.
        let config = format!(
            "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log info;
             events {{ worker_connections 256; }}
             http {{
                 access_log off; keepalive_requests 10000000; {temporary}
                 upstream countersign {{
                     server {}; keepalive {CALLERS}; keepalive_requests 10000000; keepalive_timeout 15s;
                 }}
                 server {{
                     listen unix:{folder}/nginx.sock;
                     location / {{
                         proxy_pass http://countersign; proxy_http_version 1.1; proxy_next_upstream off;
                         proxy_set_header Connection \"\"; proxy_set_header Host localhost;
                     }}
                 }}
             }}",
            server.address
        );
        std::fs::write(dir.join("nginx.conf"), config).unwrap();
        let mut command = Command::new("nginx");
        // The PATH of an ordinary user may lack `/usr/sbin`, where nginx is installed.
        command.env("PATH", format!("{}:/usr/sbin", var("PATH").unwrap_or_default()));
        command.arg("-p").arg(dir).arg("-e").arg(dir.join("error.log")).arg("-c").arg(dir.join("nginx.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok().map(Self)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn connect(socket: &Path) -> Option<SendRequest<Body>> {
    let (sender, connection) = handshake(TokioIo::new(UnixStream::connect(socket).await.ok()?)).await.ok()?;
    tokio::spawn(connection);
    Some(sender)
}

/// A POST, which a proxy never sends twice. It is answered without a hash.
async fn post(sender: &mut SendRequest<Body>) -> StatusCode {
    let headers = [("host", "localhost"), ("content-type", "application/json")];
    let login = request(Method::POST, "/auth/login", &headers, Body::from(r#"{"email":"alice@example.com"}"#));
    let answer = sender.send_request(login).await.expect("the proxy answers");
    Answer::read(answer).await.status
}

#[tokio::test]
async fn no_request_is_lost_when_a_connection_reaches_its_age() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = command(dir.path());
    settings.env("JWT_SECRET", SECRET).env("MAX_CONNECTION_AGE", format!("{}s", AGE.as_secs()));
    let server = Binary::spawn(&mut settings);
    let Some(_nginx) = Nginx::start(dir.path(), &server) else {
        assert!(var("CI").is_none(), "this test must not be skipped in CI: install nginx");
        // Written to standard error directly, because the test harness hides what is printed.
        let _ = writeln!(std::io::stderr(), "SKIPPED, for there is no nginx: requests at a connection's age");
        return;
    };
    let socket = dir.path().join("nginx.sock");
    let log = || std::fs::read_to_string(dir.path().join("error.log")).unwrap_or_default();
    assert!(eventually(SOON, async || connect(&socket).await.is_some()).await, "it listens: {}", log());

    let most: usize = var("NGINX_REQUESTS").map_or(4_000, |number| number.parse().unwrap());
    let (begun, sent) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (socket, sent) = (socket.clone(), Arc::clone(&sent));
            tokio::spawn(async move {
                let mut sender = connect(&socket).await.unwrap();
                let mut lost = 0;
                while sent.fetch_add(1, Ordering::Relaxed) < most || begun.elapsed() < AGES * AGE + AGE / 2 {
                    lost += usize::from(post(&mut sender).await != StatusCode::UNPROCESSABLE_ENTITY);
                }
                lost
            })
        })
        .collect();
    let mut lost = 0;
    for caller in callers {
        lost += caller.await.unwrap();
    }
    let sent = sent.load(Ordering::Relaxed) - CALLERS;
    let _ = writeln!(std::io::stderr(), "through nginx: {sent} requests in {:.1?}, {lost} lost", begun.elapsed());
    assert_eq!(lost, 0, "of {sent}: {}", log());
}

#[expect(
    clippy::disallowed_methods,
    reason = "tells the tests what there is and what to do, and is no setting of the product"
)]
fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
