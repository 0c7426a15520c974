//! Opening a SQLite database: its file permissions, its single server, and the error message when it fails.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use argon2::Params;
use clap::Parser as _;
use countersign::config::Cli;
use countersign::domain::{Client, Session};
use countersign::server::App;
use countersign::store::{self, OpenError, Purpose, SessionStore as _, SqliteStore, StoredSession};
use countersign_guard::clock::ManualClock;
use http::{Method, StatusCode};
use serde_json::json;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::binary::{command, database};
use crate::support::http::call;
use crate::support::{Binary, SECRET, TestApp};

fn url(dir: &TempDir) -> String {
    format!("sqlite:{}", dir.path().join("test.db").display())
}

async fn behind_its_back(dir: &TempDir) -> SqliteConnection {
    SqliteConnectOptions::new().filename(dir.path().join("test.db")).connect().await.unwrap()
}

async fn sentence(url: &str) -> String {
    let opened = SqliteStore::open(url).await.map(|_| ()).map_err(|error| error.to_string());
    let serving = SqliteStore::open_for_serving(url).await.map(|_| ()).map_err(|error| error.to_string());
    let opened = opened.unwrap_err();
    assert_eq!(opened.replace("test.db-lock", "test.db"), serving.unwrap_err().replace("test.db-lock", "test.db"));
    opened
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn every_file_of_a_server_is_its_owners_alone() {
    let dir = tempfile::tempdir().unwrap();
    let database = format!("--database-url={}", url(&dir));
    // A server without a secret in its settings makes one.
    let settings = Cli::try_parse_from(["countersign", &database]).unwrap().settings;
    let cheapest = Params::new(8, 1, 1, None).unwrap();
    let app = App::build(&settings, Arc::new(ManualClock::at(0)), cheapest).await.unwrap();
    for file in ["test.db", "test.db-wal", "test.db-shm", "test.db-lock", "test.db-secret", "test.db-master"] {
        assert_eq!(mode(&dir.path().join(file)), 0o600, "{file}");
    }
    let files = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(files, 6, "and there is no other");

    // The second start uses the same secret.
    let secret = fs::read(dir.path().join("test.db-secret")).unwrap();
    drop(app);
    let cheapest = Params::new(8, 1, 1, None).unwrap();
    App::build(&settings, Arc::new(ManualClock::at(0)), cheapest).await.unwrap();
    assert_eq!(fs::read(dir.path().join("test.db-secret")).unwrap(), secret);
}

#[tokio::test]
async fn a_second_server_on_the_same_file_is_refused_and_the_command_line_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let first = SqliteStore::open_for_serving(&url(&dir)).await.unwrap();
    let path = dir.path().join("test.db");
    let error = SqliteStore::open_for_serving(&url(&dir)).await.unwrap_err();
    assert!(matches!(error, OpenError::Served(_)));
    let expected =
        format!("another server is serving {}; stop that one first (the command line works beside it)", path.display());
    assert_eq!(error.to_string(), expected);
    SqliteStore::open(&url(&dir)).await.unwrap();
    drop(first);
    SqliteStore::open_for_serving(&url(&dir)).await.unwrap();
}

#[tokio::test]
async fn an_address_that_names_no_file_is_refused() {
    for url in [
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite:",
        "sqlite://",
        "sqlite:test.db?mode=memory",
        "sqlite:test.db?mode=ro",
        "sqlite:/",
        "sqlite:..",
    ] {
        let expected = "DATABASE_URL must be `sqlite:` and the path of a file, as in `sqlite:countersign.db`";
        assert_eq!(sentence(url).await, expected, "{url:?}");
        assert!(!Path::new("test.db").exists(), "{url:?} made a file");
    }
}

