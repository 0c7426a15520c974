//! What grows with the load and the data, as far as one machine can show it: `cargo bench --bench scale`.
//! `docs/scale.md` quotes it.
//!
//! 1. The start with many live revocations, which are read into memory.
//! 2. Sign-ins and logouts a second of each engine alone, without hashes. On PostgreSQL, logouts commit one after the
//!    other and sign-ins do not, so the ratio is the cost of that order.
//! 3. The time of a revocation from its acknowledgement until the last of many replicas has it.
//!
//! PostgreSQL is as in the tests: the server of `TEST_POSTGRES_URL`, or a throw-away one (without fsync, which the
//! table says).

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a run that fails has nothing to say")]

#[path = "../tests/it/support/postgres.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod postgres;

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::domain::{Client, Identity, NewAccount, PasswordHash, Session, Username};
use countersign::store::{self, Opening, Purpose, REVOCATIONS_AT_ONCE, Store};
use countersign_guard::clock::{Clock as _, SystemClock};
use countersign_guard::revocations::Revocations;
use postgres::Database;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, SqliteConnection};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The time for which each rate is measured.
const SPELL: Duration = Duration::from_secs(3);

const TRIALS: usize = 500;

const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$DypaBJkkdvsZ8JTUF9/H4tXaGPTclUAk9xuYCEmg9lQ";

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let database = Database::create().await.expect("PostgreSQL: TEST_POSTGRES_URL, or initdb");
    let mut behind = database.connect().await;
    let version: String = sqlx::query_scalar("show server_version").fetch_one(&mut behind).await.unwrap();
    let fsync: String = sqlx::query_scalar("show fsync").fetch_one(&mut behind).await.unwrap();
    println!("PostgreSQL {version}, fsync {fsync}; {} cores", std::thread::available_parallelism().unwrap());

    println!("\nlive revocations: read into memory at the start");
    for live in [10_000, 100_000, 1_000_000] {
        let url = file(&format!("{live}.db"));
        let sqlite = store::open(&url, Purpose::Operate).await.unwrap();
        let path = url.trim_start_matches("sqlite:").to_owned();
        let mut connection = SqliteConnection::connect(&format!("sqlite:{path}")).await.unwrap();
        let many = format!(
            "insert into revocations (session_id, expires_at) with recursive n(i) as
             (select 1 union all select i + 1 from n where i < {live}) select randomblob(16), 4102444800000 from n"
        );
        connection.execute(AssertSqlSafe(many)).await.unwrap();
        let postgres = store::open(&database.url(), Purpose::Operate).await.unwrap();
        let many = format!(
            "truncate revocations; insert into revocations (session_id, expires_at)
             select gen_random_uuid(), 4102444800000 from generate_series(1, {live})"
        );
        behind.execute(AssertSqlSafe(many)).await.unwrap();
        println!(
            "{live:>9}  SQLite {:.2?}  PostgreSQL {:.2?}",
            load(&*sqlite, live).await,
            load(&*postgres, live).await
        );
        postgres.close().await;
    }
    behind.execute("truncate revocations").await.unwrap();

    println!("\na second, without hashes: sign-ins, logouts, ratio; three rounds in turn");
    for (engine, url) in [("SQLite", file("rates.db")), ("PostgreSQL", database.url())] {
        let store = store::open(&url, Purpose::Serve).await.unwrap();
        let account = account(&*store).await;
        for clients in [1, 8, 64] {
            let mut rates = Vec::new();
            for _ in 0..3 {
                let opened = rate(clients, || sign_in(Arc::clone(&store), account)).await;
                let ended = rate(clients, || log_out(Arc::clone(&store))).await;
                rates.push((opened, ended));
            }
            rates.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
            let (opened, ended) = rates[1];
            let [least, middle, most] = [0, 1, 2].map(|at: usize| rates[at].1 / rates[at].0);
            println!(
                "{engine:>10}, {clients:>2} at once: {opened:>6.0} {ended:>6.0}  {least:.2} / {middle:.2} / {most:.2}"
            );
        }
        store.close().await;
    }

    println!("\nreplicas: from the acknowledgement on one to the last, {TRIALS} trials: p50, p99, max");
    for replicas in [1, 3, 10, 30] {
        let (p50, p99, max) = fan_out(&database.url(), replicas).await;
        println!("{replicas:>9}  {p50:.2?}  {p99:.2?}  {max:.2?}");
    }
}

