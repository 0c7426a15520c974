//! The digest of the signing secret: servers with different secrets do not serve one database, a change of the secret
//! rolls, and a lost secret needs a flag. On both engines, with the real binary.

use std::fs;
use std::path::Path;
use std::process::Command;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::settings::refuses;
use crate::sockets::SOON;
use crate::support::binary::{command, database, run};
use crate::support::http::call;
use crate::support::postgres::Database;
use crate::support::{Binary, PASSWORD, SECRET};
use crate::wire::eventually;

const OTHER: &str = "another secret of the tests, of forty bytes";

/// A server on the database of `url`.
fn server(dir: &Path, url: &str, secret: &str, previous: Option<&str>) -> Command {
    let mut command = command(dir);
    command.env("DATABASE_URL", url).env("JWT_SECRET", secret).env("ALLOW_REGISTRATION", "true");
    command.envs(previous.map(|previous| ("JWT_SECRET_PREVIOUS", previous)));
    command
}

async fn register(binary: &Binary, name: &str) -> String {
    let body = json!({ "username": name, "password": PASSWORD });
    let answer = call(binary.address, Method::POST, "/api/auth/register", &[], &body).await.unwrap();
    answer.json()["token"].as_str().unwrap().to_owned()
}

async fn me(binary: &Binary, token: &str) -> StatusCode {
    call(binary.address, Method::GET, "/api/auth/me", &[("token", token)], &Value::Null).await.unwrap().status
}

fn log_of(mut binary: Binary) -> String {
    binary.terminate();
    binary.ended();
    binary.log.lock().unwrap().clone()
}

const DIFFERS: [&str; 3] = ["another JWT_SECRET", "set JWT_SECRET_PREVIOUS to the old one", "--accept-new-secret"];

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_with_another_secret_does_not_start_and_a_change_of_the_secret_rolls() {
    let Some(database) = Database::create().await else { return };
    let (dir, url) = (tempfile::tempdir().unwrap(), database.url());
    let dir = dir.path();
    let first = Binary::spawn(&mut server(dir, &url, SECRET, None));
    let token = register(&first, "alice").await;
    refuses("another secret", &mut server(dir, &url, OTHER, None), &DIFFERS);
    refuses(
        "another previous",
        &mut server(dir, &url, OTHER, Some("a third secret of the tests, long enough")),
        &DIFFERS,
    );

    // All replicas learn the new secret first; then each signs with it, while others do not yet.
    let second = Binary::spawn(&mut server(dir, &url, SECRET, Some(OTHER)));
    drop(first);
    let third = Binary::spawn(&mut server(dir, &url, OTHER, Some(SECRET)));
    let fourth = Binary::spawn(&mut server(dir, &url, SECRET, Some(OTHER)));
    let newer = register(&third, "bobby").await;
    for replica in [&second, &third, &fourth] {
        assert_eq!([me(replica, &token).await, me(replica, &newer).await], [StatusCode::NO_CONTENT; 2]);
    }
    assert!(log_of(third).contains("tokens are signed with a new secret"));
    drop((second, fourth));

    // A server that was forgotten says so while it runs.
    let forgotten = Binary::spawn(&mut server(dir, &url, OTHER, Some(SECRET)));
    let mut accepts = server(dir, &url, "a third secret of the tests, long enough", None);
    drop(Binary::spawn(accepts.args(["serve", "--accept-new-secret"])));
    let says = async || forgotten.log.lock().unwrap().contains("with a secret that this one does not know");
    assert!(eventually(SOON, says).await, "{}", log_of(forgotten));
    drop(Binary::spawn(server(dir, &url, OTHER, None).args(["serve", "--accept-new-secret"])));
    drop(Binary::spawn(&mut server(dir, &url, OTHER, Some(SECRET))));
    refuses("the old secret", &mut server(dir, &url, SECRET, None), &DIFFERS);
    let last = Binary::spawn(&mut server(dir, &url, OTHER, None));
    assert_eq!([me(&last, &token).await, me(&last, &newer).await], [StatusCode::UNAUTHORIZED, StatusCode::NO_CONTENT]);
}

#[tokio::test]
async fn a_lost_secret_stops_the_start_and_is_given_up_only_when_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", database(dir.path()).display());
    let token = register(&Binary::start(dir.path()), "alice").await;
    refuses("another secret", &mut server(dir.path(), &url, OTHER, None), &DIFFERS);
    // Nothing was changed by the refusal.
    let (accepts, mut again) = (["serve", "--accept-new-secret"], server(dir.path(), &url, SECRET, None));
    let same = Binary::spawn(again.args(accepts));
    assert_eq!(me(&same, &token).await, StatusCode::NO_CONTENT);
    assert!(log_of(same).contains("--accept-new-secret was not needed"));

    let other = Binary::spawn(server(dir.path(), &url, OTHER, None).args(accepts));
    assert_eq!(me(&other, &token).await, StatusCode::UNAUTHORIZED);
    assert!(log_of(other).contains("everybody is signed out"));
    drop(Binary::spawn(&mut server(dir.path(), &url, OTHER, None)));
    refuses("the given up one", &mut server(dir.path(), &url, SECRET, None), &DIFFERS);
}

#[tokio::test]
async fn a_generated_secret_that_is_gone_is_not_replaced_in_silence() {
    let dir = tempfile::tempdir().unwrap();
    let start = |args: &[&str]| Binary::spawn(command(dir.path()).env("ALLOW_REGISTRATION", "true").args(args));
    let token = register(&start(&[]), "alice").await;
    let secret = dir.path().join("countersign.db-secret");
    fs::rename(&secret, dir.path().join("kept")).unwrap();
    let parts = ["JWT_SECRET is not set", "countersign.db-secret", "put the file back", "--accept-new-secret"];
    refuses("gone", &mut command(dir.path()), &parts);
    assert!(!secret.exists(), "the refused start made a secret");
    fs::rename(dir.path().join("kept"), &secret).unwrap();
    assert_eq!(me(&start(&[]), &token).await, StatusCode::NO_CONTENT);

    fs::remove_file(&secret).unwrap();
    let forgetful = start(&["serve", "--accept-new-secret"]);
    assert_eq!(me(&forgetful, &token).await, StatusCode::UNAUTHORIZED);
    assert!(log_of(forgetful).contains("had no secret beside it"));
    drop(start(&[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_and_a_moved_database_are_served_with_their_own_secret_only() {
    let dir = tempfile::tempdir().unwrap();
    let token = register(&Binary::start(dir.path()), "alice").await;
    let copy = dir.path().join("copy.db");
    assert!(run(command(dir.path()).arg("backup").arg(&copy), "").status.success());
    let mut urls = vec![format!("sqlite:{}", copy.display())];
    let postgres = Database::create().await;
    if let Some(postgres) = &postgres {
        let moved = run(command(dir.path()).args(["migrate-store", "--from", &urls[0], "--to", &postgres.url()]), "");
        assert!(moved.status.success(), "{moved:?}");
        urls.push(postgres.url());
    }
    for url in urls {
        refuses(&url, &mut server(dir.path(), &url, OTHER, None), &DIFFERS);
        let binary = Binary::spawn(&mut server(dir.path(), &url, SECRET, None));
        assert_eq!(me(&binary, &token).await, StatusCode::NO_CONTENT, "{url}");
    }
    refuses("no secret", command(dir.path()).env("DATABASE_URL", format!("sqlite:{}", copy.display())), &["-secret"]);
}
