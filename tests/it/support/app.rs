//! The whole app as the binary builds it, with another clock and cheaper hashes.

use std::net::SocketAddr;
use std::sync::Arc;

use argon2::Params;
use axum::body::Body;
use clap::Parser as _;
use countersign::accounts::Operator;
use countersign::config::{Cli, Settings};
use countersign::hashing::PasswordHasher;
use countersign::pb::auth_service_client::AuthServiceClient;
use countersign::rest::{Rest, Rpc, WellKnown};
use countersign::server::{App, Limits, RequestRouter, ServeError};
use countersign::store::{self, AccountPage, OpenError, Purpose};
use countersign_guard::clock::ManualClock;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use super::{Answer, SECRET, clock};

/// The time at which every test on SQLite begins: 2027-01-15T08:00:00Z.
pub const START: i64 = 1_800_000_000;

/// All tests come from one address. The tests of the limits set them again.
const WITHOUT_LIMITS: [&str; 3] =
    ["--login-failures-per-address=0", "--registrations-per-address=0", "--mail-requests-per-address=0"];

/// How long to wait until another app has released the database.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

/// The password of every account in the tests.
pub const PASSWORD: &str = "s3cur3pass";

/// An app with a database of its own and open registration.
pub struct TestApp {
    pub service: RequestRouter,
    pub clock: ManualClock,
    pub hasher: PasswordHasher,
    pub settings: Settings,
    /// The app behind `service`, to be served on a socket.
    app: Option<App>,
    dir: Arc<TempDir>,
}

/// An app that is served on a real socket.
pub struct Served {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// The cheapest parameters that a hash may have.
fn cheapest() -> Params {
    Params::new(8, 1, 1, None).unwrap()
}

impl TestApp {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts an app with these flags, which replace those of [`Self::start`].
    pub async fn with(flags: &[&str]) -> Self {
        Self::build(Arc::new(tempfile::tempdir().unwrap()), clock::of_app(flags), flags, &cheapest()).await
    }

    /// Ends this app, and starts another one on the same database at the same time.
    pub async fn restart(self, flags: &[&str]) -> Self {
        self.restart_hashing(&cheapest(), flags).await
    }

    /// As [`Self::restart`], with these parameters for hashes.
    pub async fn restart_hashing(self, params: &Params, flags: &[&str]) -> Self {
        let (dir, clock) = (Arc::clone(&self.dir), self.clock.clone());
        drop(self);
        Self::build(dir, clock, flags, params).await
    }

    async fn build(dir: Arc<TempDir>, clock: ManualClock, flags: &[&str], params: &Params) -> Self {
        let database = format!("--database-url=sqlite:{}", dir.path().join("test.db").display());
        let secret = format!("--jwt-secret={SECRET}");
        let ours = ["countersign", &database, &secret, "--allow-registration=true"];
        let ours = ours.into_iter().chain(WITHOUT_LIMITS);
        // A flag of the test replaces the default one.
        let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
        let kept = ours.filter(|our| !flags.iter().any(|flag| name(flag) == name(our)));
        let settings = Cli::try_parse_from(kept.chain(flags.iter().copied())).unwrap().settings;
        let begun = std::time::Instant::now();
        let app = loop {
            match App::build(&settings, Arc::new(clock.clone()), params.clone()).await {
                // A task of an answered call may still hold the previous app on this database.
                Err(ServeError::Open(OpenError::Served(_))) if begun.elapsed() < PATIENCE => {
                    tokio::task::yield_now().await
                }
                built => break built.unwrap(),
            }
        };
        Self { service: app.service.clone(), clock, hasher: app.hasher.clone(), settings, app: Some(app), dir }
    }

    /// The generated client, in process.
    pub fn grpc(&self) -> AuthServiceClient<RequestRouter> {
        AuthServiceClient::new(self.service.clone())
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        Answer::read(self.service.clone().oneshot(request).await.unwrap()).await
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(request(Method::GET, path, headers, Body::empty())).await
    }

    /// Sends a `POST` with a JSON value.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, &[], body).await
    }

    /// Sends a `POST` with headers and a JSON value.
    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let headers = [headers, &[("content-type", "application/json")]].concat();
        self.send(request(Method::POST, path, &headers, Body::from(body.to_string()))).await
    }

    /// Sends a `POST` without a body.
    pub async fn post_empty(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(request(Method::POST, path, headers, Body::empty())).await
    }

    /// Registers a username account and returns its first token.
    pub async fn sign_in_username(&self, name: &str) -> String {
        let answer = self.post("/api/auth/register", &json!({ "username": name, "password": PASSWORD })).await;
        answer.json()["token"].as_str().expect("registered").to_owned()
    }

    /// Registers an email account, logs in and returns the first token.
    pub async fn sign_in_email(&self, email: &str) -> String {
        let new = json!({ "email": email, "password": PASSWORD, "name": "Ada Lovelace", "firm_name": "Engines" });
        assert_eq!(self.post("/auth/register", &new).await.status, StatusCode::CREATED);
        let answer = self.post("/auth/login", &json!({ "email": email, "password": PASSWORD })).await;
        answer.json()["access_token"].as_str().expect("logged in").to_owned()
    }

    /// The commands of the operator on this app's database.
    pub async fn operator(&self) -> Operator {
        let store = store::open(&self.settings.database_url().unwrap(), Purpose::Operate).await.unwrap();
        Operator::new(store, Arc::new(self.clock.clone()))
    }

    /// Whether there is no account.
    pub async fn is_empty(&self) -> bool {
        let any = AccountPage { limit: 1, ..AccountPage::default() };
        self.operator().await.list(&any).await.unwrap().found.is_empty()
    }

    /// Serves on a free port with the product's limits.
    pub async fn serve(&mut self) -> Served {
        self.serve_with(Limits::default()).await
    }

    pub async fn serve_with(&mut self, limits: Limits) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let app = self.app.take().expect("an app is served once");
        let stopped = async {
            let _ = stopped.await;
        };
        Served {
            address,
            stop: Some(stop),
            task: tokio::spawn(async move { app.serve(listener, stopped, limits).await.unwrap() }),
        }
    }

    /// The file of the database.
    pub fn database(&self) -> std::path::PathBuf {
        self.dir.path().join("test.db")
    }
}

impl Served {
    /// Asks the server to stop, and waits until it has.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        self.task.await.unwrap();
    }
}

/// Every REST path that has no rule in a proto.
pub fn rest_paths() -> Vec<&'static str> {
    Rest::new(Rpc::new(|_| unreachable!("nothing is called")), true, WellKnown::default()).unwrap().paths()
}

pub fn request(method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}