/// Loads the revocations as the server does at its start.
async fn load(store: &dyn Store, live: usize) -> Duration {
    let began = Instant::now();
    let (set, mut seq) = (Revocations::default(), 0);
    loop {
        let some = store.revocations_after(seq, SystemClock.now()).await.unwrap();
        for stored in &some {
            set.insert(stored.revocation, stored.until);
            seq = stored.seq;
        }
        if some.len() < REVOCATIONS_AT_ONCE as usize {
            break;
        }
    }
    assert_eq!(set.len(), live);
    began.elapsed()
}

/// The operations a second of `clients` concurrent clients.
async fn rate<F: Future<Output = ()> + Send + 'static>(clients: usize, work: impl Fn() -> F) -> f64 {
    let began = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..clients {
        running.spawn(work());
    }
    let mut done = 0;
    while running.join_next().await.is_some() {
        done += 1;
        if began.elapsed() < SPELL {
            running.spawn(work());
        }
    }
    f64::from(done) / began.elapsed().as_secs_f64()
}

async fn account(store: &dyn Store) -> Uuid {
    let id = Uuid::now_v7();
    let account = NewAccount {
        id,
        identity: Identity::Username(Username::parse("alice").unwrap()),
        joins: false,
        password_hash: Some(PasswordHash::parse(HASH).unwrap()),
        created_at: SystemClock.now(),
    };
    store.insert_account(&account, None, None).await.unwrap();
    id
}

async fn sign_in(store: Arc<dyn Store>, account_id: Uuid) {
    let now = SystemClock.now();
    let session = Session {
        id: Uuid::now_v7(),
        account_id,
        epoch: 0,
        created_at: now,
        expires_at: now + Duration::from_secs(86_400),
        token_lifetime: Duration::from_secs(3_600),
        client: Client::new("bench", None),
    };
    assert!(
        store
            .open_session(&Opening { session, password_changes: 0, factor_changes: 0, budget: None })
            .await
            .unwrap()
            .is_open()
    );
}

async fn log_out(store: Arc<dyn Store>) {
    store.end_session(Uuid::now_v7(), SystemClock.now() + Duration::from_secs(3_600)).await.unwrap();
}

/// Each replica waits and reads as a server does. Another one acknowledges the logouts.
async fn fan_out(url: &str, replicas: usize) -> (Duration, Duration, Duration) {
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut listening = JoinSet::new();
    for _ in 0..replicas {
        let store = store::open(url, Purpose::Serve).await.unwrap();
        let tell = tell.clone();
        let mut seq = 0;
        // Skips the revocations of earlier runs.
        while let Some(last) = store.revocations_after(seq, SystemClock.now()).await.unwrap().last() {
            seq = last.seq;
        }
        listening.spawn(async move {
            loop {
                store.changed().await;
                for stored in store.revocations_after(seq, SystemClock.now()).await.unwrap() {
                    seq = stored.seq;
                    let _ = tell.send((stored.revocation.target(), Instant::now()));
                }
            }
        });
    }
    let here = store::open(url, Purpose::Serve).await.unwrap();
    let mut took = Vec::new();
    for _ in 0..TRIALS {
        let id = Uuid::now_v7();
        here.end_session(id, SystemClock.now() + Duration::from_secs(3_600)).await.unwrap();
        let acknowledged = Instant::now();
        let mut last = acknowledged;
        for _ in 0..replicas {
            let (of, at) = told.recv().await.unwrap();
            assert_eq!(of, id);
            last = last.max(at);
        }
        took.push(last - acknowledged);
    }
    listening.shutdown().await;
    here.close().await;
    took.sort();
    (took[TRIALS / 2], took[TRIALS * 99 / 100], took[TRIALS - 1])
}
