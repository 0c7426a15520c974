//! A SQLite file that is deleted, replaced or emptied, with and without a server running. The server never creates a
//! new file in its place unasked, acknowledges nothing that was written to such a file, and keeps everything that was
//! acknowledged before.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use crate::support::binary::{command, database, run};
use crate::support::http::call;
use crate::support::{Answer, Binary, PASSWORD, SECRET};
use crate::wire::eventually;

const SOON: Duration = Duration::from_secs(20);

fn beside(dir: &Path, suffix: &str) -> std::path::PathBuf {
    dir.join(format!("countersign.db{suffix}"))
}

/// [`command`] with the secret from the settings, or without one.
fn settings(dir: &Path, secret: Option<&str>) -> Command {
    let mut command = command(dir);
    command.env("ALLOW_REGISTRATION", "true").env("REVOCATION_STALENESS", "1s");
    command.envs(secret.map(|secret| ("JWT_SECRET", secret)));
    command
}

async fn post(binary: &Binary, action: &str, name: &str) -> Answer {
    let body = json!({ "username": name, "password": PASSWORD });
    call(binary.address, Method::POST, &format!("/api/auth/{action}"), &[], &body).await.unwrap()
}

async fn get(binary: &Binary, path: &str, token: &str) -> StatusCode {
    call(binary.address, Method::GET, path, &[("token", token)], &Value::Null).await.unwrap().status
}

fn stop(mut binary: Binary) -> String {
    binary.terminate();
    let ended = binary.ended();
    let log = binary.log.lock().unwrap().clone();
    assert!(ended.success(), "{log}");
    log
}

/// A database that was served, with one account.
async fn served(dir: &Path, secret: Option<&str>) {
    let binary = Binary::spawn(&mut settings(dir, secret));
    assert_eq!(post(&binary, "register", "alice").await.status, StatusCode::OK);
    stop(binary);
}

