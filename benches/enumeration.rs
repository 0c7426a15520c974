//! Whether time tells a name that somebody has from one that nobody has: `cargo bench --bench enumeration`. The real
//! server is asked by the same call for names of each class, in turn and in no order, and each class is compared with
//! that of the names that nobody has: the gap between the medians, and the share of pairs in which the one took longer
//! (AUC, as Mann and Whitney have it). An attacker with a stopwatch cannot tell them apart if either is within the
//! gate.
//!
//! `-- --short` says in a minute whether it works. Nothing else must run meanwhile.

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

/// "2,000 samples a class".
const SAMPLES: usize = 2_000;
const SHORT: usize = 200;

/// An account is tried no more often than its free failures allow.
const TRIES: usize = 5;

/// The gate: the gap between medians in milliseconds, or the distance of the AUC from a half.
const GAP: f64 = 0.25;
const DISTANCE: f64 = 0.05;

/// What is asked, by number of the name.
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
    // Accounts with an address, beside those with a username.
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
    // Odd numbers are active, even ones disabled, and those beyond are nobody's.
    let nobody = 10_000_000;
    for (question, classes) in [
        (Question::Login, &[("Login, wrong password", 1), ("Login, disabled account", 2)][..]),
        (Question::Reset, &[("RequestPasswordReset, known", 1)]),
        (Question::Resend, &[("ResendVerification, known", 1)]),
    ] {
        let mut times = vec![Vec::new(); classes.len() + 1];
        // The first calls are of a server that has just begun.
        for warm in 0..50 {
            ask(&mut client, question, 2 * nobody + warm).await;
        }
        for sample in 0..samples {
            let (account, nobodys) = (sample / TRIES, nobody + sample / TRIES);
            // Each class is the first as often as the others.
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

/// How long the answer took, in milliseconds; which it is, is asserted.
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

/// The share of pairs of which the first took longer, ties halved.
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
