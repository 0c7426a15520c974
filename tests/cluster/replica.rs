//! The replicas: three processes of the real binary on one database, each with a database user of its own, so that each
//! can be cut off alone.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;
use tonic::transport::{Channel, Endpoint};

use crate::support::binary::command;
use crate::support::clock::{self, FakeClock};
use crate::support::http::call;
use crate::support::postgres::Database;
use crate::support::{Binary, SECRET};

/// The number of replicas.
pub const REPLICAS: usize = 3;

/// The number of log lines that a failure quotes.
const LOG_END: usize = 40;

/// The replicas with their shared database.
pub struct Cluster {
    pub database: Database,
    replicas: [Arc<Replica>; REPLICAS],
}

/// A replica, running or stopped.
pub struct Replica {
    pub index: usize,
    /// The value of `DATABASE_URL`.
    url: String,
    /// The address, whose port is chosen by the first start and kept.
    address: Mutex<Option<SocketAddr>>,
    binary: Mutex<Option<Binary>>,
    /// A clock that differs from the machine's, if there is one.
    clock: Mutex<Option<Arc<FakeClock>>>,
    /// Further settings.
    settings: Mutex<Vec<(&'static str, String)>>,
    channel: Mutex<Option<Channel>>,
    dir: TempDir,
}

impl Cluster {
    /// Returns `None` without PostgreSQL to make a server with. No replica runs yet.
    pub async fn create() -> Option<Self> {
        let database = Database::create_alone().await?;
        let mut replicas = Vec::new();
        for index in 0..REPLICAS {
            let url = database.url_as(&user(index), "superuser").await;
            let dir = tempfile::tempdir().unwrap();
            let (address, binary, clock, settings, channel) = Default::default();
            let replica = Replica { index, url, address, binary, clock, settings, channel, dir };
            if index == 0 && clock::ahead() != 0 {
                replica.fake_clock().expect("libfaketime").set(clock::ahead());
            }
            replicas.push(Arc::new(replica));
        }
        Some(Self { database, replicas: replicas.try_into().ok().unwrap() })
    }

    pub fn replicas(&self) -> [Arc<Replica>; REPLICAS] {
        self.replicas.clone()
    }

    pub fn any(&self) -> &Arc<Replica> {
        &self.replicas[crate::runs::random(REPLICAS)]
    }

    /// Starts all replicas at the same time.
    pub async fn start(&self) {
        let starting = self.replicas().map(|replica| tokio::spawn(async move { replica.start().await }));
        for start in starting {
            start.await.unwrap();
        }
    }

    pub async fn stop(&self) {
        for replica in &self.replicas {
            replica.stop().await;
        }
    }

    /// A command of the operator on the machine of a replica.
    pub fn operator(&self, arguments: &[&str]) -> Command {
        let replica = self.any();
        let mut command = command(replica.dir.path());
        command.env("DATABASE_URL", &replica.url).args(arguments);
        command
    }
}

/// The database user of a replica.
pub fn user(index: usize) -> String {
    format!("replica{index}")
}

impl Replica {
    /// Starts the replica at its previous address, and waits until it listens.
    pub async fn start(self: &Arc<Self>) {
        let replica = Arc::clone(self);
        let starting = tokio::task::spawn_blocking(move || {
            let mut address = replica.address.lock().unwrap();
            let mut command = command(replica.dir.path());
            command.env("DATABASE_URL", &replica.url).env("JWT_SECRET", SECRET).env("ALLOW_REGISTRATION", "true");
            command.envs(replica.settings.lock().unwrap().iter().cloned());
            if let Some(address) = *address {
                command.env("LISTEN_ADDR", address.to_string());
            }
            if let Some(clock) = &*replica.clock.lock().unwrap() {
                clock.give(&mut command);
            }
            let binary = Binary::spawn(&mut command);
            *address = Some(binary.address);
            *replica.binary.lock().unwrap() = Some(binary);
        });
        starting.await.unwrap();
        // A channel connects again by itself after a restart, as the channel of a client does.
        let endpoint = self.endpoint();
        self.channel.lock().unwrap().get_or_insert_with(|| endpoint.connect_lazy());
    }

    /// Gives the replica further settings from its next start on.
    pub fn set(&self, settings: &[(&'static str, String)]) {
        self.settings.lock().unwrap().extend_from_slice(settings);
    }

    /// Gives the replica a clock of its own from its next start on. Returns `None` without libfaketime.
    pub fn fake_clock(&self) -> Option<Arc<FakeClock>> {
        let clock = Arc::new(FakeClock::new(self.dir.path())?);
        *self.clock.lock().unwrap() = Some(Arc::clone(&clock));
        Some(clock)
    }

    /// Gives the replica the machine's clock again.
    pub fn real_clock(&self) {
        *self.clock.lock().unwrap() = None;
    }

    /// Asks the replica to end, and waits for exit code 0 and a log without errors.
    pub async fn stop(&self) {
        let Some(mut binary) = self.binary.lock().unwrap().take() else { return };
        let ending = tokio::task::spawn_blocking(move || {
            binary.terminate();
            let status = binary.ended();
            let log = binary.log.lock().unwrap().clone();
            assert_eq!(status.code(), Some(0), "{log}");
            for bad in ["internal error", "panicked"] {
                let lines: Vec<_> = log.lines().filter(|line| line.contains(bad)).take(5).collect();
                assert!(lines.is_empty(), "{lines:#?}");
            }
        });
        ending.await.unwrap();
    }

    /// The last lines of the log, to explain a failure.
    pub fn log_end(&self) -> String {
        let binary = self.binary.lock().unwrap();
        let Some(binary) = &*binary else { return "it does not run".to_owned() };
        let log = binary.log.lock().unwrap();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_END)..].join("\n")
    }

    pub fn address(&self) -> SocketAddr {
        self.address.lock().unwrap().expect("started")
    }

    /// One connection, which all calls of this run share.
    pub fn channel(&self) -> Channel {
        self.channel.lock().unwrap().clone().expect("started")
    }

    /// The endpoint for new connections.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.address())).unwrap()
    }

    pub async fn is_ready(&self) -> bool {
        let answer = call(self.address(), Method::GET, "/readyz", &[], &Value::Null).await;
        answer.is_ok_and(|answer| answer.status == StatusCode::OK)
    }

    /// Waits until the replica is ready.
    pub async fn until_ready(&self) {
        let begun = Instant::now();
        while !self.is_ready().await {
            assert!(begun.elapsed() < Duration::from_secs(10), "replica {} is not ready", self.index);
            sleep(Duration::from_millis(5)).await;
        }
    }
}
