//! Without `MAIL_URL`, the log has the link and says that no mail was sent. With it, no log line has a link or an
//! address. Tested with the real binary.

use http::Method;
use serde_json::{Value, json};

use super::*;
use crate::support::binary::command;
use crate::support::http::call;
use crate::support::{Binary, PASSWORD, SECRET};

/// Registers Ada, and returns the first log line about a mail to her.
async fn registered(binary: &Binary, results: &[&str]) -> Value {
    let ada = json!({ "email": "ada@example.com", "password": PASSWORD, "name": "Ada", "firm_name": "F" });
    assert_eq!(call(binary.address, Method::POST, "/auth/register", &[], &ada).await.unwrap().status, 201);
    let began = Instant::now();
    loop {
        let log = binary.log.lock().unwrap().clone();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut about = lines.filter(|line| line["event"] == "mail" && line["kind"] == "verify_email");
        if let Some(line) = about.find(|line| results.iter().any(|result| line["result"] == *result)) {
            return line;
        }
        assert!(began.elapsed() < PATIENCE, "{log}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn without_a_mail_server_the_link_is_in_the_log_and_leads_here() {
    let dir = tempfile::tempdir().unwrap();
    let mut binary = Binary::start(dir.path());
    let line = registered(&binary, &["not sent"]).await;
    assert_eq!((&line["level"], &line["to"]), (&json!("WARN"), &json!("ada@example.com")));
    assert!(line["message"].as_str().unwrap().contains("MAIL_URL is not set: no mail was sent"), "{line}");
    let link = line["link"].as_str().unwrap().to_owned();
    assert!(link.starts_with(&format!("http://{}/auth/verify#token=", binary.address)), "{link}");
    token(&link);
    binary.terminate();
    assert!(binary.ended().success());
    let log = binary.log.lock().unwrap().clone();
    assert_eq!(log.matches("MAIL_URL is not set: no mail is sent").count(), 1, "at the start: {log}");
}

#[tokio::test]
async fn a_mail_that_goes_leaves_neither_link_nor_address_in_the_log() {
    let (dir, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut command = command(dir.path());
    command
        .env("JWT_SECRET", SECRET)
        .env("ALLOW_REGISTRATION", "true")
        .env("MAIL_URL", format!("file:{}", folder.path().display()))
        .env("PUBLIC_URL", "https://auth.example.com/");
    let mut binary = Binary::spawn(&mut command);
    let line = registered(&binary, &["sent"]).await;
    assert_eq!((&line["level"], &line["attempt"]), (&json!("INFO"), &json!(1)));
    let mail = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    assert!(mail.to_str().unwrap().contains(line["mail"].as_str().unwrap()));
    let mail = std::fs::read_to_string(mail).unwrap();
    assert!(readable(&mail).contains("https://auth.example.com/auth/verify#token="), "{mail}");
    binary.terminate();
    assert!(binary.ended().success());
    let log = binary.log.lock().unwrap().clone();
    for hidden in [&*token(&mail), "ada@example.com", "#token="] {
        assert!(!log.contains(hidden), "{hidden} in {log}");
    }
}
