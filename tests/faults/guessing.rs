//! A hundred concurrent guesses at one account, with the right password among those that come after the budget is
//! spent. It must never get in, however the calls race. Twenty concurrent callers with the right password must all get
//! in.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;

use crate::runs::either;
use crate::support::http::call;
use crate::support::postgres::Database;
use crate::support::{PASSWORD, TestApp};

/// Runs on SQLite, and on two replicas of one PostgreSQL if there is one.
pub async fn rounds() {
    let mut here = TestApp::start().await;
    let served = [here.serve().await];
    race("SQLite", &here, &served.each_ref().map(|served| served.address)).await;
    if let Some(database) = Database::create().await {
        let flag = format!("--database-url={}", database.url());
        let (mut here, mut there) = (TestApp::with(&[&flag]).await, TestApp::with(&[&flag]).await);
        let served = [here.serve().await, there.serve().await];
        race("PostgreSQL, on two replicas", &here, &served.each_ref().map(|served| served.address)).await;
    }
}

async fn race(name: &str, app: &TestApp, replicas: &[std::net::SocketAddr]) {
    let rounds = either(5, 50);
    let login = |guess: usize, user: &str, password: &'static str| {
        let (address, user) = (replicas[guess % replicas.len()], user.to_owned());
        async move {
            let body = json!({ "username": user, "password": password });
            // A connection that the system refused is tried again.
            loop {
                if let Ok(answer) = call(address, Method::POST, "/api/auth/login", &[], &body).await {
                    return answer.status;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    };
    for round in 0..rounds {
        let user = format!("{} {round}", name.split(',').next().unwrap());
        app.sign_in_username(&user).await;
        let all = async |from: usize, to: usize, right: usize| {
            let guess = |guess| login(guess, &user, if guess >= right { PASSWORD } else { "not the password" });
            (from..to).map(guess).collect::<JoinSet<_>>().join_all().await
        };
        assert!(all(0, 20, 0).await.iter().all(|status| *status == StatusCode::OK), "{user}: who knows it gets in");
        let tried =
            |answers: &[StatusCode]| answers.iter().filter(|status| **status == StatusCode::UNAUTHORIZED).count();
        // More concurrent guesses than the budget has spend it. Then the right password comes among others.
        let spent = all(0, 50, 50).await;
        let after = all(50, 100, 75).await;
        assert_eq!((tried(&spent), tried(&after)), (10, 0), "{user}");
        assert!(after.iter().all(|status| *status == StatusCode::TOO_MANY_REQUESTS), "{user}: {after:?}");
    }
    println!("   {name}: {rounds} rounds of 100 guesses at once: 10 tried in each, the right one after them never");
}
