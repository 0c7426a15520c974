//! The real binary is killed while it registers accounts and ends sessions, again and again on one file. Afterwards
//! every acknowledged account signs in, every acknowledged logout is a refusal, nothing is incomplete, and the server
//! is ready soon.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::runs::{Times, either, random};
use crate::support::crash::{Registrant, is_sound, restarted};
use crate::support::http::call;
use crate::support::{Answer, Binary};

/// The number of concurrent registrations, and of concurrent logouts.
const AT_ONCE: usize = 48;

/// The least number of both at the moment of the kill: "≥ 32". The quicker calls may all have been answered by then.
const IN_FLIGHT: usize = 32;

/// The limit for the next start: "ready again ≤ 2 s", for a release build.
const SOON: Duration = Duration::from_secs(if cfg!(debug_assertions) { 5 } else { 2 });

/// The state of the calls at the moment of the kill.
#[derive(Default)]
struct Seen {
    /// Acknowledged registrations, and unanswered ones.
    registrations: (usize, usize),
    logouts: (usize, usize),
    /// The rounds in which some, but not all, of both kinds were acknowledged.
    both: usize,
    fewest_in_flight: usize,
    ready: Times,
    /// Unanswered calls that had taken effect.
    done_unheard: (usize, usize),
}

pub async fn rounds() {
    let dir = tempfile::tempdir().unwrap();
    let mut binary = Binary::start(dir.path());
    let mut seen = Seen { fewest_in_flight: usize::MAX, ..Seen::default() };
    let (mut tokens, mut dead) = (Vec::new(), Vec::new());
    let rounds = either(10, 200);
    while tokens.len() < AT_ONCE {
        // This dialect signs in with the registration.
        let first = Registrant::new(rounds, 2 * tokens.len());
        tokens.push(token(&first.register(binary.address).await.unwrap()).unwrap());
    }
    for round in 0..rounds {
        let registrants: Vec<_> = (0..AT_ONCE).map(|index| Registrant::new(round, index)).collect();
        let (registered, ended) = killed(binary, registrants.clone(), &tokens).await;
        let took;
        (binary, took) = restarted(dir.path()).await;
        assert!(took <= SOON, "it took {took:?} to serve again");
        seen.note(&registered, &ended, took);
        is_sound(dir.path()).await;

        let address = binary.address;
        for (token, acknowledged) in tokens.iter().zip(ended) {
            let is_dead = is_dead(address, token).await;
            assert!(is_dead || !acknowledged, "a logout was undone");
            seen.done_unheard.1 += usize::from(is_dead && !acknowledged);
            if acknowledged {
                dead.push(token.clone());
            }
        }
        // Each account gives a token for the next round, from its registration or from the sign-in that checks it.
        let mut checks = JoinSet::new();
        for (registrant, answer) in registrants.into_iter().zip(registered) {
            checks.spawn(there(registrant, answer, address));
        }
        tokens.clear();
        for (token, done_unheard) in checks.join_all().await {
            tokens.push(token);
            seen.done_unheard.0 += usize::from(done_unheard);
        }
    }
    for token in &dead {
        assert!(is_dead(binary.address, token).await, "a logout was undone by a later crash");
    }
    seen.print(rounds);
    assert!(seen.both * 4 >= rounds * 3, "killed at the wrong moments");
    assert!(seen.fewest_in_flight >= IN_FLIGHT);
}

