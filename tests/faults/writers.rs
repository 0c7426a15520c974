//! Sixty-four writers on one SQLite file, through the whole stack in process with the cheapest hash, so that they write
//! as fast as the file allows. The command line, another process, writes at the same time. Each call succeeds or is
//! refused for its one right reason, and no caller hears of a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tonic::Code;

use crate::grpc::{Client, dead};
use crate::runs::{Times, either};
use crate::support::binary::command;
use crate::support::token::claims;
use crate::support::{PASSWORD, TestApp};

const WRITERS: usize = 64;

pub async fn work() {
    let mut app = TestApp::start().await;
    let client = Client::new(&app);
    client.register("operated").await.unwrap();
    let database = format!("sqlite:{}", app.database().display());
    let served = app.serve().await;
    let time = Duration::from_secs(either(5, 60));
    let (begun, done, taken) = (Instant::now(), Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));

    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (client, taken) = (client.clone(), Arc::clone(&taken));
        writers.spawn(async move {
            let mut seen = Times::default();
            let mut round = 0;
            while begun.elapsed() < time {
                one_round(&client, writer, round, &mut seen, &taken).await;
                round += 1;
            }
            seen
        });
    }
    let until = Arc::clone(&done);
    let operator = tokio::task::spawn_blocking(move || operate(&database, &until));

    let mut took = Times::default();
    for times in writers.join_all().await {
        took.extend(&times);
    }
    let elapsed = begun.elapsed().as_secs_f64();
    done.store(true, Ordering::Relaxed);
    let commands = operator.await.unwrap();
    served.stop().await;
    let taken = taken.load(Ordering::Relaxed);
    println!("   {WRITERS} writers, {:.0} writes/s; each: {took}", took.len() as f64 / elapsed);
    println!("   beside them: {taken} names lost to another writer, {} commands: {commands}", commands.len());
    assert!(took.len() > 1_000 && taken > 10 && commands.len() > 2);
}

/// One life: an account, three sessions, and the end of all, with typical mistakes of clients.
async fn one_round(client: &Client, writer: usize, round: usize, seen: &mut Times, taken: &AtomicU64) {
    let name = format!("w{writer} r{round}");
    let first = timed(seen, client.register(&name)).await.unwrap();
    let second = timed(seen, client.login(&name, PASSWORD)).await.unwrap();
    let third = timed(seen, client.login(&name, PASSWORD)).await.unwrap();
    let fresh = client.me(&second).await.unwrap().expect("a fresh token");
    assert_eq!(client.list(&fresh).await, Ok(3));

    // Two writers want this name concurrently, and one of them gets it.
    match timed(seen, client.register(&format!("x{} r{round}", writer / 2))).await {
        Ok(_) => {}
        Err(refused) => {
            assert_eq!(refused, (Code::AlreadyExists, "HANDLE_TAKEN".to_owned()));
            taken.fetch_add(1, Ordering::Relaxed);
        }
    }
    let wrong = client.login(&name, "not the password").await.unwrap_err();
    assert_eq!(wrong, (Code::Unauthenticated, "INVALID_CREDENTIALS".to_owned()));

    let session = claims(&third)["sid"].as_str().unwrap().to_owned();
    assert_eq!(timed(seen, client.revoke(&fresh, &session)).await, Ok(()));
    assert_eq!(client.revoke(&fresh, &session).await, Err((Code::NotFound, "NOT_FOUND".to_owned())));
    assert_eq!(timed(seen, client.revoke_others(&fresh)).await, Ok(1));
    assert_eq!(timed(seen, client.logout(&second)).await, Ok(()));
    for token in [first, second, third, fresh] {
        assert_eq!(client.me(&token).await.unwrap_err(), dead());
    }
}

/// Times a call that writes.
async fn timed<T>(seen: &mut Times, call: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let answer = call.await;
    seen.push(begun.elapsed());
    answer
}

/// Runs commands until `done`, and returns the time of each.
fn operate(database: &str, done: &AtomicBool) -> Times {
    let dir = tempfile::tempdir().unwrap();
    let mut took = Times::default();
    for verb in ["disable", "enable"].iter().cycle() {
        if done.load(Ordering::Relaxed) {
            break;
        }
        let begun = Instant::now();
        let mut command = command(dir.path());
        let output = command.env("DATABASE_URL", database).args(["account", verb, "operated"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        took.push(begun.elapsed());
    }
    took
}
