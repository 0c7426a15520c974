#!/usr/bin/env bash
#
# sqlx on SQLite: `insert … returning` that is read with `fetch_one` answers a row, and no error, for rows that do not fit
# on the disk. The same statement fails when it is read with `fetch_all`.
#
# Why: outside a transaction SQLite commits when the statement ends. `fetch_one` stops at its first row, before the end.
# The commit fails when the statement is reset, and sqlx reports that error to nobody.
#
# Why it matters: a service answers "3 failures counted" or "your order is number 17" and has stored nothing. A program
# that uses `returning` must read to the end (`fetch_all`), or begin and commit a transaction.
#
# Seen with sqlx 0.9.0 and the SQLite that it bundles, in WAL mode, with files limited to 1,000 KiB (RLIMIT_FSIZE, which
# acts as a full disk): `fetch_one` answered 10,000 rows of 10,000, of which some 200 were stored. `fetch_all` failed at
# the first row that did not fit, and every row that it had answered was stored.
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
use sqlx::{Connection, Row, SqliteConnection};

/// Inserts rows until one fails, 10,000 at most. Prints how many were answered and how many of those are not stored.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), sqlx::Error> {
    let how = std::env::args().nth(1).unwrap_or_default();
    let mut writer = SqliteConnection::connect(&format!("sqlite:{how}.db?mode=rwc")).await?;
    for statement in ["pragma journal_mode = wal", "create table notes (id integer primary key, text text)"] {
        sqlx::query(statement).execute(&mut writer).await?;
    }
    let mut answered = 0;
    for _ in 0..10_000 {
        let insert = sqlx::query("insert into notes (text) values (hex(randomblob(200))) returning id");
        let answer = match how.as_str() {
            "fetch_one" => insert.fetch_one(&mut writer).await.map(drop),
            _ => insert.fetch_all(&mut writer).await.map(drop),
        };
        if answer.is_err() {
            break;
        }
        answered += 1;
    }
    let mut reader = SqliteConnection::connect(&format!("sqlite:{how}.db")).await?;
    let stored: i64 = sqlx::query("select count(*) from notes").fetch_one(&mut reader).await?.get(0);
    println!("{answered} {}", answered - stored);
    Ok(())
}
RUST
CARGO_TARGET_DIR="$work/target" cargo build --quiet

# Runs in a subshell, because a limit cannot be raised again. Without the trap, SIGXFSZ would end the program.
limited() (
    trap '' XFSZ
    ulimit -f 1000
    "$work/target/debug/finding" "$1"
)
read -r answered_one lost_one <<<"$(limited fetch_one)"
read -r answered_all lost_all <<<"$(limited fetch_all)"
echo "fetch_one: $answered_one answered, $lost_one of them not stored"
echo "fetch_all: $answered_all answered, $lost_all of them not stored"
((answered_one == 10000 && lost_one > 9000))
((answered_all > 0 && answered_all < 10000 && lost_all == 0))
echo "as found"
