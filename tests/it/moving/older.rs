//! A target of an older version, most likely named by mistake. The old server must still start on it after the refusal.
//! Separate from the other refusals because such a database has to be made first.

use std::fs;

use sqlx::migrate::{Migrate, Migrator};

use super::failing::{FEW, files, refused, schema};
use super::*;
use crate::support::migrations;

/// Leaves the database as the first version made it.
async fn first_version<C: Migrate>(engine: &str, connection: &mut C) {
    let dir = tempfile::tempdir().unwrap();
    let first = "0001_accounts.sql";
    fs::copy(Path::new("migrations").join(engine).join(first), dir.path().join(first)).unwrap();
    Migrator::new(dir.path()).await.unwrap().run_direct(None, connection, false).await.unwrap();
}

async fn old_file(dir: &Path, name: &str, statements: &[&'static str]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, "").unwrap();
    let mut connection = behind(&path).await;
    first_version("sqlite", &mut connection).await;
    for statement in statements {
        connection.execute(*statement).await.unwrap();
    }
    path
}

/// The whole schema of a file, and its migrations.
async fn state(path: &Path) -> (Vec<String>, Vec<(i64, i64)>) {
    let mut connection = behind(path).await;
    let schema = "select coalesce(sql, name) from sqlite_schema order by name";
    let schema = sqlx::query_scalar(schema).fetch_all(&mut connection).await.unwrap();
    (schema, sqlx::query_as(MIGRATIONS).fetch_all(&mut connection).await.unwrap())
}

const MIGRATIONS: &str = "select version, execution_time from _sqlx_migrations order by version";

#[tokio::test(flavor = "multi_thread")]
async fn an_older_file_that_is_served_or_not_empty_is_refused_and_stays_of_its_version() {
    let dir = tempfile::tempdir().unwrap();
    let source = filled(dir.path(), "source.db", &FEW).await;
    let from = sqlite(&source);
    let served = old_file(dir.path(), "served.db", &[]).await;
    let lock = fs::File::create(dir.path().join("served.db-lock")).unwrap();
    lock.try_lock().unwrap();
    let full = old_file(dir.path(), "full.db", &FEW).await;
    for (path, part) in [(&served, "--to: a server is serving /"), (&full, "--to: the database is not empty, ")] {
        let before = state(path).await;
        assert_eq!(before.1.len(), 1);
        let said = refused(dir.path(), &from, &sqlite(path));
        assert!(said.starts_with(part), "{said}");
        assert_eq!(state(path).await, before, "{said}");
    }
    drop(lock);
    moves(dir.path(), &from, &sqlite(&served));
    assert_eq!((state(&served).await.1.len(), dump(&served).await.len()), (migrations(), dump(&source).await.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_of_a_server_is_refused_unless_it_is_empty_and_stays_of_its_version() {
    let Some(database) = Database::create().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let from = sqlite(&filled(dir.path(), "source.db", &FEW).await);
    let mut connection = database.connect().await;
    first_version("postgres", &mut connection).await;
    let state = async || -> (_, Vec<(i64, i64)>) {
        let migrations = sqlx::query_as(MIGRATIONS).fetch_all(&mut database.connect().await).await;
        (schema(&database).await, migrations.unwrap())
    };
    let before = state().await;
    assert_eq!(before.1.len(), 1);

    connection.execute("insert into revocations (session_id, expires_at) values (gen_random_uuid(), 0)").await.unwrap();
    let said = refused(dir.path(), &from, &database.url());
    assert!(said.starts_with("--to: the database is not empty, its table `revocations` has rows"), "{said}");
    assert_eq!(state().await, before);

    connection.execute("delete from revocations").await.unwrap();
    connection.execute("begin; lock table firms").await.unwrap();
    let said = refused(dir.path(), &from, &database.url());
    assert!(said.starts_with("--to: another process is writing to the database "), "{said}");
    connection.execute("rollback").await.unwrap();
    assert_eq!(state().await, before);

    // A later failure does not change the target either.
    connection.execute("alter table accounts add constraint nobody check (created_at > 0)").await.unwrap();
    let said = refused(dir.path(), &from, &database.url());
    assert!(said.contains("nobody") && said.ends_with("; nothing was moved"), "{said}");
    assert_eq!(state().await, before);

    connection.execute("alter table accounts drop constraint nobody").await.unwrap();
    moves(dir.path(), &from, &database.url());
    assert_eq!(state().await.1.len(), migrations());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_refused_move_would_have_made_is_not_there_and_one_that_was_is() {
    let dir = tempfile::tempdir().unwrap();
    let lone = "insert into sessions (id, account_id, epoch, created_at, expires_at, token_lifetime)
                values (x'00000000000000000000000000000002', x'00000000000000000000000000000009', 0, 0, 0, 0)";
    let from = sqlite(&filled(dir.path(), "source.db", &[lone]).await);
    let to = sqlite(&dir.path().join("target.db"));
    let said = refused(dir.path(), &from, &to).to_lowercase();
    assert!(said.contains("foreign key"), "{said}");
    assert_eq!(files(dir.path()), ["source.db", "source.db-lock"]);
    fs::write(dir.path().join("target.db"), "").unwrap();
    refused(dir.path(), &from, &to);
    assert_eq!(fs::read(dir.path().join("target.db")).unwrap(), b"");
}
