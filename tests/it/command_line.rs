//! `countersign account …` as the real binary, with registration closed, without a server and beside one.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Executor as _;

use crate::support::binary::{command, database, run};
use crate::support::http::call;
use crate::support::postgres::Database;
use crate::support::{Answer, Binary, SECRET, TestApp};

const PASSWORD: &str = "s3cur3pass";

fn account(dir: &Path, args: &[&str], input: &str) -> Output {
    run(command(dir).arg("account").args(args), input)
}

/// Runs a command that must succeed with nothing on standard error, and returns its output.
fn succeeds(dir: &Path, args: &[&str], input: &str) -> String {
    let Output { status, stdout, stderr } = account(dir, args, input);
    let (said, complaint) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!((status.code(), &*complaint), (Some(0), ""), "{args:?}: {said}");
    said
}

/// Runs a command that must be refused with nothing on standard output, and returns its one sentence.
fn refused(dir: &Path, args: &[&str], input: &str) -> String {
    let Output { status, stdout, stderr } = account(dir, args, input);
    let complaint = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && status.code().is_some(), "{args:?}: {complaint}");
    assert_eq!(stdout, b"", "{args:?}");
    assert!(complaint.starts_with("countersign: ") && complaint.lines().count() == 1, "{args:?}: {complaint}");
    complaint
}

/// A running server with registration closed.
fn serve(dir: &Path) -> Binary {
    Binary::spawn(command(dir).env("JWT_SECRET", SECRET))
}

async fn login(binary: &Binary, username: &str, password: &str) -> Answer {
    let body = json!({ "username": username, "password": password });
    call(binary.address, Method::POST, "/api/auth/login", &[], &body).await.unwrap()
}

async fn token(binary: &Binary) -> String {
    let answer = login(binary, "alice", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.json()["token"].as_str().unwrap().to_owned()
}

async fn me(binary: &Binary, token: &str) -> StatusCode {
    call(binary.address, Method::GET, "/api/auth/me", &[("token", token)], &Value::Null).await.unwrap().status
}

/// Asks until the token is refused, which must happen within the promised second.
async fn dies(binary: &Binary, token: &str) {
    let begun = Instant::now();
    while me(binary, token).await != StatusCode::UNAUTHORIZED {
        assert!(begun.elapsed() < Duration::from_secs(1), "still accepted after {:?}", begun.elapsed());
        tokio::task::yield_now().await;
    }
}

/// The parts of an answer that must be the same for all refusals: all but the date and the request id.
fn comparable(answer: &Answer) -> (StatusCode, Vec<(String, String)>, bytes::Bytes) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "date" && *name != "request-id")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (answer.status, headers, answer.body.clone())
}