/// An empty database file, as a first start that was killed leaves it.
async fn make_bare(path: &Path) {
    let file = SqliteConnectOptions::new().filename(path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    file.connect().await.unwrap().close().await.unwrap();
}

/// How a command ends. Its listen address is taken, so a start that should have been refused ends, too.
fn ended(mut command: Command, args: &[&str]) -> (i32, String) {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    command.env("LISTEN_ADDR", taken.local_addr().unwrap().to_string());
    let Output { status, stderr, .. } = run(command.args(args), "s3cur3pass\n");
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn a_database_that_was_lost_stops_the_start_and_every_command_until_it_is_back() {
    for (secret, remains) in [(Some(SECRET), "-lock"), (None, "-secret")] {
        for state in ["is missing", "is empty", "has no tables"] {
            let dir = tempfile::tempdir().unwrap();
            served(dir.path(), secret).await;
            let file = database(dir.path());
            fs::copy(&file, dir.path().join("kept")).unwrap();
            if remains == "-secret" {
                fs::remove_file(beside(dir.path(), "-lock")).unwrap();
            }
            match state {
                "is missing" => fs::remove_file(&file).unwrap(),
                "is empty" => fs::write(&file, "").unwrap(),
                _ => {
                    fs::remove_file(&file).unwrap();
                    make_bare(&file).await;
                }
            }
            let length = fs::metadata(&file).ok().map(|found| found.len());
            let expected = format!(
                "countersign: the database {0} {state}, but {1} is there, so there was a database: mount its disk, or remove \
                 {0}-wal and -shm and restore a backup; if a new database is meant, start with `countersign serve \
                 --new-database`\n",
                file.display(),
                beside(dir.path(), remains).display()
            );
            assert_eq!(ended(settings(dir.path(), secret), &[]), (2, expected.clone()));
            for args in
                [&["account", "create", "bobby"][..], &["account", "list"], &["export", "-"], &["backup", "copy"]]
            {
                let (code, said) = ended(settings(dir.path(), secret), args);
                // `backup` cannot copy a database without tables, and says so.
                if !(args[0] == "backup" && state == "has no tables") {
                    assert_eq!((code, &said), (1, &expected), "{args:?}");
                }
            }
            assert_eq!(fs::metadata(&file).ok().map(|found| found.len()), length, "{state}: nothing was made");

            fs::rename(dir.path().join("kept"), &file).unwrap();
            let binary = Binary::spawn(&mut settings(dir.path(), secret));
            assert_eq!(post(&binary, "login", "alice").await.status, StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn a_new_database_is_made_when_it_is_asked_for_and_no_token_of_the_old_one_is_good() {
    let dir = tempfile::tempdir().unwrap();
    served(dir.path(), None).await;
    fs::remove_file(database(dir.path())).unwrap();
    let before = fs::read(beside(dir.path(), "-secret")).unwrap();
    let binary = Binary::spawn(settings(dir.path(), None).args(["serve", "--new-database"]));
    assert_eq!(post(&binary, "login", "alice").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(post(&binary, "register", "bobby").await.status, StatusCode::OK);
    let log = stop(binary);
    assert!(log.contains("a new database was made"), "{log}");
    assert_eq!(fs::read(beside(dir.path(), "-secret.old")).unwrap(), before);
    assert_ne!(fs::read(beside(dir.path(), "-secret")).unwrap(), before);

    // The flag changes nothing on an existing database, and is not needed there.
    let binary = Binary::spawn(settings(dir.path(), None).args(["serve", "--new-database"]));
    assert_eq!(post(&binary, "login", "bobby").await.status, StatusCode::OK);
    let log = stop(binary);
    assert!(log.contains("--new-database was not needed"), "{log}");
    let binary = Binary::spawn(&mut settings(dir.path(), None));
    assert_eq!(post(&binary, "login", "bobby").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_first_start_that_was_killed_at_any_moment_may_be_repeated() {
    for _ in 0..6 {
        let dir = tempfile::tempdir().unwrap();
        let mut child = settings(dir.path(), None).stderr(std::process::Stdio::null()).spawn().unwrap();
        while !database(dir.path()).exists() {
            tokio::task::yield_now().await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let binary = Binary::spawn(&mut settings(dir.path(), None));
        assert_eq!(post(&binary, "register", "alice").await.status, StatusCode::OK);
    }
    for bare in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        match bare {
            true => make_bare(&database(dir.path())).await,
            false => fs::write(database(dir.path()), "").unwrap(),
        }
        assert_eq!(ended(settings(dir.path(), None), &["account", "create", "alice"]), (0, String::new()));
        let binary = Binary::spawn(&mut settings(dir.path(), None));
        assert_eq!(post(&binary, "login", "alice").await.status, StatusCode::OK);
    }
}

/// What is done to the file.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Loss {
    Deleted,
    Moved,
    Replaced,
    Emptied,
    Cut,
    Log,
}

impl Loss {
    fn happen(self, file: &Path, dir: &Path) {
        match self {
            Self::Deleted => fs::remove_file(file).unwrap(),
            Self::Moved => fs::rename(file, dir.join("elsewhere")).unwrap(),
            Self::Replaced => {
                fs::copy(file, dir.join("backup")).unwrap();
                fs::rename(dir.join("backup"), file).unwrap();
            }
            Self::Emptied => drop(fs::File::create(file).unwrap()),
            Self::Cut => {
                let half = fs::metadata(file).unwrap().len() / 2;
                fs::OpenOptions::new().write(true).open(file).unwrap().set_len(half).unwrap();
            }
            Self::Log => fs::remove_file(beside(dir, "-wal")).unwrap(),
        }
    }

    fn said(self) -> &'static str {
        match self {
            Self::Deleted | Self::Moved | Self::Replaced => "was deleted, moved or replaced while it was open",
            Self::Emptied | Self::Cut => "was emptied or cut short while it was open",
            Self::Log => "-wal was deleted, moved or replaced while the database was open",
        }
    }
}

#[tokio::test]
async fn a_file_that_is_lost_while_it_is_served_is_noticed_and_nothing_is_acknowledged_from_then_on() {
    for loss in [Loss::Deleted, Loss::Moved, Loss::Replaced, Loss::Emptied, Loss::Cut, Loss::Log] {
        let dir = tempfile::tempdir().unwrap();
        let file = database(dir.path());
        let binary = Binary::spawn(&mut settings(dir.path(), Some(SECRET)));
        let token = post(&binary, "register", "alice").await.json()["token"].as_str().unwrap().to_owned();
        // A token is refused while a busy machine lets the server read no revocation for the second of the setting.
        let accepted = async || get(&binary, "/api/auth/me", &token).await == StatusCode::NO_CONTENT;
        assert!(eventually(SOON, accepted).await, "{loss:?}: the token is good");
        loss.happen(&file, dir.path());
        // The very next call fails.
        assert_eq!(post(&binary, "register", "bobby").await.status, StatusCode::SERVICE_UNAVAILABLE, "{loss:?}");
        assert_eq!(post(&binary, "login", "alice").await.status, StatusCode::SERVICE_UNAVAILABLE, "{loss:?}");
        let refused = async |path, token| get(&binary, path, token).await == StatusCode::SERVICE_UNAVAILABLE;
        assert!(eventually(SOON, async || refused("/readyz", "").await).await, "{loss:?}: it is ready");
        assert!(eventually(SOON, async || refused("/api/auth/me", &token).await).await, "{loss:?}: tokens are judged");
        let away = || {
            let log = binary.log.lock().unwrap().clone();
            let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            events.filter(|event| event["event"] == "database" && event["result"] == "away").collect::<Vec<_>>()
        };
        // The log is read by a thread, and written after the calls are refused.
        assert!(eventually(SOON, async || !away().is_empty()).await, "{loss:?}: it is logged");
        assert_eq!(away().len(), 1, "{loss:?}");
        let cause = away()[0]["cause"].as_str().unwrap().to_owned();
        assert!(cause.contains(loss.said()) && cause.contains(file.to_str().unwrap()), "{cause}");

        if loss == Loss::Moved {
            fs::rename(dir.path().join("elsewhere"), &file).unwrap();
            let ready = async || get(&binary, "/readyz", "").await == StatusCode::OK;
            assert!(eventually(SOON, ready).await, "the same file is back");
            assert!(eventually(SOON, accepted).await, "the token is good again");
            assert_eq!(post(&binary, "register", "carol").await.status, StatusCode::OK);
        }
        let inode = fs::metadata(&file).ok().map(|found| found.ino());
        stop(binary);
        assert_eq!(fs::metadata(&file).ok().map(|found| found.ino()), inode, "{loss:?}: it is left alone");
        if matches!(loss, Loss::Deleted | Loss::Emptied) {
            let (code, said) = ended(settings(dir.path(), Some(SECRET)), &[]);
            assert!(code == 2 && said.contains("so there was a database"), "{loss:?}: {said}");
            assert!(fs::metadata(beside(dir.path(), "-wal")).unwrap().len() > 0, "{loss:?}: what is left is left");
        }
        if matches!(loss, Loss::Moved | Loss::Log) {
            // Everything that was acknowledged exists.
            let binary = Binary::spawn(&mut settings(dir.path(), Some(SECRET)));
            assert_eq!(post(&binary, "login", "alice").await.status, StatusCode::OK, "{loss:?}");
        }
    }
}

#[tokio::test]
async fn a_database_that_somebody_compacts_while_it_is_served_is_no_loss() {
    let dir = tempfile::tempdir().unwrap();
    let binary = Binary::spawn(&mut settings(dir.path(), Some(SECRET)));
    assert_eq!(post(&binary, "register", "alice").await.status, StatusCode::OK);
    let length = || fs::metadata(database(dir.path())).unwrap().len();
    let file = SqliteConnectOptions::new().filename(database(dir.path())).busy_timeout(SOON);
    let mut other = file.connect().await.unwrap();
    other.execute("create table notes (text); insert into notes values (zeroblob(2000000))").await.unwrap();
    other.execute("pragma wal_checkpoint(truncate)").await.unwrap();
    // This call makes the server see the file at its full length.
    assert_eq!(post(&binary, "register", "bobby").await.status, StatusCode::OK);
    let long = length();
    other.execute("drop table notes; vacuum").await.unwrap();
    other.execute("pragma wal_checkpoint(truncate)").await.unwrap();
    other.close().await.unwrap();
    assert!(length() < long / 2, "{} of {long}", length());
    let registered = async || post(&binary, "register", "carol").await.status == StatusCode::OK;
    assert!(eventually(SOON, registered).await);
    assert!(eventually(SOON, async || get(&binary, "/readyz", "").await == StatusCode::OK).await);
}
