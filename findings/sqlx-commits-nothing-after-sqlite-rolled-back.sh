#!/usr/bin/env bash
#
# sqlx on SQLite: after a transaction met a full disk, a connection of the pool may acknowledge every later commit and
# store none of them, although the disk has room again.
#
# Why: SQLite itself rolls a transaction back when the disk is full. sqlx then rolls it back once more, which fails, and
# goes on counting it as open. So the next `begin` makes a savepoint. To commit that is still a commit. To roll it back
# leaves SQLite's transaction open, and from then on everything is written into that one, which nobody commits. The pool
# checks a connection that is given back, and does not see it.
#
# Why it matters: an hour after a full disk, one order that is rolled back loses all orders that follow it on that
# connection, and there is no error, except "database is locked" on other connections. `begin_with("begin immediate")`
# does fail. A pool stays sound if `after_release` closes each connection that counts a transaction, as below.
#
# Seen with sqlx 0.9.0 and the SQLite that it bundles; `pragma max_page_count` acts as the full disk. Of four commits after
# the disk had room again, with a rollback after the first, one was stored. With the hook, all four were.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir "$work/src" && cd "$work"
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["runtime-tokio", "sqlite-bundled"] }
tokio = { version = "1", features = ["macros", "rt"] }
TOML
cat >src/main.rs <<'RUST'
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Connection, Error, Row, SqlitePool};

const INSERT: &str = "insert into orders (text) values ('a book')";

async fn commit_one(pool: &SqlitePool) -> Result<(), Error> {
    let mut tx = pool.begin().await?;
    sqlx::query(INSERT).execute(&mut *tx).await?;
    tx.commit().await
}

async fn stored(file: &str) -> Result<i64, Error> {
    let mut reader = sqlx::SqliteConnection::connect(file).await?;
    Ok(sqlx::query("select count(*) from orders").fetch_one(&mut reader).await?.get(0))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let how = std::env::args().nth(1).unwrap_or_default();
    let mut options = SqlitePoolOptions::new().max_connections(1);
    if how == "hook" {
        options = options.after_release(|connection, _| {
            Box::pin(async move {
                connection.ping().await?; // waits until a rollback that is under way has ended
                Ok(!connection.is_in_transaction())
            })
        });
    }
    let file = format!("sqlite:{how}.db?mode=rwc");
    let pool = options.connect(&file).await?;
    for statement in ["pragma journal_mode = wal", "create table orders (text text)", "pragma max_page_count = 10"] {
        sqlx::query(statement).execute(&pool).await?;
    }

    let mut tx = pool.begin().await?;
    let large = "insert into orders (text) values (hex(randomblob(100000)))";
    eprintln!("insert: {}", sqlx::query(large).execute(&mut *tx).await.unwrap_err());
    eprintln!("rollback: {}", tx.rollback().await.unwrap_err());
    sqlx::query("pragma max_page_count = 1000000").execute(&pool).await?;

    commit_one(&pool).await?;
    let mut tx = pool.begin().await?;
    sqlx::query(INSERT).execute(&mut *tx).await?;
    tx.rollback().await?;
    for _ in 0..2 {
        commit_one(&pool).await?;
    }
    sqlx::query(INSERT).execute(&pool).await?; // commits by itself
    let before = stored(&file).await?;
    pool.close().await;
    println!("{before} {}", stored(&file).await?);
    Ok(())
}
RUST
CARGO_TARGET_DIR="$work/target" cargo build --quiet
read -r seen_plain stored_plain <<<"$("$work/target/debug/finding" plain)"
read -r seen_hook stored_hook <<<"$("$work/target/debug/finding" hook)"
echo "pool as it is:  4 commits, of which another connection sees $seen_plain; $stored_plain after the pool is closed"
echo "pool with hook: 4 commits, of which another connection sees $seen_hook; $stored_hook after the pool is closed"
((seen_plain == 1 && stored_plain == 1))
((seen_hook == 4 && stored_hook == 4))
echo "as found"
