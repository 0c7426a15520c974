//! `kill -9` in the middle of work: what was acknowledged is there after the restart, what was not is whole or absent.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::sockets::call;
use crate::support::Binary;
use crate::support::binary::database;

const IN_FLIGHT: usize = 32;
const ROUNDS: usize = 5;
const PASSWORD: &str = "s3cur3pass";

/// An account to be, of the one dialect or the other.
#[derive(Clone)]
struct Registrant(usize, String);

impl Registrant {
    fn new(round: usize, index: usize) -> Self {
        Self(index % 2, format!("r{round}n{index}"))
    }

    fn path(&self, action: &str) -> String {
        format!("{}/{action}", ["/api/auth", "/auth"][self.0])
    }

    fn registration(&self) -> Value {
        let Self(dialect, name) = self;
        let email = format!("{name}@example.com");
        [
            json!({ "username": name, "password": PASSWORD }),
            json!({ "email": email, "password": PASSWORD, "name": name, "firm_name": name }),
        ][*dialect]
            .clone()
    }

    /// The status of an attempt to register, if it was answered.
    async fn register(&self, address: SocketAddr) -> Option<u16> {
        let answer = call(address, Method::POST, &self.path("register"), &[], &self.registration()).await;
        answer.ok().map(|answer| answer.status.as_u16())
    }

    /// Signs in, and asks who that is.
    async fn signs_in(&self, address: SocketAddr) {
        let mut login = self.registration();
        login.as_object_mut().unwrap().retain(|key, _| key != "name" && key != "firm_name");
        let answer = call(address, Method::POST, &self.path("login"), &[], &login).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{}: {}", self.1, answer.json());
        let token = answer.json()[["token", "access_token"][self.0]].as_str().unwrap().to_owned();
        let bearer = format!("Bearer {token}");
        let me = call(address, Method::GET, &self.path("me"), &[("authorization", &bearer)], &Value::Null).await;
        assert!(me.unwrap().status.is_success(), "{}", self.1);
    }
}

/// Runs all of `work` at once, and kills the server as soon as `acknowledged` of it has been answered.
async fn killed_after<T: Send + 'static>(
    mut binary: Binary,
    acknowledged: usize,
    work: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let (done, mut answers) = mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    for (index, call) in work.enumerate() {
        let done = done.clone();
        tasks.spawn(async move {
            let result = call.await;
            let _ = done.send(());
            (index, result)
        });
    }
    for _ in 0..acknowledged {
        answers.recv().await.unwrap();
    }
    binary.child.kill().unwrap();
    binary.child.wait().unwrap();
    let mut results = tasks.join_all().await;
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Starts again, and is ready in time.
async fn restarted(dir: &Path) -> Binary {
    let begun = Instant::now();
    let binary = Binary::start(dir);
    let ready = call(binary.address, Method::GET, "/readyz", &[], &Value::Null).await.unwrap();
    assert_eq!(ready.status, StatusCode::OK);
    assert!(begun.elapsed() < Duration::from_secs(5), "ready after {:?}", begun.elapsed());
    binary
}

/// What the database says of itself.
pub async fn is_sound(dir: &Path) {
    let options = SqliteConnectOptions::new().filename(database(dir)).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let check: String = sqlx::query_scalar("pragma integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(check, "ok");
    let dangling = sqlx::query("pragma foreign_key_check").fetch_all(&mut connection).await.unwrap();
    assert_eq!(dangling.len(), 0);
    let lone: i64 = sqlx::query_scalar(
        "select count(*) from firms where not exists (select 1 from accounts where firm_id = firms.id)",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(lone, 0, "a firm without its account is half an account");
}

#[tokio::test]
async fn no_acknowledged_account_is_lost_and_none_is_half_made() {
    let dir = tempfile::tempdir().unwrap();
    let mut binary = Binary::start(dir.path());
    for round in 0..ROUNDS {
        let address = binary.address;
        let registrants: Vec<_> = (0..IN_FLIGHT).map(|index| Registrant::new(round, index)).collect();
        let work = registrants.clone().into_iter();
        let statuses = killed_after(
            binary,
            round * IN_FLIGHT / (ROUNDS + 1),
            work.map(|registrant| async move { registrant.register(address).await }),
        )
        .await;
        binary = restarted(dir.path()).await;

        let address = binary.address;
        let mut checks = JoinSet::new();
        for (registrant, status) in registrants.into_iter().zip(statuses) {
            checks.spawn(async move {
                match status {
                    Some(status) => assert!(matches!(status, 200 | 201), "{status}"),
                    // Nobody knows: then it can be had now, or it is there.
                    None => {
                        let again = registrant.register(address).await.unwrap();
                        assert!(matches!(again, 200 | 201 | 400 | 409), "{again}");
                    }
                }
                registrant.signs_in(address).await;
            });
        }
        checks.join_all().await;
        is_sound(dir.path()).await;
    }
}

#[tokio::test]
async fn no_acknowledged_logout_is_undone() {
    let dir = tempfile::tempdir().unwrap();
    let mut binary = Binary::start(dir.path());
    let account = json!({ "username": "alice", "password": PASSWORD });
    call(binary.address, Method::POST, "/api/auth/register", &[], &account).await.unwrap();
    for acknowledged in [1, 8, 16] {
        let address = binary.address;
        let mut logins = JoinSet::new();
        for _ in 0..IN_FLIGHT {
            let account = account.clone();
            logins.spawn(async move {
                let answer = call(address, Method::POST, "/api/auth/login", &[], &account).await.unwrap();
                answer.json()["token"].as_str().unwrap().to_owned()
            });
        }
        let tokens = logins.join_all().await;
        let work = tokens.clone().into_iter().map(move |token| async move {
            let answer = call(address, Method::POST, "/auth/logout", &[("token", &token)], &Value::Null).await;
            answer.is_ok_and(|answer| answer.status == StatusCode::OK)
        });
        let acknowledged = killed_after(binary, acknowledged, work).await;
        assert!(acknowledged.contains(&true));
        binary = restarted(dir.path()).await;
        for (token, acknowledged) in tokens.iter().zip(acknowledged) {
            let me =
                call(binary.address, Method::GET, "/api/auth/me", &[("token", token)], &Value::Null).await.unwrap();
            match me.status {
                StatusCode::UNAUTHORIZED => {}
                StatusCode::NO_CONTENT => assert!(!acknowledged, "a logout was undone"),
                status => panic!("{status}"),
            }
        }
    }
    is_sound(dir.path()).await;
}
