//! Refused moves, and moves that fail half-way: the target stays as empty as before, and nothing else is created or
//! changed.

use std::fs;
use std::process::Child;
use std::time::Duration;

use countersign::domain::{Identity, NewAccount, Username};
use countersign::store::{AccountStore as _, PostgresStore, SqliteStore, Store as _, StoreError};
use sqlx::postgres::PgConnection;
use tokio::time::{Instant, sleep};

use super::*;
use crate::disk::SmallDisk;
use crate::support::postgres;

/// An account with a session, and a revocation.
pub const FEW: [&str; 3] = [
    "insert into accounts (id, username, password_hash, created_at) values (x'00000000000000000000000000000001', 'alice', '', 0)",
    "insert into sessions (id, account_id, epoch, created_at, expires_at, token_lifetime)
     values (x'00000000000000000000000000000002', x'00000000000000000000000000000001', 0, 0, 0, 0)",
    "insert into revocations (session_id, expires_at) values (x'00000000000000000000000000000003', 0)",
];

/// The error message of a move that is refused.
pub fn refused(dir: &Path, from: &str, to: &str) -> String {
    let Output { status, stdout, stderr } = run(&mut copying(dir, from, to), "");
    let complaint = String::from_utf8(stderr).unwrap();
    assert_eq!((status.code(), &*stdout), (Some(1), &b""[..]), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(!complaint.contains("DATABASE_URL") && !complaint.contains("hunter2"), "{complaint}");
    complaint.trim_end().strip_prefix("countersign: ").unwrap().to_owned()
}

pub fn files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

/// The tables and columns of a PostgreSQL database.
pub async fn schema(database: &Database) -> Vec<(String, String)> {
    let columns = "select table_name::text, column_name::text from information_schema.columns
                   where table_schema = current_schema() order by 1, 2";
    sqlx::query_as(columns).fetch_all(&mut database.connect().await).await.unwrap()
}

async fn is_empty(path: &Path) -> bool {
    dump(path).await.iter().all(|(_, _, values)| values.is_empty())
}

/// The number of rows in all tables of a PostgreSQL database.
async fn rows(database: &Database) -> i64 {
    let counts = TABLES.map(|table| format!("(select count(*) from {})", table.name)).join(" + ");
    let select = AssertSqlSafe(format!("select {counts}"));
    sqlx::query_scalar(select).fetch_one(&mut database.connect().await).await.unwrap()
}

/// A database of this version on a server, with these additions by a superuser.
async fn with_a_trap(database: &Database, traps: &[&'static str]) {
    PostgresStore::open(&database.url()).await.unwrap().close().await;
    for trap in traps {
        database.connect().await.execute(*trap).await.unwrap();
    }
}

/// A running move, which is killed when dropped.
struct Copying(Child);

impl Copying {
    fn start(dir: &Path, from: &str, to: &str) -> Self {
        Self(copying(dir, from, to).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Waits until the move waits for a lock of another connection.
    async fn waits(&mut self, watcher: &mut PgConnection) {
        let waiting = "select exists (select from pg_locks where not granted
                       and database = (select oid from pg_database where datname = current_database()))";
        let begun = Instant::now();
        while !sqlx::query_scalar::<_, bool>(waiting).fetch_one(&mut *watcher).await.unwrap() {
            assert!(self.0.try_wait().unwrap().is_none(), "it ended");
            assert!(begun.elapsed() < Duration::from_secs(20), "it waits for nothing");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Copying {
    fn drop(&mut self) {
        self.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_holds_anything_is_refused_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let from = sqlite(&filled(dir.path(), "source.db", &FEW).await);
    for (name, fill, table) in [("a.db", FEW[0], "accounts"), ("b.db", FEW[2], "revocations")] {
        let target = filled(dir.path(), name, &[fill]).await;
        let before = dump(&target).await;
        let expected = format!("--to: the database is not empty, its table `{table}` has rows; name an empty one");
        assert_eq!(refused(dir.path(), &from, &sqlite(&target)), expected);
        assert_eq!(dump(&target).await, before);
    }

    let Some(database) = Database::create().await else { return };
    moves(dir.path(), &from, &database.url());
    let said = refused(dir.path(), &from, &database.url());
    assert!(said.starts_with("--to: the database is not empty, its table `accounts` has rows"), "{said}");
    assert_eq!(rows(&database).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_missing_or_of_another_version_is_refused_and_nothing_is_made_or_changed() {
    let dir = tempfile::tempdir().unwrap();
    let [missing, target] = [dir.path().join("missing.db"), dir.path().join("target.db")];
    let said = refused(dir.path(), &sqlite(&missing), &sqlite(&target));
    assert_eq!(said, format!("--from: there is no database {}; check the address", missing.display()));
    fs::create_dir(&missing).unwrap();
    assert!(refused(dir.path(), &sqlite(&missing), &sqlite(&target)).starts_with("--from: there is no database "));
    fs::remove_dir(&missing).unwrap();

    fs::write(dir.path().join("empty.db"), "").unwrap();
    let older = filled(dir.path(), "older.db", &["delete from _sqlx_migrations where version = 2"]).await;
    let newer = filled(dir.path(), "newer.db", &["update _sqlx_migrations set version = 99 where version = 2"]).await;
    let other = filled(dir.path(), "other.db", &["update _sqlx_migrations set checksum = x'00'"]).await;
    for (path, part) in [
        (dir.path().join("empty.db"), " is older than this version: start this version's server on it once"),
        (older, " is older than this version: start this version's server on it once"),
        (newer, " was written by a newer version"),
        (other, " differs from this version's"),
    ] {
        let before = fs::read(&path).unwrap();
        let said = refused(dir.path(), &sqlite(&path), &sqlite(&target));
        assert!(said.starts_with("--from: ") && said.contains(part), "{said}");
        assert_eq!(fs::read(&path).unwrap(), before, "{said}");
    }
    fs::write(dir.path().join("letter.db"), "a letter to my grandmother".repeat(99)).unwrap();
    let said = refused(dir.path(), &sqlite(&dir.path().join("letter.db")), &sqlite(&target));
    assert!(said.starts_with("--from: cannot open the database ") && said.contains("not a database"), "{said}");
    assert!(!target.exists());

    let Some(database) = Database::create().await else { return };
    let said = refused(dir.path(), &database.url(), &sqlite(&target));
    assert!(
        said.starts_with("--from: the schema of the database ") && said.contains(" is older than this version: "),
        "{said}"
    );
    assert!(!target.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_served_is_refused_at_either_end() {
    let dir = tempfile::tempdir().unwrap();
    let idle = sqlite(&filled(dir.path(), "idle.db", &[]).await);
    let served = sqlite(&filled(dir.path(), "served.db", &[]).await);
    let server = SqliteStore::open_for_serving(&served).await.unwrap();
    let advice = "; stop the server first, or what it writes meanwhile would be lost";
    for (from, to, end) in [(&served, &idle, "--from"), (&idle, &served, "--to")] {
        let said = refused(dir.path(), from, to);
        assert!(said.starts_with(&format!("{end}: a server is serving /")) && said.ends_with(advice), "{said}");
    }
    server.close().await;
    drop(server);
    moves(dir.path(), &served, &idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_in_the_middle_of_writing_is_told_of() {
    let Some(database) = Database::create().await else { return };
    let dir = tempfile::tempdir().unwrap();
    with_a_trap(&database, &[]).await;
    let idle = filled(dir.path(), "idle.db", &[]).await;
    let mut writer = behind(&idle).await;
    writer.execute("begin immediate").await.unwrap();
    let mut other = database.connect().await;
    let mut writing = other.begin().await.unwrap();
    writing.execute("insert into firms values ('00000000-0000-0000-0000-000000000001', 'F', 0)").await.unwrap();
    let said = refused(dir.path(), &sqlite(&idle), &database.url());
    let advice = "; stop it first, or try again";
    assert!(
        said.starts_with("--from: another process is writing to the database /") && said.ends_with(advice),
        "{said}"
    );
    writer.execute("rollback").await.unwrap();
    let said = refused(dir.path(), &sqlite(&idle), &database.url());
    assert!(said.starts_with("--to: another process is writing to the database countersign_test_"), "{said}");
    writing.rollback().await.unwrap();
    moves(dir.path(), &sqlite(&idle), &database.url());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_is_told_and_the_target_can_be_filled_once_there_is_room() {
    let Some(disk) = SmallDisk::mount() else {
        crate::support::skip::skip_for_privileges("right of this user to mount a file system");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    // So few rows that SQLite writes none of them before the end.
    let source = filled(dir.path(), "source.db", &MANY[..4]).await;
    // The rest of the disk has room for an empty database.
    fs::write(disk.path().join("filler"), vec![0; 230_000]).unwrap();
    let target = disk.path().join("target.db");
    let fails = || {
        let said = refused(dir.path(), &sqlite(&source), &sqlite(&target));
        assert!(said.starts_with("--to: ") && said.contains("is full"), "{said}");
    };
    fails();
    assert_eq!(files(disk.path()), ["filler"]);
    filled(disk.path(), "target.db", &[]).await;
    fails();
    let elsewhere = dir.path().join("target.db");
    fs::copy(&target, &elsewhere).unwrap();
    moves(dir.path(), &sqlite(&source), &sqlite(&elsewhere));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_database_at_both_ends_is_refused_by_whatever_address() {
    let expected = "--from and --to are the same database: name another one as --to";
    let dir = tempfile::tempdir().unwrap();
    let path = filled(dir.path(), "one.db", &[]).await;
    let link = dir.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for (from, to) in [(&path, &path), (&link, &path), (&path, &link)] {
        assert_eq!(refused(dir.path(), &sqlite(from), &sqlite(to)), expected);
    }
    assert_eq!(refused(dir.path(), "sqlite:one.db", &sqlite(&path)), expected);

    let Some(database) = Database::create().await else { return };
    with_a_trap(&database, &[]).await;
    let other = database.url_as("other", "superuser").await;
    assert_eq!(refused(dir.path(), &database.url(), &other), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_none_is_refused_by_the_name_of_its_flag_and_without_its_password() {
    let dir = tempfile::tempdir().unwrap();
    let good = sqlite(&filled(dir.path(), "good.db", &[]).await);
    for (bad, part) in [
        ("good.db", "the address must begin with `sqlite:` or `postgres://`"),
        ("mysql://root:hunter2@localhost/x", "the address must begin with `sqlite:` or `postgres://`"),
        ("sqlite::memory:", "the address must be `sqlite:` and the path of a file"),
        ("postgres://app:hunter2@127.0.0.1:1/x", "cannot reach the database x at 127.0.0.1:1"),
        ("postgres://app:12/hunter2hunter2@127.0.0.1:1/c", "the address must be `postgres://USER"),
        ("postgres://app:hunter2@127.0.0.1:1/x?sslmod=require", "the address has a parameter `sslmod`"),
    ] {
        let said = refused(dir.path(), bad, &good);
        assert!(said.starts_with(&format!("--from: {part}")), "{said}");
        let said = refused(dir.path(), &good, bad);
        assert!(said.starts_with(&format!("--to: {part}")), "{said}");
    }
    let Some(database) = Database::create().await else { return };
    let wrong = database.url_as("owner", "").await.replace(postgres::PASSWORD, "another hunter2hunter2");
    let said = refused(dir.path(), &good, &wrong);
    assert!(
        said.starts_with("--to: ") && said.contains("refused the user") && said.contains("password in the address"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_half_way_leaves_a_server_empty_and_who_writes_there_meanwhile_waits() {
    let Some(database) = Database::create().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let from = sqlite(&filled(dir.path(), "source.db", &MANY).await);
    with_a_trap(
        &database,
        &[
            "create function hold() returns trigger language plpgsql as
               $$ begin set local lock_timeout = 0; perform pg_advisory_xact_lock(7); return null; end $$",
            "create trigger hold before insert on sessions for each statement execute function hold()",
        ],
    )
    .await;
    let mut holder = database.connect().await;
    holder.execute("select pg_advisory_lock(7)").await.unwrap();
    let mut copying = Copying::start(dir.path(), &from, &database.url());
    copying.waits(&mut database.connect().await).await;
    copying.kill();
    holder.execute("select pg_advisory_unlock(7)").await.unwrap();
    assert_eq!(rows(&database).await, 0);

    // The second move waits for longer than a statement of a call may take.
    holder.execute("select pg_advisory_lock(7)").await.unwrap();
    let mut copying = Copying::start(dir.path(), &from, &database.url());
    copying.waits(&mut database.connect().await).await;
    let server = PostgresStore::open(&database.url()).await.unwrap();
    let new = NewAccount {
        id: Uuid::from_u128(1),
        identity: Identity::Username(Username::parse("meanwhile").unwrap()),
        joins: false,
        password_hash: None,
        created_at: OffsetDateTime::UNIX_EPOCH,
    };
    for _ in 0..2 {
        let refused = server.insert_account(&new, None, None).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    }
    holder.execute("select pg_advisory_unlock(7)").await.unwrap();
    assert_eq!(copying.0.wait().unwrap().code(), Some(0));
    assert_eq!(rows(&database).await, 2 * 1_001 + 7 * 2_345);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_half_way_leaves_a_file_empty() {
    let Some(database) = Database::create().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("target.db");
    let filled = filled(dir.path(), "filled.db", &MANY).await;
    moves(dir.path(), &sqlite(&filled), &database.url());
    let mut holder = database.connect().await;
    let mut held = holder.begin().await.unwrap();
    held.execute("lock table sessions").await.unwrap();
    let mut copying = Copying::start(dir.path(), &database.url(), &sqlite(&target));
    copying.waits(&mut database.connect().await).await;
    copying.kill();
    held.rollback().await.unwrap();
    assert!(is_empty(&target).await);
    moves(dir.path(), &database.url(), &sqlite(&target));
    assert_eq!(dump(&target).await, dump(&filled).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_otherwise_than_it_was_sent_is_not_kept() {
    let expected = "--to: the target has other rows than were written; nothing was moved: look for triggers or rules \
                    of the target that change or skip rows";
    let dir = tempfile::tempdir().unwrap();
    let from = sqlite(&filled(dir.path(), "source.db", &FEW).await);
    let altering = "create trigger altering after insert on accounts begin update accounts set username = 'bob'; end";
    let skipping = "create trigger skipping before insert on revocations begin select raise(ignore); end";
    for (name, trap) in [("a.db", altering), ("b.db", skipping)] {
        let target = filled(dir.path(), name, &[trap]).await;
        assert_eq!(refused(dir.path(), &from, &sqlite(&target)), expected, "{trap}");
        assert!(is_empty(&target).await, "{trap}");
    }

    for trap in ["new.created_at := 1; return new;", "return null;"] {
        let Some(database) = Database::create().await else { return };
        let body = format!("create function trap() returns trigger language plpgsql as $$ begin {trap} end $$");
        with_a_trap(&database, &[]).await;
        let mut connection = database.connect().await;
        connection.execute(AssertSqlSafe(body)).await.unwrap();
        let trigger = "create trigger trap before insert on sessions for each row execute function trap()";
        connection.execute(trigger).await.unwrap();
        assert_eq!(refused(dir.path(), &from, &database.url()), expected, "{trap}");
        assert_eq!(rows(&database).await, 0, "{trap}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_fails_is_not_told_as_done() {
    let Some(database) = Database::create().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let from = sqlite(&filled(dir.path(), "source.db", &FEW).await);
    with_a_trap(
        &database,
        &[
            "create function refuse() returns trigger language plpgsql as $$ begin raise 'not today'; end $$",
            "create constraint trigger refuse after insert on revocations deferrable initially deferred
             for each row execute function refuse()",
        ],
    )
    .await;
    let said = refused(dir.path(), &from, &database.url());
    let advice = "; either everything was moved or nothing: run the command again, which refuses if everything was";
    assert!(said.contains("not today") && said.ends_with(advice), "{said}");
    assert_eq!(rows(&database).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_target_refuses_is_told_and_nothing_is_kept() {
    let Some(database) = Database::create().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let lone = "insert into sessions (id, account_id, epoch, created_at, expires_at, token_lifetime)
                values (x'00000000000000000000000000000002', x'00000000000000000000000000000009', 0, 0, 0, 0)";
    let from = sqlite(&filled(dir.path(), "source.db", &[FEW[0], lone]).await);
    for to in [database.url(), sqlite(&dir.path().join("target.db"))] {
        let said = refused(dir.path(), &from, &to).to_lowercase();
        assert!(
            said.starts_with("--to: ") && said.contains("foreign key") && said.ends_with("; nothing was moved"),
            "{said}"
        );
    }
    assert_eq!(schema(&database).await, Vec::<(String, String)>::new());
    assert_eq!(files(dir.path()), ["source.db", "source.db-lock"]);
}
