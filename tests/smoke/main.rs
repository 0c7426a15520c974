//! The shipped program, started as the README starts it, and called from outside by every protocol.
//! `COUNTERSIGN_BIN=target/release/countersign cargo test --test smoke` tests a release build. Separate from `it`,
//! which starts debug builds.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod email;
mod grpc;
mod start;
#[path = "../it/support/mod.rs"]
#[expect(dead_code, reason = "`it` uses the rest")]
mod support;
mod username;

use std::path::Path;
use std::process::Command;

use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use support::binary::program;
use support::token::header;
use support::{Answer, Binary};

/// The README's command in `dir`: one setting, and no environment variables of this process.
fn documented(dir: &Path) -> Command {
    let mut command = Command::new(program());
    command.current_dir(dir).env_clear().env("ALLOW_REGISTRATION", "true");
    command
}

/// A server on a free port, with a working folder of its own.
fn serve() -> (TempDir, Binary) {
    let dir = tempfile::tempdir().unwrap();
    let server = Binary::spawn(documented(dir.path()).env("LISTEN_ADDR", "127.0.0.1:0"));
    (dir, server)
}

/// Makes a call without a body.
async fn ask(server: &Binary, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    support::http::call(server.address, method, path, headers, &Value::Null).await.unwrap()
}

/// Sends a `POST` with a JSON value.
async fn post(server: &Binary, path: &str, body: &Value) -> Answer {
    support::http::call(server.address, Method::POST, path, &[], body).await.unwrap()
}

/// The token in a field of a JSON body: three segments in base64url, the first of which is a JSON object.
#[track_caller]
fn token_in(answer: &Answer, field: &str) -> String {
    let body = answer.json();
    let token = body[field].as_str().unwrap_or_else(|| panic!("no token in {body}"));
    assert_token(token);
    token.to_owned()
}

#[track_caller]
fn assert_token(token: &str) {
    assert_eq!(token.split('.').filter(|segment| !segment.is_empty()).count(), 3, "{token}");
    assert!(header(token).is_object(), "{token}");
}

#[tokio::test]
async fn a_path_that_nothing_serves_is_404_with_a_json_object() {
    let (_dir, server) = serve();
    for path in ["/nowhere", "/api/auth/nowhere", "/auth/nowhere"] {
        let answer = ask(&server, Method::GET, path, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (404, Some("application/json")), "{path}");
        assert!(answer.json().is_object(), "{path}");
    }
}

/// An account of the username API, as its client sends it.
fn username_account(username: &str, password: &str) -> Value {
    json!({ "username": username, "password": password })
}
