//! Replicas with different clocks, and calls that alternate between them. No call is refused, and no client has to sign
//! in again.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::replica::Cluster;
use crate::runs::either;
use crate::support::clock::ahead;
use crate::support::http::call;

/// The seconds by which the first replica's clock is ahead.
const APART: [i64; 7] = [0, 1, 5, 10, 20, 30, -30];

pub async fn apart(cluster: &Cluster) {
    let [wrong, right, _] = cluster.replicas();
    wrong.stop().await;
    let Some(clock) = wrong.fake_clock() else { return wrong.start().await };
    wrong.start().await;
    wrong.until_ready().await;
    let (mut calls, mut refused) = (0, 0);
    for seconds in APART {
        clock.set(seconds);
        let account = json!({ "username": format!("apart {seconds}"), "password": "s3cur3pass" });
        let answer = call(right.address(), Method::POST, "/api/auth/register", &[], &account).await.unwrap();
        let mut token = answer.json()["token"].as_str().unwrap().to_owned();
        for turn in 0..either(300, 1_500) {
            let asked = if turn % 2 == 0 { &wrong } else { &right };
            let headers = [("token", token.as_str())];
            let answer = call(asked.address(), Method::GET, "/api/auth/me", &headers, &Value::Null).await.unwrap();
            calls += 1;
            match answer.status {
                StatusCode::NO_CONTENT => token = answer.token(),
                status => {
                    println!("   {seconds} s apart: {status}");
                    refused += 1;
                }
            }
        }
    }
    println!("   {calls} calls, alternating, with clocks 0 to 30 s apart: {refused} refused");
    assert_eq!(refused, 0);
    wrong.stop().await;
    match ahead() {
        0 => wrong.real_clock(),
        seconds => clock.set(seconds),
    }
    wrong.start().await;
    wrong.until_ready().await;
}
