//! A real mail server, which `.ci/run mail` installs. Mail is sent privately or not at all. No failure of the server
//! loses mail, or reveals it to the wrong recipients.

use std::path::PathBuf;
use std::time::Duration;

use countersign::domain::MailKind;
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::support::mail_server::MailServer;
use crate::support::tls::{Authority, Files};

/// The certificate of a server, and the authority that signed it.
struct Trust {
    dir: TempDir,
    files: Files,
}

impl Trust {
    fn new() -> Self {
        let (authority, dir) = (Authority::new(), tempfile::tempdir().unwrap());
        let files = Files::write(dir.path(), &authority.sign());
        std::fs::write(dir.path().join("ca.pem"), &authority.pem).unwrap();
        Self { dir, files }
    }

    fn authorities(&self) -> Option<PathBuf> {
        Some(self.dir.path().join("ca.pem"))
    }

    async fn server(&self, args: &[&str]) -> Option<MailServer> {
        let (cert, key) = (self.files.cert.to_str().unwrap(), self.files.key.to_str().unwrap());
        MailServer::start(&[args, &["--cert", cert, "--key", key]].concat()).await
    }
}

fn events(happened: &[Value]) -> Vec<&str> {
    happened.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_through_starttls_with_a_password_and_its_link_works_once() {
    let trust = Trust::new();
    let args = ["take", "--tls", "starttls", "--login", "ada@example.com:p@ss/wörd"];
    let Some(mut server) = trust.server(&args).await else { return };
    let office = Office::open().await;
    let id = office.verify("ada@example.com").await;
    let url = format!("smtp://ada%40example.com:p%40ss%2Fw%C3%B6rd@127.0.0.1:{}", server.port);
    let worker = office.start(&url, |options| options.authorities = trust.authorities());
    let greeted = server.until("ehlo").await;
    assert_eq!((greeted["name"].as_str(), greeted["tls"].as_bool()), (Some("auth.example.com"), Some(false)));
    let auth = server.until("auth").await;
    assert_eq!((auth["tls"].as_bool(), auth["good"].as_bool()), (Some(true), Some(true)));
    let taken = server.until("taken").await;
    assert_eq!((&taken["tls"], &taken["to"][0]), (&Value::from(true), &Value::from("ada@example.com")));
    let mail = readable(taken["data"].as_str().unwrap());
    for part in [
        "From: Countersign <no-reply@auth.example.com>\n",
        "To: ada@example.com\n",
        "Subject: Please confirm your email address for auth.example.com\n",
        "Date: Fri, 15 Jan 2027 08:00:00 +0000\n",
        &format!("Message-ID: <{id}@auth.example.com>\n"),
        "Auto-Submitted: auto-generated\n",
        "Content-Type: multipart/alternative;",
        "Content-Type: text/plain; charset=utf-8\n",
        "Content-Type: text/html; charset=utf-8\n",
        "within 24 hours",
        "\nhttps://auth.example.com/auth/verify#token=",
        "href=\"https://auth.example.com/auth/verify#token=",
    ] {
        assert!(mail.contains(part), "no {part:?} in {mail}");
    }
    assert!(!office.is_verified().await);
    assert!(office.verify_by(&mail).await && office.is_verified().await);
    assert!(!office.verify_by(&mail).await, "used");
    worker.finish(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_within_tls_from_the_first_byte() {
    let trust = Trust::new();
    let Some(mut server) = trust.server(&["take", "--tls", "wrapped"]).await else { return };
    let office = Office::open().await;
    office.verify("ada@example.com").await;
    let url = format!("smtps://localhost:{}", server.port);
    let _worker = office.start(&url, |options| options.authorities = trust.authorities());
    assert_eq!(server.until("taken").await["tls"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_nobody_vouches_for_or_that_offers_no_tls_gets_neither_mail_nor_password() {
    let trust = Trust::new();
    let Some(server) = trust.server(&["take", "--tls", "starttls", "--login", "ada:canary"]).await else { return };
    let clear = MailServer::start(&["take", "--login", "ada:canary"]).await.unwrap();
    for (mut server, authorities, part) in [(server, None, "UnknownIssuer"), (clear, trust.authorities(), "STARTTLS")] {
        let office = Office::open().await;
        let id = office.verify("ada@example.com").await;
        let url = format!("smtp://ada:canary@127.0.0.1:{}", server.port);
        let worker = office.start(&url, |options| options.authorities = authorities);
        let dead = office.until_dead(3_600).await;
        assert!(dead.id == id && dead.attempts >= 10, "{dead:?}");
        assert!(dead.cause.contains(part) && !dead.cause.contains("canary"), "{}", dead.cause);
        let happened = server.so_far();
        assert!(events(&happened).iter().all(|event| *event == "ehlo"), "{happened:?}");
        worker.finish(PATIENCE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_says_that_mail_may_travel_in_the_clear() {
    for tls in ["none", "opportunistic"] {
        let Some(mut server) = MailServer::start(&["take"]).await else { return };
        let office = Office::open().await;
        office.verify("ada@example.com").await;
        let _worker = office.start(&format!("smtp://127.0.0.1:{}?tls={tls}", server.port), |_| {});
        assert_eq!(server.until("taken").await["tls"], false);
    }
    let trust = Trust::new();
    let mut server = trust.server(&["take", "--tls", "starttls"]).await.unwrap();
    let office = Office::open().await;
    office.verify("ada@example.com").await;
    let url = format!("smtp://127.0.0.1:{}?tls=opportunistic", server.port);
    let _worker = office.start(&url, |options| options.authorities = trust.authorities());
    assert_eq!(server.until("taken").await["tls"], true, "where it is offered, it is used");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_mail_is_given_up_at_once_and_sent_when_an_operator_says_so() {
    let Some(mut server) = MailServer::start(&["refuse"]).await else { return };
    let office = Office::open().await;
    let id = office.verify("ada@example.com").await;
    let _worker = office.start(&format!("smtp://127.0.0.1:{}?tls=none", server.port), |_| {});
    let dead = office.until_dead(0).await;
    assert_eq!((dead.id, dead.attempts, dead.kind), (id, 1, MailKind::VerifyEmail));
    assert_eq!(dead.cause, "permanent error (550): 5.1.1 <…>: nobody here is called …");
    assert!(office.store.retry_dead_mail(id, office.clock.now()).await.unwrap());
    let taken = server.until("taken").await;
    assert!(office.verify_by(taken["data"].as_str().unwrap()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_quotes_the_link_does_not_bring_it_into_the_database() {
    let Some(mut server) = MailServer::start(&["quote"]).await else { return };
    let office = Office::open().await;
    office.verify("ada@example.com").await;
    let _worker = office.start(&format!("smtp://127.0.0.1:{}?tls=none", server.port), |_| {});
    server.until("quote").await;
    let dead = office.until_dead(0).await;
    assert_eq!(dead.cause, "permanent error (554): 5.7.1 the link with … for … is listed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_not_taken_now_goes_later_and_holds_up_no_other() {
    for mode in ["later", "slow", "close"] {
        let Some(mut server) = MailServer::start(&[mode]).await else { return };
        let office = Office::open().await;
        office.register(Uuid::from_u128(3), "bo@example.com", "Bo").await;
        let ada = office.verify("ada@example.com").await;
        let _worker = office.start(&format!("smtp://127.0.0.1:{}?tls=none", server.port), |options| {
            options.pace.connect_timeout = Duration::from_millis(300);
        });
        server.until(mode).await;
        office.verify("bo@example.com").await;
        let other = server.until("taken").await;
        assert_eq!(other["to"][0], "bo@example.com", "{mode}");
        // Mail is tried again after ten seconds, and no sooner.
        office.clock.advance(9);
        let taken = loop {
            if let Ok(taken) = tokio::time::timeout(Duration::from_millis(100), server.until("taken")).await {
                break taken;
            }
            office.clock.advance(1);
        };
        assert_eq!(taken["to"][0], "ada@example.com", "{mode}");
        let mail = taken["data"].as_str().unwrap();
        assert!(mail.contains(&format!("Message-ID: <{ada}@")), "the same mail for whoever got it twice");
        assert!(office.verify_by(mail).await, "{mode}");
        assert!(office.store.list_dead_mail(None, 1).await.unwrap().found.is_empty(), "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_a_setting_and_no_reason_to_give_mail_up_at_once() {
    let trust = Trust::new();
    let Some(mut server) = trust.server(&["take", "--tls", "starttls", "--login", "ada:right"]).await else { return };
    let office = Office::open().await;
    let id = office.verify("ada@example.com").await;
    let url = format!("smtp://ada:canary@127.0.0.1:{}", server.port);
    let worker = office.start(&url, |options| options.authorities = trust.authorities());
    assert_eq!(server.until("auth").await["good"], false);
    worker.finish(PATIENCE).await;
    assert!(office.store.list_dead_mail(None, 1).await.unwrap().found.is_empty());
    // The operator corrects the setting and starts the server again.
    let url = format!("smtp://ada:right@127.0.0.1:{}", server.port);
    let _worker = office.start(&url, |options| options.authorities = trust.authorities());
    office.clock.advance(10);
    let taken = server.until("taken").await;
    assert!(taken["data"].as_str().unwrap().contains(&id.to_string()));
}
