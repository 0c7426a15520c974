//! Readiness while nothing can be stored: a full disk, a file that may not grow, and a PostgreSQL server that has
//! become read-only. Tokens are still checked, and the server recovers by itself.

use std::process::Command;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::disk::SmallDisk;
use crate::support::binary::command;
use crate::support::http::call;
use crate::support::postgres::Database;
use crate::support::{Answer, Binary, PASSWORD, SECRET};
use crate::wire::eventually;

/// Twice the time that an idle server takes to notice.
const SOON: Duration = Duration::from_secs(15);

async fn get(binary: &Binary, path: &str, token: &str) -> StatusCode {
    call(binary.address, Method::GET, path, &[("token", token)], &Value::Null).await.unwrap().status
}

async fn register(binary: &Binary, name: &str) -> Answer {
    let body = json!({ "username": name, "password": PASSWORD });
    call(binary.address, Method::POST, "/api/auth/register", &[], &body).await.unwrap()
}

async fn becomes(binary: &Binary, ready: bool) -> bool {
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    eventually(SOON, async || get(binary, "/readyz", "").await == status).await
}

/// Asserts that the server is alive and accepts tokens, but stores nothing.
async fn only_reads(binary: &Binary, token: &str) {
    assert_eq!(get(binary, "/healthz", "").await, StatusCode::OK);
    assert_eq!(get(binary, "/api/auth/me", token).await, StatusCode::NO_CONTENT);
    assert_eq!(register(binary, "refused").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let log = binary.log.lock().unwrap().clone();
    assert_eq!(log.matches("\"not writable\"").count(), 1, "{log}");
}

#[tokio::test]
async fn an_idle_server_on_a_full_disk_is_not_ready_and_is_again_once_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        crate::support::skip::skip_for_privileges("right of this user to mount a file system");
        return;
    };
    let mut settings = command(disk.path());
    let binary = Binary::spawn(settings.env("JWT_SECRET", SECRET).env("ALLOW_REGISTRATION", "true"));
    let token = register(&binary, "alice").await.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(get(&binary, "/readyz", "").await, StatusCode::OK);
    let filler = disk.fill();
    assert!(becomes(&binary, false).await, "nobody called, and it did not notice");
    only_reads(&binary, &token).await;
    std::fs::remove_file(filler).unwrap();
    let begun = Instant::now();
    assert!(becomes(&binary, true).await, "there is room again");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(register(&binary, "bobby").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_server_whose_file_may_not_grow_is_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    let plain = command(dir.path());
    let mut limited = Command::new("sh");
    // No file may become larger than one or two MiB: the unit differs between shells.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\""]).arg(plain.get_program()).current_dir(dir.path());
    limited.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let binary = Binary::spawn(limited.env("JWT_SECRET", SECRET).env("ALLOW_REGISTRATION", "true"));
    let token = register(&binary, "alice").await.json()["token"].as_str().unwrap().to_owned();
    let mut refused = 0;
    for number in 0..400 {
        refused += u32::from(register(&binary, &format!("user{number}")).await.status != StatusCode::OK);
        if refused == 3 {
            break;
        }
    }
    assert_eq!(refused, 3, "the file grows");
    assert!(becomes(&binary, false).await);
    only_reads(&binary, &token).await;
}

#[tokio::test]
async fn a_postgresql_server_that_takes_no_writes_is_noticed_and_so_is_that_it_does_again() {
    let Some(database) = Database::create_alone().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut settings = command(dir.path());
    settings.env("DATABASE_URL", database.url()).env("JWT_SECRET", SECRET).env("ALLOW_REGISTRATION", "true");
    let binary = Binary::spawn(&mut settings);
    let token = register(&binary, "alice").await.json()["token"].as_str().unwrap().to_owned();
    database.admin("alter system set default_transaction_read_only = on").await;
    database.admin("select pg_reload_conf()").await;
    assert!(becomes(&binary, false).await, "nobody called, and it did not notice");
    only_reads(&binary, &token).await;
    database.admin("alter system reset default_transaction_read_only").await;
    database.admin("select pg_reload_conf()").await;
    assert!(becomes(&binary, true).await);
    assert_eq!(register(&binary, "bobby").await.status, StatusCode::OK);
}