#[tokio::test]
async fn a_folder_that_is_missing_or_closed_is_named_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    let mut folders = vec![dir.path().join("missing"), file];
    if fs::write(closed.join("probe"), "").is_err() {
        folders.push(closed);
    } else {
        eprintln!("skipped: a read-only folder stops no superuser");
    }
    for folder in folders {
        let sentence = sentence(&format!("sqlite:{}", folder.join("test.db").display())).await;
        assert!(sentence.starts_with(&format!("cannot write the database {}", folder.display())), "{sentence}");
        let advice = "; check that its folder exists and that this user may write there";
        assert!(sentence.ends_with(advice), "{sentence}");
    }
}

#[tokio::test]
async fn a_folder_in_place_of_the_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("test.db")).unwrap();
    let sentence = sentence(&url(&dir)).await;
    assert!(sentence.starts_with("cannot write the database "), "{sentence}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let text = "a letter to my grandmother, and not a database at all. ".repeat(100);
    fs::write(dir.path().join("test.db"), &text).unwrap();
    let sentence = sentence(&url(&dir)).await;
    assert!(sentence.starts_with("cannot open the database "), "{sentence}");
    assert!(sentence.contains("file is not a database"), "{sentence}");
    assert_eq!(fs::read_to_string(dir.path().join("test.db")).unwrap(), text);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(&url(&dir)).await.unwrap());
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                 values (99999999999999, 'from the future', true, x'00', 0)";
    behind_its_back(&dir).await.execute(newer).await.unwrap();
    let path = dir.path().join("test.db");
    let expected = format!(
        "the database {} was written by a newer version of countersign; start that version or a later one",
        path.display()
    );
    assert_eq!(sentence(&url(&dir)).await, expected);
}

#[tokio::test]
async fn a_database_whose_migrations_were_modified_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(&url(&dir)).await.unwrap());
    behind_its_back(&dir).await.execute("update _sqlx_migrations set checksum = x'00'").await.unwrap();
    let sentence = sentence(&url(&dir)).await;
    assert!(sentence.starts_with("migration 1 of the database "), "{sentence}");
    let advice = " differs from this version's; it was made by a modified build: restore that build or a backup";
    assert!(sentence.ends_with(advice), "{sentence}");
}

#[tokio::test]
async fn opening_again_changes_nothing_and_the_settings_hold() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        drop(SqliteStore::open(&url(&dir)).await.unwrap());
    }
    let mut connection = behind_its_back(&dir).await;
    let journal: String = sqlx::query_scalar("pragma journal_mode").fetch_one(&mut connection).await.unwrap();
    assert_eq!(journal, "wal");
    let migrations: i64 =
        sqlx::query_scalar("select count(*) from _sqlx_migrations").fetch_one(&mut connection).await.unwrap();
    assert_eq!(migrations, crate::support::migrations() as i64);
}

#[tokio::test]
async fn a_database_of_before_session_details_keeps_its_sessions() {
    let dir = tempfile::tempdir().unwrap();
    let migrations = tempfile::tempdir().unwrap();
    let first = "0001_accounts.sql";
    fs::copy(Path::new("migrations/sqlite").join(first), migrations.path().join(first)).unwrap();
    let mut before = SqliteConnectOptions::new()
        .filename(dir.path().join("test.db"))
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    Migrator::new(migrations.path()).await.unwrap().run(&mut before).await.unwrap();
    let account = "insert into accounts (id, username, password_hash, created_at)
                   values (x'00000000000000000000000000000001', 'alice', '$argon2id$', 0)";
    let session = "insert into sessions (id, account_id, epoch, created_at, expires_at, token_lifetime)
                   values (x'00000000000000000000000000000002', x'00000000000000000000000000000001', 0, 5000, 9000, 700)";
    for statement in [account, session] {
        before.execute(statement).await.unwrap();
    }
    before.close().await.unwrap();

    let store = SqliteStore::open(&url(&dir)).await.unwrap();
    let at = |second| time::OffsetDateTime::from_unix_timestamp(second).unwrap();
    let expected = StoredSession {
        session: Session {
            id: Uuid::from_u128(2),
            account_id: Uuid::from_u128(1),
            epoch: 0,
            created_at: at(5),
            expires_at: at(9),
            token_lifetime: std::time::Duration::from_millis(700),
            client: Client::default(),
        },
        last_token_at: at(5),
    };
    assert_eq!(store.find_session(Uuid::from_u128(2)).await.unwrap(), Some(expected));
}

