//! Whether the time of an answer reveals that a name exists: `cargo bench --bench enumeration`. The benchmark makes the
//! same call to the real server for names of each class, in turn and in random order. It compares each class with the
//! names that do not exist: the gap between the medians, and the share of pairs in which the one took longer (the AUC
//! of Mann and Whitney). An attacker with a stopwatch cannot tell the two apart if either is within the gate.
//!
//! `-- --short` checks in a minute that the benchmark works. Nothing else may run meanwhile.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a run that fails has nothing to say")]

#[path = "harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "`lanes` uses the rest")]
mod harness;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Instant;

use argon2::Params;
use countersign::pb::auth_service_client::AuthServiceClient;
use countersign::pb::{LoginRequest, RequestPasswordResetRequest, ResendVerificationRequest, login_request};
use harness::{Process, data};
use tonic::Code;
use tonic::transport::Channel;

/// Samples of each class: "2,000 samples a class".
const SAMPLES: usize = 2_000;
const SHORT: usize = 200;

/// Calls for one account, no more than its free failures.
const TRIES: usize = 5;

/// The gate: the gap between medians in milliseconds, or the distance of the AUC from a half.
const GAP: f64 = 0.25;
const DISTANCE: f64 = 0.05;

/// The kind of call, made for the name with a number.
#[derive(Clone, Copy)]
enum Question {
    Login,
    Reset,
    Resend,
}

fn main() -> ExitCode {
    let short = std::env::args().any(|argument| argument == "--short");
    let samples = if short { SHORT } else { SAMPLES };
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", folder.path().join("countersign.db").display());
    let accounts = 2 * samples as u64;
    data::add_accounts(&database, 1, accounts, &Params::default());
    data::execute(&database, "update accounts set status = 'inactive' where rowid % 2 = 0");
    // Accounts with an email address, beside those with a username.
    for statement in [
        "insert into firms (id, name, created_at) values (x'00000000000000000000000000000001', 'Firm', 0)".to_owned(),
        "insert into accounts (id, email, name, firm_id, role, password_hash, created_at)
         select randomblob(16), username || '@example.com', 'Ada', x'00000000000000000000000000000001', 'user',
         password_hash, 0 from accounts where rowid % 2 = 1"
            .to_owned(),
    ] {
        data::execute(&database, &statement);
    }
    let server = Process::server(folder.path(), &database, None);
    let found = data::block_on(measure(server.address, samples));
    println!("{samples} samples a class, in turn; time in ms; against names that nobody has");
    println!("{:<34}  {:>8}  {:>8}  {:>8}  {:>6}", "", "median", "nobody's", "gap", "AUC");
    let mut passed = true;
    for (name, times, nobodys) in found {
        let (median, other) = (middle(&times), middle(&nobodys));
        let (gap, auc) = ((median - other).abs(), auc(&times, &nobodys));
        let is_within = gap < GAP || (auc - 0.5).abs() < DISTANCE;
        passed &= is_within;
        let verdict = if is_within { "ok" } else { "TELLS THEM APART" };
        println!("{name:<34}  {median:>8.3}  {other:>8.3}  {gap:>8.3}  {auc:>6.3}  {verdict}");
    }
    println!("gate: gap < {GAP} ms, or |AUC − ½| < {DISTANCE}");
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

type Found = Vec<(&'static str, Vec<f64>, Vec<f64>)>;

async fn measure(address: SocketAddr, samples: usize) -> Found {
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let mut client = AuthServiceClient::new(channel);
    let mut found = Vec::new();
    // Odd numbers are active accounts, even ones disabled, and larger ones do not exist.
    let nobody = 10_000_000;
    for (question, classes) in [
        (Question::Login, &[("Login, wrong password", 1), ("Login, disabled account", 2)][..]),
        (Question::Reset, &[("RequestPasswordReset, known", 1)]),
        (Question::Resend, &[("ResendVerification, known", 1)]),
    ] {
        let mut times = vec![Vec::new(); classes.len() + 1];
        // The first calls, while the server is still cold, are not counted.
        for warm in 0..50 {
            ask(&mut client, question, 2 * nobody + warm).await;
        }
        for sample in 0..samples {
            let (account, nobodys) = (sample / TRIES, nobody + sample / TRIES);
            // Each class comes first as often as the others.
            for turn in 0..times.len() {
                let class = (turn + sample) % times.len();
                let number = classes.get(class).map_or(nobodys, |(_, offset)| 2 * account + offset);
                times[class].push(ask(&mut client, question, number).await);
            }
        }
        let nobodys = times.pop().unwrap();
        found.extend(classes.iter().zip(times).map(|((name, _), times)| (*name, times, nobodys.clone())));
    }
    found
}

/// The time of the answer in milliseconds. Asserts which answer it is.
async fn ask(client: &mut AuthServiceClient<Channel>, question: Question, number: usize) -> f64 {
    let name = format!("u{number:08}");
    let email = format!("{name}@example.com");
    let begun = Instant::now();
    let code = match question {
        Question::Login => {
            let handle = Some(login_request::Handle::Username(name));
            let password = "not the password".to_owned();
            client.login(LoginRequest { handle, password, device: String::new() }).await.map(drop)
        }
        Question::Reset => client.request_password_reset(RequestPasswordResetRequest { email }).await.map(drop),
        Question::Resend => client.resend_verification(ResendVerificationRequest { email }).await.map(drop),
    };
    let took = begun.elapsed().as_secs_f64() * 1_000.0;
    let expected = if matches!(question, Question::Login) { Code::Unauthenticated } else { Code::Ok };
    let code = code.map_or_else(|status| status.code(), |()| Code::Ok);
    assert_eq!(code, expected, "{number}");
    took
}

fn middle(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The share of pairs in which the first took longer. Ties count as a half.
fn auc(times: &[f64], others: &[f64]) -> f64 {
    let mut sorted = others.to_vec();
    sorted.sort_by(f64::total_cmp);
    let wins = times.iter().map(|time| {
        let below = sorted.partition_point(|other| other < time);
        let not_above = sorted.partition_point(|other| other <= time);
        (below + not_above) as f64 / 2.0
    });
    wins.sum::<f64>() / (times.len() * others.len()) as f64
}
