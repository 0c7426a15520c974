//! `countersign backup` as the real binary. A backup is complete although others write meanwhile. A failed backup
//! leaves no file and explains itself in one sentence.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign::store::{self, Purpose, SqliteStore, Store as _};
use countersign_guard::revocations::Revocation;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::disk::SmallDisk;
use crate::support::binary::{command, database, run};
use crate::support::crash::is_sound;
use crate::support::http::call;
use crate::support::{Binary, PASSWORD};

const WRITERS: usize = 8;

/// The output of a backup that succeeds.
fn backs_up(dir: &Path, file: &Path) -> String {
    let Output { status, stdout, stderr } = run(command(dir).arg("backup").arg(file), "");
    let (said, complaint) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!((status.code(), &*complaint), (Some(0), ""), "{said}");
    said
}

/// The error message of a backup that is refused.
fn refused(dir: &Path, file: impl AsRef<Path>) -> String {
    complaint(run(command(dir).arg("backup").arg(file.as_ref()), ""))
}

fn complaint(output: Output) -> String {
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said.trim_end().strip_prefix("countersign: ").unwrap().to_owned()
}

fn files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

async fn made(dir: &Path) {
    SqliteStore::open(&format!("sqlite:{}", database(dir).display())).await.unwrap().close().await;
}

async fn behind(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).foreign_keys(false).connect().await.unwrap()
}

async fn post(binary: &Binary, path: &str, token: &str, body: &Value) -> (StatusCode, Value) {
    let answer = call(binary.address, Method::POST, path, &[("token", token)], body).await.unwrap();
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_whatever_was_acknowledged_before_is_in_it_and_no_writer_is_turned_away() {
    let dir = tempfile::tempdir().unwrap();
    let copied = tempfile::tempdir().unwrap();
    let binary = Binary::start(dir.path());
    let alice = json!({ "username": "alice", "password": PASSWORD });
    let token = post(&binary, "/api/auth/register", "", &alice).await.1["token"].as_str().unwrap().to_owned();
    assert_eq!(post(&binary, "/auth/logout", &token, &Value::Null).await.0, StatusCode::OK);

    let (stop, address) = (Arc::new(AtomicBool::new(false)), binary.address);
    let (acknowledged, mut answers) = mpsc::unbounded_channel();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (stop, acknowledged) = (Arc::clone(&stop), acknowledged.clone());
        writers.spawn(async move {
            for turn in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let name = format!("w{writer}n{turn}");
                let body = json!({ "username": name, "password": PASSWORD });
                let answer = call(address, Method::POST, "/api/auth/register", &[], &body).await.unwrap();
                assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
                acknowledged.send(name).unwrap();
            }
        });
    }
    let mut before = Vec::new();
    for _ in 0..2 * WRITERS {
        before.push(answers.recv().await.unwrap());
    }
    let (from, file) = (dir.path().to_owned(), database(copied.path()));
    let said = tokio::task::spawn_blocking(move || backs_up(&from, &file)).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    writers.join_all().await;

    assert_eq!(files(copied.path()), ["countersign.db"]);
    let metadata = fs::metadata(database(copied.path())).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    is_sound(copied.path()).await;
    let list = String::from_utf8(run(command(copied.path()).args(["account", "list"]), "").stdout).unwrap();
    let names: Vec<_> = list.lines().map(|line| line.split_whitespace().last().unwrap()).collect();
    for name in &before {
        assert!(names.contains(&name.as_str()), "{name} was acknowledged and is not in {names:?}");
    }
    let lines: Vec<Vec<_>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
    let [accounts, sessions] = [names.len().to_string(), (names.len() - 1).to_string()];
    assert_eq!(lines[1..4], [["accounts", &accounts], ["sessions", &sessions], ["revocations", "1"]]);
    assert_eq!(lines[4], ["bytes", &metadata.len().to_string()]);
    assert_eq!(lines.len(), 6, "only the master secret is to be kept: {said}");

    // The original is still locked by its server, which goes on. A server on the copy refuses the revoked token, too.
    assert!(matches!(
        SqliteStore::open_for_serving(&format!("sqlite:{}", database(dir.path()).display())).await,
        Err(store::OpenError::Served(_))
    ));
    assert_eq!(post(&binary, "/api/auth/login", "", &alice).await.0, StatusCode::OK);
    let restored = Binary::start(copied.path());
    assert_eq!(post(&restored, "/api/auth/login", "", &alice).await.0, StatusCode::OK);
    assert_eq!(post(&restored, "/auth/refresh", &token, &Value::Null).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_places_of_revocations_go_on_in_the_copy_though_the_last_ones_were_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path()).await;
    let mut connection = behind(&database(dir.path())).await;
    connection.execute("insert into revocations (seq, session_id, expires_at) values (41, x'00', 0)").await.unwrap();
    connection.execute("delete from revocations").await.unwrap();
    backs_up(dir.path(), Path::new("copy.db"));
    let url = format!("sqlite:{}", dir.path().join("copy.db").display());
    let store = store::open(&url, Purpose::Operate).await.unwrap();
    store.end_session(Uuid::from_u128(1), OffsetDateTime::UNIX_EPOCH + Duration::from_secs(9)).await.unwrap();
    let told = store.revocations_after(0, OffsetDateTime::UNIX_EPOCH).await.unwrap();
    assert_eq!((told[0].seq, told[0].revocation), (42, Revocation::Session(Uuid::from_u128(1))));
}

