//! A real proxy in front of the server. With persistent connections, no request is lost when a connection reaches its
//! maximum age; `NGINX_REQUESTS` sets the number of requests, and the default is a few thousand. The configuration in
//! `docs/username-api.md` joins the server and the product that the username API comes from. `tests/neighbours` has the
//! configurations that guard a service.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Method, StatusCode};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};
use tokio::net::{TcpListener, UnixStream};

use crate::sockets::SOON;
use crate::support::app::request;
use crate::support::binary::{Binary, command};
use crate::support::{Answer, PASSWORD, SECRET};
use crate::wire::eventually;

/// The maximum age of a connection, and for how many of them the test lasts at least.
const AGE: Duration = Duration::from_secs(2);
const AGES: u32 = 2;

/// The number of concurrent callers. Each has a connection to the proxy, and the proxy has as many to the server.
const CALLERS: usize = 16;

/// An nginx process that is killed when dropped.
struct Nginx(Child);

impl Nginx {
    /// Starts nginx with these servers, one of which listens on the socket of [`socket`]. Returns `None` if nginx is
    /// not installed.
    async fn start(dir: &Path, servers: &str) -> Option<Self> {
        let folder = dir.display();
        let mut temporary = String::new();
        for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            write!(temporary, "{kind}_temp_path {folder}/{kind};").unwrap();
        }
        let config = format!(
            "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log info;
             events {{ worker_connections 256; }}
             http {{ access_log off; keepalive_requests 10000000; {temporary} {servers} }}"
        );
        std::fs::write(dir.join("nginx.conf"), config).unwrap();
        let mut command = Command::new("nginx");
        // The PATH of an ordinary user may lack `/usr/sbin`, where nginx is installed.
        command.env("PATH", format!("{}:/usr/sbin", var("PATH").unwrap_or_default()));
        command.arg("-p").arg(dir).arg("-e").arg(dir.join("error.log")).arg("-c").arg(dir.join("nginx.conf"));
        let Ok(child) = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
            assert!(var("CI").is_none(), "this test must not be skipped in CI: install nginx");
            // Written to standard error directly, because the test harness hides what is printed.
            let _ = writeln!(std::io::stderr(), "SKIPPED, for there is no nginx: a test of `behind_nginx`");
            return None;
        };
        let nginx = Self(child);
        let log = || std::fs::read_to_string(dir.join("error.log")).unwrap_or_default();
        assert!(eventually(SOON, async || connect(&socket(dir)).await.is_some()).await, "it listens: {}", log());
        Some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("nginx.sock")
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
    let socket = socket(dir.path());
    // nginx must not retry a lost request, because a retry would hide the loss.
    let servers = format!(
        "upstream countersign {{
             server {}; keepalive {CALLERS}; keepalive_requests 10000000; keepalive_timeout 15s;
         }}
         server {{
             listen unix:{};
             location / {{
                 proxy_pass http://countersign; proxy_http_version 1.1; proxy_next_upstream off;
                 proxy_set_header Connection \"\"; proxy_set_header Host localhost;
             }}
         }}",
        server.address,
        socket.display()
    );
    let Some(_nginx) = Nginx::start(dir.path(), &servers).await else { return };
    let log = || std::fs::read_to_string(dir.path().join("error.log")).unwrap_or_default();

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

/// The product's own API, as far as the proxy matters: it checks the signature of a token itself, and sends a token of
/// its own with every answer. It answers the caller's name, the method and the body.
async fn product() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let api = axum::Router::new().fallback(async |request: axum::extract::Request| {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1_024).await.unwrap();
        let token = parts.headers.get("token").and_then(|token| token.to_str().ok()).unwrap_or_default();
        let mut rules = Validation::new(Algorithm::HS256);
        // The clock of a test's server is the real one, and the claims are the product's own.
        rules.set_required_spec_claims(&["exp"]);
        let claims = decode::<Value>(token, &DecodingKey::from_secret(SECRET.as_bytes()).unwrap(), &rules);
        let username = claims.map_or(Value::Null, |token| token.claims["username"].clone());
        let status = if parts.uri.path() == "/api/missing" { StatusCode::NOT_FOUND } else { StatusCode::OK };
        let answer = json!({
            "username": username,
            "method": parts.method.as_str(),
            "body": String::from_utf8_lossy(&body),
        });
        let headers = [("token", "the product's own"), ("access-control-expose-headers", "token")];
        (status, headers, axum::Json(answer))
    });
    tokio::spawn(async move { axum::serve(listener, api).await });
    address
}

