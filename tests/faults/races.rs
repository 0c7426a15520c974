//! Two concurrent calls: one issues a token, and the other takes away the right to it. Whichever comes first, no token
//! survives. The delay between them is adjusted until each side wins about as often as the other. The run prints the
//! wins, because a race with only one winner would show nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::accounts::Operator;
use countersign::domain::{AccountStatus, Handle};
use tokio::sync::Barrier;
use tokio::time::sleep;

use crate::grpc::{Client, dead};
use crate::runs::{either, millis};
use crate::support::app::Served;
use crate::support::postgres::Database;
use crate::support::{PASSWORD, TestApp};

/// The longest time until it takes effect: "a disable … honours within a second".
const SECOND: Duration = Duration::from_secs(1);

/// The smallest and the largest change of the delay, in microseconds. It grows while the same side wins on, and shrinks
/// when the winner changes.
const STEPS: (i64, i64) = (50, 12_800);
const LONGEST_DELAY: i64 = 200_000;

/// One server, or two on one database. `here` issues tokens, and `there` takes them away.
struct Place {
    name: &'static str,
    here: TestApp,
    there: Option<TestApp>,
    _served: Vec<Served>,
    _database: Option<Database>,
}

/// SQLite, and PostgreSQL if there is one.
async fn places() -> Vec<Place> {
    let mut places = Vec::new();
    let mut here = TestApp::start().await;
    let served = here.serve().await;
    places.push(Place { name: "SQLite", here, there: None, _served: vec![served], _database: None });
    if let Some(database) = Database::create().await {
        let flag = format!("--database-url={}", database.url());
        let (mut here, mut there) = (TestApp::with(&[&flag]).await, TestApp::with(&[&flag]).await);
        let served = vec![here.serve().await, there.serve().await];
        let name = "PostgreSQL, on two replicas";
        places.push(Place { name, here, there: Some(there), _served: served, _database: Some(database) });
    }
    places
}

impl Place {
    /// The client that issues, and the client that takes away.
    fn clients(&self) -> (Client, Client) {
        let here = Client::new(&self.here);
        let there = self.there.as_ref().map_or_else(|| here.clone(), Client::new);
        (here, there)
    }

    async fn operator(&self) -> Operator {
        self.there.as_ref().unwrap_or(&self.here).operator().await
    }
}

/// The wins of each side, and the delay of the issuing side in microseconds. A negative delay is one of the other side.
#[derive(Default)]
struct Race {
    delay: i64,
    step: i64,
    gave: usize,
    took_away: usize,
}

impl Race {
    /// Runs both calls concurrently, in a task each.
    async fn run<G: Send + 'static, T: Send + 'static>(
        &self,
        give: impl Future<Output = G> + Send + 'static,
        take_away: impl Future<Output = T> + Send + 'static,
    ) -> (G, T) {
        let (both, delay) = (Arc::new(Barrier::new(2)), self.delay);
        let ready = Arc::clone(&both);
        let giving = tokio::spawn(async move {
            ready.wait().await;
            wait(delay).await;
            give.await
        });
        let taking = tokio::spawn(async move {
            both.wait().await;
            wait(-delay).await;
            take_away.await
        });
        (giving.await.unwrap(), taking.await.unwrap())
    }

    /// Delays the winner more in the next round.
    fn note(&mut self, gave: bool) {
        *(if gave { &mut self.gave } else { &mut self.took_away }) += 1;
        let won_on = (self.step > 0) == gave;
        let step = if won_on { self.step.abs() * 2 } else { self.step.abs() / 2 }.clamp(STEPS.0, STEPS.1);
        self.step = if gave { step } else { -step };
        self.delay = (self.delay + self.step).clamp(-LONGEST_DELAY, LONGEST_DELAY);
    }

    fn print(&self, place: &Place, gives: &str, takes_away: &str, slowest: Duration) {
        let Self { gave, took_away, .. } = self;
        println!(
            "   {}: {} rounds; {gives} first {gave} times, {takes_away} first {took_away} times; tokens that survived: 0; \
             dead on all replicas {} after the acknowledgement at the latest",
            place.name,
            gave + took_away,
            millis(slowest)
        );
        assert!(*gave.min(took_away) * 20 > gave + took_away, "it was no race");
    }
}