#[tokio::test]
async fn the_secret_beside_the_database_is_named_and_neither_copied_nor_told() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path()).await;
    let secret = dir.path().join("countersign.db-secret");
    fs::write(&secret, "canary canary canary canary canary canary").unwrap();
    let said = backs_up(dir.path(), Path::new("file:odd?mode=memory"));
    let advice = "The backup does not contain the secret that signs tokens: keep ";
    assert!(said.contains(advice) && said.contains("countersign.db-secret too") && !said.contains("canary"), "{said}");
    let copy = fs::read(dir.path().join("file:odd?mode=memory")).unwrap();
    assert!(!String::from_utf8_lossy(&copy).contains("canary"));
}

#[tokio::test]
async fn a_database_of_an_older_version_is_copied_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path()).await;
    let older = ["alter table sessions drop column client_address", "delete from _sqlx_migrations where version >= 2"];
    for statement in older {
        behind(&database(dir.path())).await.execute(statement).await.unwrap();
    }
    backs_up(dir.path(), Path::new("copy.db"));
    let mut copy = behind(&dir.path().join("copy.db")).await;
    let versions: Vec<i64> =
        sqlx::query_scalar("select version from _sqlx_migrations").fetch_all(&mut copy).await.unwrap();
    assert_eq!(versions, [1]);
}

#[tokio::test]
async fn what_cannot_be_a_backup_is_refused_in_one_sentence_and_nothing_is_made_or_changed() {
    let dir = tempfile::tempdir().unwrap();
    let said = refused(dir.path(), "copy.db");
    assert!(
        said.starts_with("there is no database ") && said.ends_with("countersign.db; check DATABASE_URL"),
        "{said}"
    );
    assert_eq!(files(dir.path()), Vec::<String>::new());

    made(dir.path()).await;
    fs::write(dir.path().join("letter"), "to my grandmother").unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("dangling")).unwrap();
    std::os::unix::fs::symlink("countersign.db", dir.path().join("linked")).unwrap();
    let before = (files(dir.path()), fs::read(database(dir.path())).unwrap());
    for (file, part) in [
        ("letter", "letter exists already and was not touched; name a file that does not exist yet"),
        ("folder", "folder exists already"),
        ("dangling", "dangling exists already"),
        ("countersign.db", "countersign.db is the database itself"),
        ("folder/../countersign.db", "countersign.db is the database itself"),
        ("linked", "linked is the database itself"),
        ("countersign.db-secret", "countersign.db-secret is the database itself or belongs to it"),
        ("./folder/../countersign.db-wal", "countersign.db-wal is the database itself or belongs to it"),
        ("countersign.db-lock", "countersign.db-lock is the database itself or belongs to it"),
        ("missing/copy.db", "cannot write the backup missing/copy.db: No such file or directory"),
        ("letter/copy.db", "cannot write the backup letter/copy.db: Not a directory"),
    ] {
        let said = refused(dir.path(), file);
        assert!(said.contains(part), "{file}: {said}");
    }
    assert_eq!((files(dir.path()), fs::read(database(dir.path())).unwrap()), before);
    assert_eq!(fs::read_to_string(dir.path().join("letter")).unwrap(), "to my grandmother");

    // The command refuses the URL without connecting to a server.
    let postgres = "postgres://app:hunter2hunter2@127.0.0.1:1/x";
    let said = complaint(run(command(dir.path()).args(["backup", "copy.db"]).env("DATABASE_URL", postgres), ""));
    assert!(said.contains("use `pg_dump`") && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_database_that_is_damaged_is_told_of_and_its_copy_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path()).await;
    let before = files(dir.path());
    let dangling = "insert into sessions (id, account_id, epoch, created_at, expires_at, token_lifetime)
                    values (x'01', x'02', 0, 0, 0, 0)";
    let mut connection = behind(&database(dir.path())).await;
    connection.execute(dangling).await.unwrap();
    connection.close().await.unwrap();
    let said = refused(dir.path(), "copy.db");
    assert!(said.ends_with("was not kept: a row refers to one that is not there; restore an earlier backup"), "{said}");
    assert_eq!(files(dir.path()), before);

    let page = "select (rootpage - 1) * 4096 from sqlite_schema where name = 'firms'";
    let mut connection = behind(&database(dir.path())).await;
    let at: i64 = sqlx::query_scalar(page).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let mut bytes = fs::read(database(dir.path())).unwrap();
    bytes[at as usize..][..4096].fill(0xff);
    fs::write(database(dir.path()), bytes).unwrap();
    let said = refused(dir.path(), "copy.db");
    assert!(
        said.contains(" is damaged, so it was not kept: ") && said.ends_with("restore an earlier backup"),
        "{said}"
    );
    assert_eq!(files(dir.path()), before);
}

