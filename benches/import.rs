//! Imports a million accounts from a file into each engine with the real binary: `cargo bench --bench import [--
//! ACCOUNTS]`. For each engine it prints the accounts a second, and the largest memory of the process for a tenth of
//! the file and for all of it. The two are equal when memory does not grow with the file.
//!
//! PostgreSQL is as in the tests: the server of `TEST_POSTGRES_URL`, or a throw-away one (without fsync).

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a run that fails has nothing to say")]

#[path = "../tests/it/support/postgres.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod postgres;

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use postgres::Database;

const HASH: &str = "$2b$10$Qa/.eY0p6g7p7fAPVPA4q.gb6J6nWN3fOdF6r59v7OpBbVr.q92A.";

#[tokio::main]
async fn main() {
    let accounts = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let (some, all) = (folder.path().join("some.ndjson"), folder.path().join("all.ndjson"));
    write(&some, accounts / 10);
    write(&all, accounts);
    println!("{accounts} accounts, {} MiB; {} cores", fs::metadata(&all).unwrap().len() >> 20, cores());
    for engine in ["SQLite", "PostgreSQL"] {
        for (file, count) in [(&some, accounts / 10), (&all, accounts)] {
            let database = if engine == "SQLite" { None } else { Database::create().await };
            let url = match &database {
                Some(database) => database.url(),
                None if engine == "SQLite" => format!("sqlite:{}", folder.path().join(format!("{count}.db")).display()),
                None => return println!("PostgreSQL: skipped, neither TEST_POSTGRES_URL nor initdb"),
            };
            let (took, peak) = run(&url, &["import", &file.to_string_lossy(), "--format", "ndjson"]);
            report(engine, "import", count, took, peak);
            let (took, peak) = run(&url, &["import", &file.to_string_lossy(), "--format", "ndjson"]);
            report(engine, "again", count, took, peak);
            let out = folder.path().join("out.ndjson");
            let (took, peak) = run(&url, &["export", &out.to_string_lossy()]);
            report(engine, "export", count, took, peak);
            fs::remove_file(out).unwrap();
        }
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

fn report(engine: &str, what: &str, count: u32, took: Duration, peak: u64) {
    let rate = f64::from(count) / took.as_secs_f64();
    println!(
        "{engine:>10}  {what:<6}  {count:>9}  {:>7.1} s  {rate:>8.0}/s  {:>4} MiB at most",
        took.as_secs_f64(),
        peak >> 10
    );
}

/// Two thirds are username accounts, one third email accounts, ten to a firm.
fn write(file: &Path, accounts: u32) {
    let mut file = BufWriter::new(File::create(file).unwrap());
    for n in 0..accounts {
        // Random ids, as other systems have them.
        let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, &n.to_be_bytes());
        let rest = format!("\"password_hash\":\"{HASH}\",\"created_at\":\"2026-03-04T05:06:07Z\"");
        if n % 3 == 0 {
            let firm = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, &(n / 30).to_le_bytes());
            writeln!(
                file,
                "{{\"id\":\"{id}\",\"email\":\"user{n}@example.com\",\"name\":\"User {n}\",\"firm\":{{\"id\":\"{firm}\",\
                 \"name\":\"Firm {}\"}},\"role\":\"user\",{rest}}}",
                n / 30
            )
        } else {
            writeln!(file, "{{\"id\":\"{id}\",\"username\":\"user{n}\",{rest}}}")
        }
        .unwrap();
    }
    file.flush().unwrap();
}

/// Runs the command, and returns its time and its largest memory in KiB.
fn run(url: &str, args: &[&str]) -> (Duration, u64) {
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .env_clear()
        .env("DATABASE_URL", url)
        .args(args)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let ended = loop {
        // The file ends with the process, so it is read while the process runs.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(peak);
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    if !ended.success() {
        panic!("{args:?} ended with {ended}");
    }
    (began.elapsed(), peak)
}