/// Waits by a busy loop. The shortest sleep of a timer is a millisecond, longer than most of these races. Long busy
/// loops would take the core from the call that is waited for.
async fn wait(micros: i64) {
    const TAIL: Duration = Duration::from_millis(2);
    let (begun, whole) = (Instant::now(), Duration::from_micros(micros.try_into().unwrap_or(0)));
    if whole > TAIL {
        sleep(whole - TAIL).await;
    }
    while begun.elapsed() < whole {
        std::hint::spin_loop();
    }
}

/// Calls Me and another service until a token is dead. Returns the time since `since`.
async fn until_dead(client: &Client, token: &str, since: Instant) -> Duration {
    loop {
        let answers = (client.me(token).await.err(), client.list(token).await.err());
        if answers == (Some(dead()), Some(dead())) {
            return since.elapsed();
        }
        assert!(since.elapsed() < SECOND, "a token survived: {answers:?}");
        sleep(Duration::from_millis(1)).await;
    }
}

pub async fn me_and_logout() {
    for place in places().await {
        let (here, there) = place.clients();
        let (mut race, mut all, mut slowest) = (Race::default(), Vec::new(), Duration::ZERO);
        here.register("alice").await.unwrap();
        for _ in 0..either(200, 1_000) {
            let token = here.login("alice", PASSWORD).await.unwrap();
            let (me, logout) = {
                let (here, there, token, same) = (here.clone(), there.clone(), token.clone(), token.clone());
                race.run(async move { here.me(&token).await }, async move { there.logout(&same).await }).await
            };
            let acknowledged = Instant::now();
            assert_eq!(logout, Ok(()));
            let fresh = me.unwrap_or_else(|refused| {
                assert_eq!(refused, dead());
                None
            });
            race.note(fresh.is_some());
            for token in fresh.into_iter().chain([token]) {
                // The server that acknowledged it refuses at once.
                assert_eq!(there.me(&token).await, Err(dead()), "{}: a token survived", place.name);
                slowest = slowest.max(until_dead(&here, &token, acknowledged).await);
                all.push(token);
            }
        }
        stay_dead(&place, &all).await;
        race.print(&place, "Me", "Logout", slowest);
    }
}

pub async fn login_and_disable() {
    for place in places().await {
        let (here, there) = place.clients();
        let operator = Arc::new(place.operator().await);
        let (mut race, mut all, mut slowest) = (Race::default(), Vec::new(), Duration::ZERO);
        for round in 0..either(200, 1_000) {
            let name = format!("alice {round}");
            let first = here.register(&name).await.unwrap();
            let id = operator.find(&Handle::parse(&name).unwrap()).await.unwrap().unwrap().id;
            let (login, disabled) = {
                let (here, operator) = (here.clone(), Arc::clone(&operator));
                let disable = async move { operator.set_status(id, AccountStatus::Inactive, false).await };
                race.run(async move { here.login(&name, PASSWORD).await }, disable).await
            };
            let acknowledged = Instant::now();
            assert!(disabled.unwrap());
            race.note(login.is_ok());
            let given = login.map_err(|refused| assert_eq!(refused.1, "INVALID_CREDENTIALS")).ok();
            for token in given.into_iter().chain([first]) {
                // All servers refuse at once, because the account's epoch is read from the database.
                for client in [&here, &there] {
                    assert_eq!(client.me(&token).await, Err(dead()), "{}: a token survived", place.name);
                    assert_eq!(client.list(&token).await, Err(dead()), "{}: a token survived", place.name);
                }
                slowest = slowest.max(acknowledged.elapsed());
                all.push(token);
            }
        }
        stay_dead(&place, &all).await;
        race.print(&place, "Login", "disable", slowest);
    }
}

/// Checks the tokens once more at the end.
async fn stay_dead(place: &Place, tokens: &[String]) {
    let (here, there) = place.clients();
    for token in tokens {
        for client in [&here, &there] {
            until_dead(client, token, Instant::now()).await;
        }
    }
}