#[tokio::test]
async fn a_folder_without_room_or_rights_is_told_and_nothing_is_left_there() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path()).await;
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(closed.join("probe"), "").is_err() {
        let said = refused(dir.path(), closed.join("copy.db"));
        assert!(said.starts_with("cannot write the backup ") && said.contains("Permission denied"), "{said}");
    } else {
        eprintln!("skipped: a read-only folder stops no superuser");
    }
    let Some(disk) = SmallDisk::mount() else {
        crate::support::skip::skip_for_privileges("right of this user to mount a file system");
        return;
    };
    disk.fill();
    let said = refused(dir.path(), disk.path().join("copy.db"));
    assert!(said.starts_with("cannot write the backup ") && said.ends_with(" and that there is room"), "{said}");
    assert_eq!(files(disk.path()), ["filler"]);
}

/// A backup that waits because another connection has locked the whole database. Its unfinished file exists.
struct Waiting {
    child: Child,
    folder: PathBuf,
    _holder: SqliteConnection,
}

impl Waiting {
    async fn start(dir: &Path) -> Self {
        made(dir).await;
        let mut holder = behind(&database(dir)).await;
        // The journal mode of a copy that was never served. In WAL mode, the backup would not have to wait.
        holder.execute("pragma journal_mode = delete").await.unwrap();
        holder.execute("begin exclusive").await.unwrap();
        let folder = dir.join("backups");
        fs::create_dir(&folder).unwrap();
        let mut backup = command(dir);
        backup.args(["backup", "backups/copy.db"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = backup.spawn().unwrap();
        let waiting = Self { child, folder, _holder: holder };
        let begun = Instant::now();
        while files(&waiting.folder).is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(10), "it made nothing");
            sleep(Duration::from_millis(5)).await;
        }
        waiting
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_stopped_leaves_nothing_and_one_that_is_killed_nothing_with_the_name_of_a_backup() {
    let dir = tempfile::tempdir().unwrap();
    let mut killed = Waiting::start(dir.path()).await;
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    let left = files(&killed.folder);
    assert!(left.len() == 1 && left[0].starts_with("copy.db.") && left[0].ends_with(".unfinished"), "{left:?}");

    for signal in ["-TERM", "-INT"] {
        let dir = tempfile::tempdir().unwrap();
        let mut stopped = Waiting::start(dir.path()).await;
        let sent = std::process::Command::new("kill").args([signal, &stopped.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        assert_eq!(stopped.child.wait().unwrap().code(), Some(1));
        assert_eq!(files(&stopped.folder), Vec::<String>::new(), "{signal}");
    }
}
