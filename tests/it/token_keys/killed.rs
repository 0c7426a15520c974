//! A rotation that is killed at any moment loses nothing that was acknowledged: every token is accepted after the next
//! start, which goes on from where the rotation was, and a rotation that was reported as done is done. With the real
//! binary.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::kid;
use crate::support::binary::{command, run};
use crate::support::crash::is_sound;
use crate::support::http::call;
use crate::support::{Binary, PASSWORD, SECRET};

const ROUNDS: u32 = 12;

fn server(dir: &Path) -> Command {
    let mut command = command(dir);
    command.env("JWT_SECRET", SECRET).env("ALLOW_REGISTRATION", "true");
    command.env("TOKEN_ALGORITHM", "ES256").env("ISSUER", super::ISSUER);
    command
}

fn rotation(dir: &Path) -> Child {
    let mut command = command(dir);
    command.args(["keys", "rotate", "--now", "--output", "json"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

async fn slide(binary: &Binary, token: &str) -> Option<String> {
    let answer = call(binary.address, Method::GET, "/api/auth/me", &[("token", token)], &Value::Null).await.ok()?;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "an acknowledged token is refused");
    Some(answer.token())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_token_outlives_servers_and_rotations_that_are_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut acknowledged, mut rotated) = (Vec::<String>::new(), Vec::<Value>::new());
    for round in 0..ROUNDS {
        let mut binary = Binary::spawn(&mut server(dir.path()));
        for token in &acknowledged {
            slide(&binary, token).await.unwrap();
        }
        let body = json!({ "username": format!("alice {round}"), "password": PASSWORD });
        let answer = call(binary.address, Method::POST, "/api/auth/register", &[], &body).await.unwrap();
        let mut token = answer.json()["token"].as_str().unwrap().to_owned();
        acknowledged.push(token.clone());
        let mut rotating = rotation(dir.path());
        // Tokens are minted all the while, and each round ends at another moment.
        let end = tokio::time::Instant::now() + Duration::from_millis(40) * round;
        while tokio::time::Instant::now() < end {
            token = slide(&binary, &token).await.unwrap();
        }
        acknowledged.push(token);
        binary.child.kill().unwrap();
        if round % 2 == 0 {
            let _ = rotating.kill();
        }
        let said = rotating.wait_with_output().unwrap();
        if said.status.success() {
            rotated.push(serde_json::from_slice::<Value>(&said.stdout).unwrap()["id"].clone());
        }
        binary.child.wait().unwrap();
        acknowledged.dedup_by_key(|token| kid(token));
        is_sound(dir.path()).await;
    }
    let listed = run(command(dir.path()).args(["keys", "list", "--output", "json"]), "");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let keys: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |state: &str| keys.iter().filter(|key| key["state"] == state).count();
    assert!(of("former") >= 3, "there were rotations: {keys:?}");
    assert_eq!(of("current"), 1);
    for id in &rotated {
        let key = keys.iter().find(|key| key["id"] == *id).unwrap();
        assert!(key["state"] != "next", "it was reported to sign: {key}");
    }
    assert!(!rotated.is_empty());
}