#[tokio::test]
async fn a_first_account_is_made_with_registration_closed_and_making_it_again_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let said = succeeds(dir.path(), &["create", "Alice"], "s3cur3pass\n");
    assert!(said.starts_with("created alice (") && said.lines().count() == 1, "{said}");
    for handle in ["alice", "ALICE", " alice "] {
        let said = succeeds(dir.path(), &["create", handle], "another password\n");
        assert_eq!(said, "alice exists already; nothing was changed\n");
    }
    let binary = serve(dir.path());
    assert_eq!(login(&binary, "alice", PASSWORD).await.status, StatusCode::OK);
    assert_eq!(login(&binary, "alice", "another password").await.status, StatusCode::UNAUTHORIZED);

    // Also beside the server, with a line that ends in CR LF or not at all. Leading and trailing blanks belong to the
    // password.
    succeeds(dir.path(), &["create", "bob"], "s3cur3pass\r\nsecond line\n");
    succeeds(dir.path(), &["create", "carol"], " s3cur3pass ");
    assert_eq!(login(&binary, "bob", PASSWORD).await.status, StatusCode::OK);
    assert_eq!(login(&binary, "carol", " s3cur3pass ").await.status, StatusCode::OK);
    assert_eq!(login(&binary, "carol", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_email_account_needs_a_name_and_a_firm() {
    let dir = tempfile::tempdir().unwrap();
    let email = "Ann@Example.com";
    assert!(refused(dir.path(), &["create", email], "s3cur3pass\n").contains("--name"));
    assert!(refused(dir.path(), &["create", email, "--name", "Ann"], "s3cur3pass\n").contains("--firm-name"));
    let full = ["create", email, "--name", "Ann", "--firm-name", "Ann's"];
    assert!(refused(dir.path(), &full, "seven77\n").contains("password must have at least 8"));
    succeeds(dir.path(), &full, "s3cur3pass\n");

    let binary = serve(dir.path());
    let body = json!({ "email": "ann@example.com", "password": PASSWORD });
    let answer = call(binary.address, Method::POST, "/auth/login", &[], &body).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!((&answer.json()["user"]["name"], &answer.json()["user"]["role"]), (&json!("Ann"), &json!("admin")));
}

#[test]
fn what_cannot_be_done_is_refused_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    for (args, input, part) in [
        (&["create", "alice"][..], "1234\n", "password must have at least 5"),
        (&["create", "alice"], "\n", "password is required"),
        (&["create", "alice"], "", "password is required"),
        (&["create", "al"], "s3cur3pass\n", "username"),
        (&["create", "a\u{200b}lice"], "s3cur3pass\n", "username"),
        (&["create", ""], "s3cur3pass\n", "username"),
        (&["create", "alice@"], "s3cur3pass\n", "email"),
        (&["create", "alice", "--name", "Alice"], "s3cur3pass\n", "--name"),
        (&["disable", "nobody"], "", "there is no account nobody"),
        (&["enable", "nobody"], "", "there is no account nobody"),
        (&["delete", "nobody@example.com"], "", "there is no account nobody@example.com"),
        (&["delete", "x"], "", "there is no account x"),
        (&["role", "nobody@example.com", "user"], "", "there is no account nobody@example.com"),
    ] {
        let said = refused(dir.path(), args, input);
        assert!(said.contains(part), "{args:?}: {said}");
    }
    let too_long = "x".repeat(1_025);
    assert!(refused(dir.path(), &["create", "alice"], &too_long).contains("at most 1024 bytes"));
    assert_eq!(succeeds(dir.path(), &["list"], ""), "", "none of it left an account");
}

#[test]
fn only_an_account_that_is_created_makes_a_database() {
    let dir = tempfile::tempdir().unwrap();
    let (missing, url) = (database(dir.path()), "--database-url=sqlite:countersign.db");
    for args in [&["list"][..], &["disable", "alice"], &["enable", "alice"], &["delete", "alice"], &["list", url]] {
        let expected = format!("countersign: there is no database {}; check DATABASE_URL\n", missing.display());
        assert_eq!(refused(dir.path(), args, ""), expected, "{args:?}");
    }
    assert!(refused(dir.path(), &["role", "ann@example.com", "user"], "").contains("there is no database "));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    succeeds(dir.path(), &["create", "alice"], "s3cur3pass\n");
    assert!(succeeds(dir.path(), &["list"], "").ends_with("  alice\n"));
}

#[test]
fn an_address_in_the_wrong_place_is_refused_without_its_password() {
    let dir = tempfile::tempdir().unwrap();
    for url in [
        "postgres://app:hunter2@127.0.0.1:1/x",
        "postgres://app:hu@/?#nter2hunter2@127.0.0.1:1/x",
        "postgres://127.0.0.1:1/x?user=app&password=hunter2",
        "--postgres://app:hunter2@127.0.0.1:1/x",
    ] {
        let [flag, unknown] = [format!("--listen-addr={url}"), format!("--url={url}")];
        for args in [
            &[url][..],
            &["serve", url],
            &["migrate-store", url],
            &["migrate-store", "--from", "sqlite:a.db", "--to", "sqlite:b.db", url],
            &["backup", "a.db", url],
            &["account", url],
            &["account", "list", url],
            &["account", "role", "ann@example.com", url],
            &[&flag],
            &[&unknown],
            &["--log-format", url],
            &["--email-token-lifetime", url],
        ] {
            let Output { status, stdout, stderr } = run(command(dir.path()).args(args), "");
            let said = String::from_utf8(stderr).unwrap();
            assert_eq!((status.code(), &*stdout), (Some(2), &b""[..]), "{args:?}: {said}");
            assert!(said.starts_with("error: ") && said.contains("try '--help'"), "{args:?}: {said}");
            assert!(!said.contains("nter2") && !said.contains("@127"), "{args:?}: {said}");
        }
    }
    let output = run(command(dir.path()).env("LISTEN_ADDR", "postgres://app:hunter2@127.0.0.1:1/x"), "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: invalid value 'postgres://***' for '--listen-addr <LISTEN_ADDR>'"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_busy_database_neither_a_command_nor_the_log_of_a_server_tells_a_statement() {
    let Some(postgres) = Database::create().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let url = format!("--database-url={}", postgres.url());
    for name in ["alice", "bob"] {
        succeeds(dir.path(), &["create", name, &url], "s3cur3pass\n");
    }
    let mut binary = Binary::spawn(command(dir.path()).env("JWT_SECRET", SECRET).arg(&url));
    let mut holder = postgres.connect().await;
    holder.execute("begin; lock table accounts").await.unwrap();
    let path = dir.path().to_owned();
    let disabled = tokio::task::spawn_blocking(move || succeeds(&path, &["disable", "bob", &url], ""));
    // Longer than the time after which the driver warns of a slow statement.
    let held = async {
        tokio::time::sleep(Duration::from_millis(1_600)).await;
        holder.execute("rollback").await.unwrap();
    };
    let (answer, disabled, ()) = tokio::join!(login(&binary, "alice", PASSWORD), disabled, held);
    assert_eq!((answer.status, &*disabled.unwrap()), (StatusCode::OK, "bob is inactive\n"));
    binary.terminate();
    binary.ended();
    let log = binary.log.lock().unwrap();
    assert!(log.lines().all(|line| line.contains("\"event\":")), "{log}");
}

#[test]
fn the_list_has_a_line_for_every_account() {
    let dir = tempfile::tempdir().unwrap();
    succeeds(dir.path(), &["create", "alice"], "s3cur3pass\n");
    succeeds(dir.path(), &["create", "ann@example.com", "--name", "Ann", "--firm-name", "F"], "s3cur3pass\n");
    assert_eq!(succeeds(dir.path(), &["disable", "alice"], ""), "alice is inactive\n");
    assert_eq!(succeeds(dir.path(), &["disable", "alice"], ""), "alice is already inactive\n");
    let list = succeeds(dir.path(), &["list"], "");
    let lines: Vec<Vec<_>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    let [alice, ann] = &lines[..] else { panic!("{list}") };
    assert_eq!((alice[1], alice[3]), ("inactive", "alice"));
    assert_eq!((ann[1], ann[3]), ("active", "ann@example.com"));
    for line in lines {
        assert!(uuid::Uuid::parse_str(line[0]).is_ok(), "{list}");
        let format = &time::format_description::well_known::Rfc3339;
        assert!(time::OffsetDateTime::parse(line[2], format).is_ok() && line[2].ends_with('Z'), "{list}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_accident() {
    let dir = tempfile::tempdir().unwrap();
    succeeds(dir.path(), &["create", "alice"], "s3cur3pass\n");
    let mut list = command(dir.path());
    let mut child = list
        .args(["account", "list"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The reader closes the pipe early, as `head` does, most likely before the command has written anything.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(0), ""));
}

#[tokio::test]
async fn a_running_server_honours_a_disable_within_a_second_and_tells_nobody_why() {
    let dir = tempfile::tempdir().unwrap();
    succeeds(dir.path(), &["create", "alice"], "s3cur3pass\n");
    let binary = serve(dir.path());
    let old = token(&binary).await;
    assert_eq!(me(&binary, &old).await, StatusCode::NO_CONTENT);
    let wrong = comparable(&login(&binary, "alice", "wrong password").await);

    succeeds(dir.path(), &["disable", "alice"], "");
    dies(&binary, &old).await;
    assert_eq!(comparable(&login(&binary, "alice", PASSWORD).await), wrong);
    assert_eq!(comparable(&login(&binary, "alice", "wrong password").await), wrong);
    assert_eq!(comparable(&login(&binary, "nobody", PASSWORD).await), wrong);

    assert_eq!(succeeds(dir.path(), &["enable", "alice"], ""), "alice is active\n");
    assert_eq!(succeeds(dir.path(), &["enable", "alice"], ""), "alice is already active\n");
    let new = token(&binary).await;
    assert_eq!(me(&binary, &new).await, StatusCode::NO_CONTENT);
    assert_eq!(me(&binary, &old).await, StatusCode::UNAUTHORIZED);

    drop(binary);
    let binary = serve(dir.path());
    assert_eq!(me(&binary, &old).await, StatusCode::UNAUTHORIZED, "nor after a restart");
    assert_eq!(me(&binary, &new).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_changed_role_ends_the_sessions_of_an_email_account_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    succeeds(dir.path(), &["create", "alice"], "s3cur3pass\n");
    succeeds(dir.path(), &["create", "ann@example.com", "--name", "Ann", "--firm-name", "F"], "s3cur3pass\n");
    let binary = serve(dir.path());
    let login = async || {
        let body = json!({ "email": "ann@example.com", "password": PASSWORD });
        let answer = call(binary.address, Method::POST, "/auth/login", &[], &body).await.unwrap().json();
        (answer["access_token"].as_str().unwrap().to_owned(), answer["user"]["role"].clone())
    };
    let (old, role) = login().await;
    assert_eq!(role, "admin");
    assert_eq!(
        succeeds(dir.path(), &["role", "Ann@example.com", "admin"], ""),
        "ann@example.com already has the role admin\n"
    );
    assert_eq!(me(&binary, &old).await, StatusCode::NO_CONTENT, "nothing changed");
    assert_eq!(
        succeeds(dir.path(), &["role", "ann@example.com", "viewer", "--force"], ""),
        "ann@example.com has the role viewer\n"
    );
    dies(&binary, &old).await;
    let (new, role) = login().await;
    assert_eq!(role, "viewer");
    assert_eq!(me(&binary, &new).await, StatusCode::NO_CONTENT);

    let alice = token(&binary).await;
    let said = refused(dir.path(), &["role", "alice", "admin"], "");
    assert_eq!(said, "countersign: alice is a username account, which has no role: only email accounts have one\n");
    assert_eq!(me(&binary, &alice).await, StatusCode::NO_CONTENT);
    let Output { status, stderr, .. } = account(dir.path(), &["role", "ann@example.com", "root"], "");
    let said = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && said.contains("[possible values: admin, user, viewer]"), "{said}");
}

/// An app in process has no revocation feed until it serves, so it must read the change from the database.
#[tokio::test]
async fn a_token_from_before_a_disable_does_not_come_back_to_life_with_its_account() {
    let app = TestApp::start().await;
    let registered = app.post("/api/auth/register", &json!({ "username": "alice", "password": PASSWORD })).await;
    let token = registered.json()["token"].as_str().unwrap().to_owned();
    let url = format!("--database-url=sqlite:{}", app.database().display());
    let me = async || app.get("/api/auth/me", &[("token", &token)]).await.status;
    let dir = tempfile::tempdir().unwrap();
    // The server has heard of neither change, and has no account in its cache.
    succeeds(dir.path(), &["disable", "alice", &url], "");
    assert_eq!(me().await, StatusCode::UNAUTHORIZED);
    succeeds(dir.path(), &["enable", "alice", &url], "");
    assert_eq!(me().await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_deleted_account_is_gone_and_who_takes_its_name_is_somebody_else() {
    let dir = tempfile::tempdir().unwrap();
    succeeds(dir.path(), &["create", "alice"], "s3cur3pass\n");
    let binary = serve(dir.path());
    let old = token(&binary).await;
    assert_eq!(succeeds(dir.path(), &["delete", "Alice"], ""), "deleted alice\n");
    dies(&binary, &old).await;
    assert_eq!(login(&binary, "alice", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    assert!(refused(dir.path(), &["delete", "alice"], "").contains("no account alice"));

    succeeds(dir.path(), &["create", "alice"], "s3cur3pass\n");
    let new = token(&binary).await;
    assert_eq!(me(&binary, &old).await, StatusCode::UNAUTHORIZED);
    assert_eq!(me(&binary, &new).await, StatusCode::NO_CONTENT);
}
