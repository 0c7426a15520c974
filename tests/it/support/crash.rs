//! Checks of a crash: accounts that are being registered when the real binary is killed, its next start, and the
//! integrity of the database.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::binary::database;
use super::http::call;
use super::{Answer, Binary, PASSWORD};

/// An account to be registered, of either dialect.
#[derive(Clone)]
pub struct Registrant(usize, String);

impl Registrant {
    pub fn new(round: usize, index: usize) -> Self {
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

    /// Registers the account. Returns `None` if no answer comes.
    pub async fn register(&self, address: SocketAddr) -> Option<Answer> {
        call(address, Method::POST, &self.path("register"), &[], &self.registration()).await.ok()
    }

    /// Signs in, calls `me`, and returns the token.
    pub async fn signs_in(&self, address: SocketAddr) -> String {
        let mut login = self.registration();
        login.as_object_mut().unwrap().retain(|key, _| key != "name" && key != "firm_name");
        let answer = call(address, Method::POST, &self.path("login"), &[], &login).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{}: {}", self.1, answer.json());
        let token = answer.json()[["token", "access_token"][self.0]].as_str().unwrap().to_owned();
        let bearer = format!("Bearer {token}");
        let me = call(address, Method::GET, &self.path("me"), &[("authorization", &bearer)], &Value::Null).await;
        assert!(me.unwrap().status.is_success(), "{}", self.1);
        token
    }
}

/// Starts the server again. Returns how long it took, which must be within the limit.
pub async fn restarted(dir: &Path) -> (Binary, Duration) {
    let begun = Instant::now();
    let binary = Binary::start(dir);
    let ready = call(binary.address, Method::GET, "/readyz", &[], &Value::Null).await.unwrap();
    assert_eq!(ready.status, StatusCode::OK);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "ready after {took:?}");
    (binary, took)
}

/// Asserts that the database finds no damage in itself.
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
