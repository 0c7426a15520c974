//! A proxy as a process, and the server that it asks.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::support::app::request;
use crate::support::binary::{Binary, command, database};
use crate::support::http::{call, over_socket};
use crate::support::{Answer, PASSWORD, SECRET};

/// How long a proxy may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// The lifetime of tokens of username accounts.
pub const LIFETIME: Duration = Duration::from_secs(3);

/// Countersign, with a folder for it and for the proxy.
pub struct Server {
    pub dir: TempDir,
    pub binary: Binary,
}

/// A running proxy, which is killed when dropped.
pub struct Proxy {
    pub address: SocketAddr,
    child: Child,
}

/// The addresses in a configuration, as they are written there, and those of a test.
pub type Addresses<'a> = &'a [(&'a str, String)];

impl Server {
    pub fn start() -> Self {
        Self::with(LIFETIME, &[])
    }

    /// A server with this lifetime of tokens of username accounts, and with further settings.
    pub fn with(lifetime: Duration, settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = command(dir.path());
        command.env("JWT_SECRET", SECRET).env("ALLOW_REGISTRATION", "true").env("EXT_AUTHZ", "true");
        command.env("TRUSTED_PROXIES", "127.0.0.1").env("USERNAME_TOKEN_LIFETIME", format!("{}s", lifetime.as_secs()));
        command.envs(settings.iter().copied());
        Self { binary: Binary::spawn(&mut command), dir }
    }

    pub fn address(&self) -> SocketAddr {
        self.binary.address
    }

    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        call(self.address(), Method::POST, path, headers, body).await.unwrap()
    }

    /// Registers a username account, and returns its first token.
    pub async fn sign_in(&self, username: &str) -> String {
        let answer = self.post("/api/auth/register", &[], &json!({ "username": username, "password": PASSWORD })).await;
        answer.json()["token"].as_str().expect("registered").to_owned()
    }

    /// Registers the administrator of a firm, with a verified address, and returns a token.
    pub async fn sign_in_admin(&self, email: &str) -> String {
        let new = json!({ "email": email, "password": PASSWORD, "name": "Ada", "firm_name": "Engines" });
        assert_eq!(self.post("/auth/register", &[], &new).await.status, 201);
        let file = SqliteConnectOptions::new().filename(database(self.dir.path()));
        let mut database = SqliteConnection::connect_with(&file).await.unwrap();
        database.execute("update accounts set email_verified_at = created_at where email is not null").await.unwrap();
        let answer = self.post("/auth/login", &[], &json!({ "email": email, "password": PASSWORD })).await;
        answer.json()["access_token"].as_str().expect("signed in").to_owned()
    }

    pub async fn log_out(&self, token: &str) {
        assert_eq!(self.post("/auth/logout", &[("token", token)], &Value::Null).await.status, 200);
    }
}

impl Proxy {
    /// Starts a proxy that listens on `address` when it is ready: an unsigned request is then refused. Returns `None`
    /// if it is not installed.
    pub async fn start(name: &str, address: SocketAddr, mut command: Command) -> Option<Self> {
        let log = tempfile::NamedTempFile::new().unwrap();
        let output = || Stdio::from(log.reopen().unwrap());
        // What is printed before, such as of a failed start, shows in the log.
        let Ok(child) = command.stdin(Stdio::null()).stdout(output()).stderr(output()).spawn() else {
            assert!(var("CI").is_none(), "this test must not be skipped in CI: install {name}");
            say_skipped(name);
            return None;
        };
        let mut proxy = Self { address, child };
        let begun = Instant::now();
        loop {
            let is_open = tokio::net::TcpStream::connect(address).await.is_ok();
            if is_open && proxy.send(request(Method::GET, "/", &[], Body::empty())).await.status == 401 {
                return Some(proxy);
            }
            let said = || std::fs::read_to_string(log.path()).unwrap_or_default();
            assert!(proxy.child.try_wait().unwrap().is_none(), "{name} has ended: {}", said());
            assert!(begun.elapsed() < PATIENCE, "{name} does not guard: {}", said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The answer to one request over HTTP/1.1.
    pub async fn send(&self, request: http::Request<Body>) -> Answer {
        over_socket(self.address, request).await
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(request(Method::GET, path, headers, Body::empty())).await
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn say_skipped(name: &str) {
    // Written to standard error directly, because the test harness hides what is printed.
    let _ = writeln!(std::io::stderr(), "SKIPPED, for there is no {name}: a test of `neighbours`");
}

/// Whether a client can be started. Also in CI, a machine may have no browser, which the step `browser` asks for.
pub fn is_installed(client: &Command, name: &str) -> bool {
    let mut version = Command::new(client.get_program());
    let output = version.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if output.is_err() {
        say_skipped(name);
    }
    output.is_ok()
}

/// The program that a variable names, or the one of this name.
pub fn program(variable: &str, name: &str) -> Command {
    let mut command = Command::new(var(variable).unwrap_or_else(|| name.to_owned()));
    // The PATH of an ordinary user may lack this folder, where Debian installs proxies.
    command.env("PATH", format!("{}:/usr/sbin", var("PATH").unwrap_or_default()));
    command
}

/// Copies a configuration of `examples/proxies` with the addresses of a test, and returns the path of the copy.
pub fn configure(dir: &Path, name: &str, addresses: Addresses<'_>) -> PathBuf {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/proxies").join(name);
    let text = addresses.iter().fold(std::fs::read_to_string(file).unwrap(), |text, (written, ours)| {
        assert!(text.contains(written), "{name} has no {written}");
        text.replace(written, ours)
    });
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[expect(clippy::disallowed_methods, reason = "tells the tests what there is, and is no setting of the product")]
fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
