//! A mail server that accepts connections and never answers. No call waits for it, the process still ends soon, and the
//! next process sends what was not sent. Tested with the real binary.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::support::binary::command;
use crate::support::http::call;
use crate::support::{Binary, PASSWORD, SECRET};

fn start(dir: &Path, url: &str) -> Binary {
    Binary::spawn(
        command(dir)
            .env("JWT_SECRET", SECRET)
            .env("ALLOW_REGISTRATION", "true")
            .env("MAIL_FROM", "no-reply@example.com")
            .env("MAIL_URL", url),
    )
}

#[tokio::test]
async fn a_silent_mail_server_holds_up_neither_calls_nor_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut binary = start(dir.path(), &format!("smtp://{}?tls=none", silent.local_addr().unwrap()));
    let ada = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada", "firm_name": "F" });
    let register = call(binary.address, Method::POST, "/auth/register", &[], &ada);
    assert_eq!(register.await.unwrap().status, 201);
    let (_connection, _) = tokio::time::timeout(PATIENCE, silent.accept()).await.expect("a mail is under way").unwrap();
    let began = Instant::now();
    let ada = json!({ "email": "ada@example.com", "password": PASSWORD });
    assert_eq!(call(binary.address, Method::POST, "/auth/login", &[], &ada).await.unwrap().status, 200);
    binary.terminate();
    assert!(binary.ended().success());
    // The longest time that mail may take, plus the time of a login in a debug build.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let log = binary.log.lock().unwrap().clone();
    assert!(!log.contains("ada@example.com") && !log.contains("#token="), "{log}");

    // Ends the lease of the mail by hand.
    let mut database = crate::moving::behind(&crate::support::binary::database(dir.path())).await;
    let waiting = sqlx::query("update outbox set due_at = 0 where state = 'queued'").execute(&mut database).await;
    assert_eq!(waiting.unwrap().rows_affected(), 1);
    let folder = tempfile::tempdir().unwrap();
    let next = start(dir.path(), &format!("file:{}", folder.path().display()));
    let began = Instant::now();
    loop {
        let log = next.log.lock().unwrap().clone();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        if let Some(sent) = lines.into_iter().find(|line| line["event"] == "mail" && line["result"] == "sent") {
            assert_eq!(sent["attempt"], 2);
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{log}");
        tokio::task::yield_now().await;
    }
}
