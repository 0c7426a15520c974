//! Faults that only PostgreSQL has: several processes at once, callers that hang up, and locks of other connections.
//! Also the error message when it cannot be opened, which never has the password in it.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use countersign::domain::{AccountStatus, Identity, NewAccount, PasswordHash, Username};
use countersign::store::{self, Purpose, Store, StoreError};
use countersign_guard::revocations::Revocation;
use sqlx::{Connection as _, Executor as _};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::support::postgres::{Database, PASSWORD};
use crate::support::{self, SECRET, binary};

/// The lock that the store holds from numbering a revocation until its commit.
const COMMIT_ORDER: i64 = 0x636f_756e_7465_7273;

async fn open(url: &str) -> Arc<dyn Store> {
    store::open(url, Purpose::Serve).await.unwrap()
}

fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(second).unwrap()
}

fn account(id: u128, name: &str) -> NewAccount {
    let phc = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$DypaBJkkdvsZ8JTUF9/H4tXaGPTclUAk9xuYCEmg9lQ";
    NewAccount {
        id: Uuid::from_u128(id),
        identity: Identity::Username(Username::parse(name).unwrap()),
        joins: false,
        password_hash: Some(PasswordHash::parse(phc).unwrap()),
        created_at: at(0),
    }
}

async fn count(database: &Database, query: &'static str) -> i64 {
    sqlx::query_scalar(query).bind(&database.name).fetch_one(&mut database.connect().await).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_together_migrate_once() {
    let Some(database) = Database::create().await else { return };
    let url = database.url();
    let start = || async { open(&url).await.purge(at(0)).await.unwrap() };
    tokio::join!(start(), start(), start(), start(), start(), start(), start(), start());
    let applied = count(&database, "select count(*) from _sqlx_migrations where $1 <> ''").await;
    assert_eq!(applied, support::migrations() as i64);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_registrations_of_one_name_on_several_replicas_exactly_one_wins() {
    let Some(database) = Database::create().await else { return };
    let replicas = [open(&database.url()).await, open(&database.url()).await];
    let racers: Vec<_> = (1..=64)
        .map(|id| {
            let (store, new) = (Arc::clone(&replicas[id % 2]), account(id as u128, "alice"));
            tokio::spawn(async move { store.insert_account(&new, None, None).await })
        })
        .collect();
    let mut winners = 0;
    for racer in racers {
        match racer.await.unwrap() {
            Ok(()) => winners += 1,
            Err(error) => assert!(matches!(error, StoreError::HandleTaken), "{error:?}"),
        }
    }
    assert_eq!(winners, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_is_done_though_the_caller_hangs_up_and_no_session_is_left_in_a_transaction() {
    let Some(database) = Database::create().await else { return };
    let store = open(&database.url()).await;
    let calls = 60;
    for call in 0..calls {
        // From no patience at all to about the time that the call takes.
        let patience = Duration::from_micros(100 * call);
        let _ = timeout(patience, store.end_session(Uuid::from_u128(call.into()), at(100))).await;
    }
    let begun = Instant::now();
    while count(&database, "select count(*) from revocations where $1 <> ''").await < calls.try_into().unwrap() {
        assert!(begun.elapsed() < Duration::from_secs(10), "a call was begun and not done");
        sleep(Duration::from_millis(20)).await;
    }
    let idle = "select count(*) from pg_stat_activity where datname = $1 and state like 'idle in transaction%'";
    assert_eq!(count(&database, idle).await, 0);
    // Every connection of the pool still works.
    for id in 0..16 {
        store.insert_account(&account(id, &format!("name {id}")), None, None).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_asks_for_what_is_new_misses_no_revocation_however_many_are_stored_at_once() {
    let Some(database) = Database::create().await else { return };
    let replicas = [open(&database.url()).await, open(&database.url()).await];
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = Arc::clone(&replicas[writer % 2]);
            tokio::spawn(async move {
                for turn in 0..40 {
                    store.end_session(Uuid::from_u128((100 * writer + turn) as u128), at(100)).await.unwrap();
                }
            })
        })
        .collect();
    let (mut last, mut seen, begun) = (0, 0, Instant::now());
    while seen < 320 {
        for stored in replicas[0].revocations_after(last, at(0)).await.unwrap() {
            (last, seen) = (stored.seq, seen + 1);
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{seen} of 320");
    }
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_waits_for_the_one_that_got_its_place_before() {
    let Some(database) = Database::create().await else { return };
    let store = open(&database.url()).await;
    let mut other = database.connect().await;
    let mut slow = other.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock($1)").bind(COMMIT_ORDER).execute(&mut *slow).await.unwrap();
    let insert = "insert into revocations (session_id, expires_at) values ($1, 100000)";
    sqlx::query(insert).bind(Uuid::from_u128(1)).execute(&mut *slow).await.unwrap();
    let logout = store.end_session(Uuid::from_u128(2), at(100));
    tokio::pin!(logout);
    timeout(Duration::from_millis(300), &mut logout).await.unwrap_err();
    slow.commit().await.unwrap();
    logout.await.unwrap();
    let told = store.revocations_after(0, at(0)).await.unwrap();
    let told: Vec<_> = told.into_iter().map(|stored| stored.revocation).collect();
    assert_eq!(told, [1, 2].map(|id| Revocation::Session(Uuid::from_u128(id))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_not_let_go_of_is_waited_for_a_while_and_nothing_is_changed() {
    let Some(database) = Database::create().await else { return };
    let store = open(&database.url()).await;
    let new = account(1, "alice");
    store.insert_account(&new, None, None).await.unwrap();
    let mut other = database.connect().await;
    let mut stuck = other.begin().await.unwrap();
    stuck.execute("select 1 from accounts for update").await.unwrap();
    let begun = Instant::now();
    let error = store.set_status(new.id, AccountStatus::Inactive, at(100)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    stuck.rollback().await.unwrap();
    assert_eq!(store.set_status(new.id, AccountStatus::Inactive, at(100)).await.unwrap(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_became_read_only_is_out_of_reach_for_readers_too() {
    let Some(database) = Database::create().await else { return };
    let store = open(&database.url_as("reader", "superuser").await).await;
    assert!(store.revocations_after(0, at(0)).await.unwrap().is_empty());
    database.admin(&format!("alter role {} set default_transaction_read_only = on", database.user("reader"))).await;
    database.cut_off("reader").await;
    database.let_in("reader").await;
    // A standby may lag behind and lack revocations.
    let error = store.revocations_after(0, at(0)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    database.admin(&format!("alter role {} reset default_transaction_read_only", database.user("reader"))).await;
    store.revocations_after(0, at(0)).await.unwrap();
}

/// The error message of the real binary when it does not start on `url`.
fn sentence(url: &str) -> String {
    sentence_with(url, 2)
}

fn sentence_with(url: &str, code: i32) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut command = binary::command(dir.path());
    command.env("DATABASE_URL", url).env("JWT_SECRET", SECRET).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(20) {
            child.kill().unwrap();
            panic!("it started; does the server ask for passwords at all?");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(!said.contains(PASSWORD) && !said.contains("panicked"), "{said}");
    said.trim_end().trim_start_matches("countersign: ").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_opened_stops_the_start_with_what_to_do_and_without_the_password() {
    let Some(database) = Database::create().await else { return };
    let own = database.url_as("owner", "superuser").await;
    let wrong = own.replace(PASSWORD, "another hunter2hunter2");
    let elsewhere = format!("{}/nowhere", own.rsplit_once('/').unwrap().0);
    let (before, _) = own.split_once('@').unwrap();
    let powerless = database.url_as("guest", "").await;
    // The default of PostgreSQL 15 and later.
    database.connect().await.execute("revoke create on schema public from public").await.unwrap();
    let read_only = database.url_as("reader", "superuser").await;
    database.admin(&format!("alter role {} set default_transaction_read_only = on", database.user("reader"))).await;
    for (url, parts) in [
        (wrong.as_str(), ["refused the user", "check the user and the password in DATABASE_URL"]),
        (&elsewhere, ["there is no database nowhere at ", "create it"]),
        (&Database::with(&own, "sslmod=require"), ["`sslmod`", "did you mean `sslmode`"]),
        (&Database::with(&own, "sslmode=sometimes"), ["DATABASE_URL: the parameter `sslmode` must be disable", "or"]),
        (&Database::with(&own, "sslcrl=x"), ["`sslcrl` is not supported", "leave it out"]),
        ("postgres://app:hunter2hunter2@a:1,b:2/c", ["DATABASE_URL must be", "names several hosts"]),
        (before, ["DATABASE_URL must be", "%40"]),
        ("postgres://app:Xy?hunter2hunter2@127.0.0.1:1/c", ["DATABASE_URL must be", "%40"]),
        ("postgres://app:12/hunter2hunter2@127.0.0.1:1/c", ["DATABASE_URL must be", "%40"]),
        ("postgres://app:Xy#hunter2hunter2@127.0.0.1:1/c", ["DATABASE_URL must be", "%40"]),
        ("postgres://", ["DATABASE_URL must be", "postgres://USER"]),
        ("postgres:app:hunter2hunter2@127.0.0.1:1/c", ["DATABASE_URL must be", "postgres://USER"]),
        ("postgresql:/app:hunter2hunter2@127.0.0.1:1/c", ["DATABASE_URL must be", "postgres://USER"]),
        ("sqlite:postgres://app:hunter2hunter2@127.0.0.1:1/c", ["DATABASE_URL must be `sqlite:`", "path of a file"]),
        ("mysql://root@localhost/x", ["DATABASE_URL must begin with", "postgres://"]),
        (&powerless, ["may not write to the database", "make that user its owner"]),
        (&read_only, ["is read-only", "primary"]),
    ] {
        let said = sentence(url);
        for part in parts {
            assert!(said.contains(part), "no {part} in: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_a_server_is_believed_only_as_far_as_the_address_says() {
    let Some(database) = Database::create().await else { return };
    let Some(certificate) = database.certificate() else {
        crate::support::skip::skip_for_privileges("certificate of its PostgreSQL server");
        return;
    };
    let url = database.url_as("owner", "superuser").await;
    let root = format!("sslrootcert={}", certificate.display());
    let verified = Database::with(&Database::with(&url, "sslmode=verify-full"), &root);
    for url in [&Database::with(&url, "sslmode=require"), &verified] {
        let store = open(url).await;
        store.purge(at(0)).await.unwrap();
        let encrypted = "select count(*) from pg_stat_ssl join pg_stat_activity using (pid)
                         where datname = $1 and application_name = 'countersign' and ssl";
        assert_eq!(count(&database, encrypted).await, 1, "{url}");
        store.close().await;
    }
    let said = sentence(&Database::with(&url, "sslmode=verify-full"));
    assert!(said.contains("cannot ") && said.contains("certificate"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_and_a_changed_migration_stop_the_start() {
    let Some(database) = Database::create().await else { return };
    open(&database.url()).await.close().await;
    let mut behind = database.connect().await;
    behind.execute("update _sqlx_migrations set checksum = '\\x00'").await.unwrap();
    let said = sentence(&database.url());
    assert!(said.starts_with(&format!("migration 1 of the database {} at ", database.name)), "{said}");
    assert!(said.ends_with("restore that build or a backup"), "{said}");
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                 values (99999999999999, 'from the future', true, '\\x00', 0)";
    behind.execute(newer).await.unwrap();
    let said = sentence(&database.url());
    assert!(said.contains(" was written by a newer version of countersign; start that version or a later"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_the_start_stops_and_the_command_line_needs_none() {
    let Some(database) = Database::create().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let command = |args: &[&str]| {
        let mut command: Command = binary::command(dir.path());
        command.env("DATABASE_URL", database.url()).args(args);
        command
    };
    let output = binary::run(&mut command(&[]), "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("JWT_SECRET is not set") && said.contains("the same on every replica"), "{said}");
    let output = binary::run(&mut command(&["account", "create", "alice"]), "s3cur3pass\n");
    assert!(output.status.success(), "{output:?}");
    let listed = binary::run(&mut command(&["account", "list"]), "");
    assert!(String::from_utf8(listed.stdout).unwrap().contains("alice"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "it made a file");
    // The help does not show the password either.
    let help = String::from_utf8(binary::run(&mut command(&["--help"]), "").stdout).unwrap();
    assert!(help.contains("DATABASE_URL") && !help.contains(&database.name), "{help}");
}

#[tokio::test]
async fn a_database_that_only_pretends_to_hold_advisory_locks_stops_the_start() {
    let Some(database) = Database::create().await else { return };
    let mut behind = database.connect().await;
    behind
        .execute(
            "create schema lax;
             create function lax.pg_try_advisory_xact_lock(bigint) returns boolean language sql as 'select true'",
        )
        .await
        .unwrap();
    let lax = Database::with(&database.url(), "options=-c%20search_path%3Dlax,public,pg_catalog");
    let refused = store::open(&lax, Purpose::Serve).await.map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("gave the same advisory lock"), "{refused}");
    assert_eq!(count(&database, "select count(*) from pg_tables where schemaname = 'public'").await, 0);
}