/// Makes all calls concurrently, and kills the server after some of both were acknowledged. Returns the answers.
async fn killed(
    mut binary: Binary,
    registrants: Vec<Registrant>,
    tokens: &[String],
) -> (Vec<Option<Answer>>, Vec<bool>) {
    let address = binary.address;
    let (heard, mut answers) = mpsc::unbounded_channel();
    let mut registering = JoinSet::new();
    for (index, registrant) in registrants.into_iter().enumerate() {
        let heard = heard.clone();
        registering.spawn(async move {
            let answer = registrant.register(address).await;
            let _ = heard.send(());
            (index, answer)
        });
    }
    // Two threads hash, so registrations end one after the other. Logouts are far quicker.
    for _ in 0..1 + random(12) {
        answers.recv().await.unwrap();
    }
    let (heard, mut answers) = mpsc::unbounded_channel();
    let mut ending = JoinSet::new();
    for (index, token) in tokens.iter().cloned().enumerate() {
        let heard = heard.clone();
        ending.spawn(async move {
            let answer = call(address, Method::POST, "/auth/logout", &[("token", &token)], &Value::Null).await;
            let acknowledged = answer.is_ok_and(|answer| answer.status == StatusCode::OK);
            let _ = heard.send(());
            (index, acknowledged)
        });
    }
    for _ in 0..1 + random(12) {
        answers.recv().await.unwrap();
    }
    binary.child.kill().unwrap();
    binary.child.wait().unwrap();
    let (mut registered, mut ended) = (registering.join_all().await, ending.join_all().await);
    registered.sort_by_key(|(index, _)| *index);
    ended.sort_by_key(|(index, _)| *index);
    (registered.into_iter().map(|(_, answer)| answer).collect(), ended.into_iter().map(|(_, done)| done).collect())
}

/// Asserts that an account is complete, or, without an acknowledgement, that it can be registered now. Returns a token,
/// and whether an unacknowledged registration had taken effect.
async fn there(registrant: Registrant, answer: Option<Answer>, address: SocketAddr) -> (String, bool) {
    if let Some(answer) = answer {
        assert!(answer.status.is_success(), "{answer:?}");
        return (registrant.signs_in(address).await, false);
    }
    let again = registrant.register(address).await.unwrap();
    if let Some(token) = token(&again) {
        return (token, false);
    }
    assert!(matches!(again.status.as_u16(), 201 | 400 | 409), "{again:?}");
    (registrant.signs_in(address).await, again.status != StatusCode::CREATED)
}

/// The token of a username account, which registration signs in.
fn token(answer: &Answer) -> Option<String> {
    answer.json()["token"].as_str().map(str::to_owned)
}

async fn is_dead(address: SocketAddr, token: &str) -> bool {
    let bearer = format!("Bearer {token}");
    let me = call(address, Method::GET, "/api/auth/me", &[("authorization", &bearer)], &Value::Null).await.unwrap();
    match me.status {
        StatusCode::UNAUTHORIZED => true,
        StatusCode::NO_CONTENT => false,
        status => panic!("{status}"),
    }
}

impl Seen {
    fn note(&mut self, registered: &[Option<Answer>], ended: &[bool], ready: Duration) {
        let registrations = registered.iter().flatten().count();
        let logouts = ended.iter().filter(|acknowledged| **acknowledged).count();
        let in_flight = (registered.len() - registrations, ended.len() - logouts);
        self.registrations = (self.registrations.0 + registrations, self.registrations.1 + in_flight.0);
        self.logouts = (self.logouts.0 + logouts, self.logouts.1 + in_flight.1);
        self.both += usize::from([registrations, logouts, in_flight.0, in_flight.1].iter().all(|count| *count > 0));
        self.fewest_in_flight = self.fewest_in_flight.min(in_flight.0 + in_flight.1);
        self.ready.push(ready);
    }

    fn print(&self, rounds: usize) {
        let Self { registrations, logouts, done_unheard, .. } = self;
        println!("   {rounds} kills; in {} of them both were under way, some acknowledged and some not", self.both);
        println!("   in flight when killed: {} calls or more", self.fewest_in_flight);
        println!(
            "   registrations: {} acknowledged, all there; {} cut off, of which {} had been made, whole",
            registrations.0, registrations.1, done_unheard.0
        );
        println!(
            "   logouts: {} acknowledged, all refused; {} cut off, of which {} had been done",
            logouts.0, logouts.1, done_unheard.1
        );
        println!("   start to serving again: {}", self.ready);
    }
}