#[tokio::test]
async fn a_hash_that_cannot_be_read_does_not_hide_what_the_others_cost() {
    let app = TestApp::start().await;
    app.sign_in_username("alice").await;
    app.sign_in_username("mallory").await;
    let mut database =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(app.database())).await.unwrap();
    database
        .execute("update accounts set password_hash = cast(x'ff2463' as text) where username = 'mallory'")
        .await
        .unwrap();
    let url = format!("sqlite:{}", app.database().display());
    let store = store::open(&url, Purpose::Operate).await.unwrap();
    let numbers: Vec<_> = store.hash_costs().await.unwrap().into_iter().map(|(.., number)| number).collect();
    assert_eq!(numbers, [1]);
}

#[tokio::test]
async fn a_symbolic_link_is_the_file_that_it_leads_to() {
    let app = TestApp::start().await;
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(app.database(), dir.path().join("test.db")).unwrap();
    let refused = SqliteStore::open_for_serving(&url(&dir)).await.map(|_| ()).unwrap_err().to_string();
    assert!(refused.starts_with("another server is serving "), "{refused}");
    assert_eq!(SqliteStore::path(&url(&dir)).unwrap(), app.database().canonicalize().unwrap());
}

/// A statement that returns one row is stored only after it has been read to its end.
#[tokio::test]
async fn on_a_full_disk_nobody_is_told_that_a_password_was_wrong_without_its_being_counted() {
    let dir = tempfile::tempdir().unwrap();
    let plain = command(dir.path());
    let mut limited = Command::new("sh");
    // No file may become larger than one or two MiB: the unit differs between shells.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\""]).arg(plain.get_program()).current_dir(dir.path());
    limited.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let binary = Binary::spawn(limited.env("JWT_SECRET", SECRET).env("ALLOW_REGISTRATION", "true"));
    let mut statuses = Vec::new();
    for name in 0..400 {
        let guess = json!({ "username": format!("nobody{name}"), "password": "not the password" });
        statuses.push(call(binary.address, Method::POST, "/api/auth/login", &[], &guess).await.unwrap().status);
        if statuses.ends_with(&[StatusCode::SERVICE_UNAVAILABLE; 5]) {
            break;
        }
    }
    let told = statuses.iter().filter(|&&status| status == StatusCode::UNAUTHORIZED).count() as i64;
    assert!(told > 0 && statuses.ends_with(&[StatusCode::SERVICE_UNAVAILABLE; 5]), "{statuses:?}");
    let mut behind = SqliteConnectOptions::new().filename(database(dir.path())).connect().await.unwrap();
    let counted: i64 = sqlx::query_scalar("select count(*) from attempts").fetch_one(&mut behind).await.unwrap();
    assert_eq!(told, counted);
}

#[tokio::test]
async fn a_revocation_that_cannot_be_read_costs_that_one_and_no_other() {
    let app = TestApp::start().await;
    let (lives, ended) = (app.sign_in_username("alice").await, app.sign_in_username("bobby").await);
    let file = SqliteConnectOptions::new().filename(app.database());
    let mut database = file.connect().await.unwrap();
    // A row with an id of one byte, before and after a correct row.
    let bad = "insert into revocations (session_id, expires_at) values (x'78', 9000000000000)";
    database.execute(bad).await.unwrap();
    assert_eq!(app.post_empty("/auth/logout", &[("token", &ended)]).await.status, StatusCode::OK);
    database.execute(bad).await.unwrap();
    let app = app.restart(&[]).await;
    assert_eq!(app.get("/api/auth/me", &[("token", &lives)]).await.status, StatusCode::NO_CONTENT);
    assert_eq!(app.get("/api/auth/me", &[("token", &ended)]).await.status, StatusCode::UNAUTHORIZED);
}
