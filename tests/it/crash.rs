//! `kill -9` during work: after the restart, what was acknowledged exists, and what was not acknowledged is complete or
//! absent.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::support::crash::{Registrant, is_sound, restarted};
use crate::support::http::call;
use crate::support::{Binary, PASSWORD};

const IN_FLIGHT: usize = 32;
const ROUNDS: usize = 5;

/// Runs all of `work` concurrently, and kills the server as soon as `acknowledged` of it has been answered.
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
            work.map(|registrant| async move { registrant.register(address).await.map(|answer| answer.status) }),
        )
        .await;
        (binary, _) = restarted(dir.path()).await;

        let address = binary.address;
        let mut checks = JoinSet::new();
        for (registrant, status) in registrants.into_iter().zip(statuses) {
            checks.spawn(async move {
                match status {
                    Some(status) => assert!(status.is_success(), "{status}"),
                    // No answer came. Either the account exists, or it can be registered now.
                    None => {
                        let again = registrant.register(address).await.unwrap().status;
                        assert!(matches!(again.as_u16(), 200 | 201 | 400 | 409), "{again}");
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
        (binary, _) = restarted(dir.path()).await;
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