/// The configuration in a page as it stands there. Only the addresses are the test's own.
fn of_page(page: &str, dir: &Path, port: &str, addresses: &[(&str, String)]) -> String {
    let text = std::fs::read_to_string(page).unwrap();
    let block = text.split("```nginx\n").nth(1).and_then(|rest| rest.split("```").next()).expect("it is in the page");
    let listen = (&*format!("listen {port}"), format!("listen unix:{}", socket(dir).display()));
    addresses.iter().chain([&listen]).fold(block.to_owned(), |block, (written, ours)| {
        assert_eq!(block.matches(written).count(), 1, "{written}");
        block.replace(written, ours)
    })
}

#[tokio::test]
async fn the_configuration_in_the_docs_joins_the_product_and_the_sign_in() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = command(dir.path());
    settings.env("JWT_SECRET", SECRET).env("ALLOW_REGISTRATION", "true").env("TRUSTED_PROXIES", "127.0.0.1");
    let server = Binary::spawn(&mut settings);
    let ours = [("127.0.0.1:3008", server.address.to_string()), ("127.0.0.1:3000", product().await.to_string())];
    let servers = of_page("docs/username-api.md", dir.path(), "8080", &ours);
    let Some(_nginx) = Nginx::start(dir.path(), &servers).await else { return };
    let mut sender = connect(&socket(dir.path())).await.unwrap();
    let mut send = async |method: Method, path: &str, headers: &[(&str, &str)], body: Value| {
        let base = [("host", "localhost"), ("content-type", "application/json"), ("origin", "http://localhost:5173")];
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        Answer::read(sender.send_request(request(method, path, &[&base, headers].concat(), body)).await.unwrap()).await
    };
    let alice = json!({ "username": "alice", "password": PASSWORD });
    assert_eq!(send(Method::POST, "/API/auth/register/", &[], alice.clone()).await.status, StatusCode::OK);
    let login = send(Method::POST, "/api/auth/login", &[], alice).await;
    let token = login.json()["token"].as_str().unwrap().to_owned();

    for (path, status) in [("/api/accounts", StatusCode::OK), ("/api/missing", StatusCode::NOT_FOUND)] {
        let answer = send(Method::POST, path, &[("token", &token)], json!({ "name": "savings" })).await;
        let expected = json!({ "username": "alice", "method": "POST", "body": r#"{"name":"savings"}"# });
        assert_eq!((answer.status, answer.json()), (status, expected), "{path}");
        assert_eq!(answer.headers.get_all("token").iter().count(), 1, "{answer:?}");
        let exposed: Vec<_> = answer.headers.get_all("access-control-expose-headers").iter().collect();
        assert!(exposed.len() == 1 && exposed[0].to_str().unwrap().starts_with("Token"), "{exposed:?}");
        let fresh = answer.header("token").unwrap();
        let me = send(Method::GET, "/api/auth/me", &[("token", fresh)], Value::Null).await;
        assert_eq!(me.status, StatusCode::NO_CONTENT, "the fresh token is ours");
        let bearer = format!("Bearer {fresh}");
        let by_bearer = send(Method::GET, "/api/accounts", &[("authorization", &bearer)], Value::Null).await;
        assert_eq!((by_bearer.status, by_bearer.headers.contains_key("token")), (StatusCode::OK, true));
    }
    for headers in [&[][..], &[("token", "undefined")]] {
        let refused = send(Method::POST, "/api/accounts", headers, json!({ "name": "savings" })).await;
        let body = json!({
            "statusCode": 401,
            "error": "Unauthorized",
            "message": "the token is missing, invalid or expired: log in again",
        });
        assert_eq!((refused.status, refused.json()), (StatusCode::UNAUTHORIZED, body));
        assert!(!refused.headers.contains_key("token"), "{refused:?}");
    }
    let preflight = send(Method::OPTIONS, "/api/accounts", &[], Value::Null).await;
    assert_eq!((preflight.status, &preflight.json()["method"]), (StatusCode::OK, &json!("OPTIONS")));
    assert!(!preflight.headers.contains_key("token"), "{preflight:?}");
    let page = send(Method::GET, "/", &[], Value::Null).await;
    assert_eq!((page.status, &page.json()["method"]), (StatusCode::OK, &json!("GET")), "the product's own page");

    assert_eq!(send(Method::POST, "/auth/logout", &[("token", &token)], Value::Null).await.status, StatusCode::OK);
    let after = send(Method::GET, "/api/accounts", &[("token", &token)], Value::Null).await;
    assert_eq!(after.status, StatusCode::UNAUTHORIZED, "the session has ended for the product, too");
}

#[expect(
    clippy::disallowed_methods,
    reason = "tells the tests what there is and what to do, and is no setting of the product"
)]
fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
