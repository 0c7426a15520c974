//! Real proxies: what one that asks adds to a request, beside oauth2-proxy, and how soon a logout counts through one.
//! They are not part of this project: `ENVOY`, `NGINX` and `OAUTH2_PROXY` name their programs, and what lacks one is
//! skipped.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use argon2::Params;

use super::proxies::{self, AUDIENCE, ISSUER};
use super::{ACCOUNTS, Ours};
use crate::harness::client::Client;
use crate::harness::table::spread;
use crate::harness::{Bench, Goal, Process, Row, data, yardsticks};
use crate::postgres::Database;

/// Signatures, so that oauth2-proxy can verify the same tokens.
const SIGNING: [(&str, &str); 4] =
    [("TOKEN_ALGORITHM", "ES256"), ("ISSUER", ISSUER), ("TOKEN_AUDIENCE", AUDIENCE), ("TRUSTED_PROXIES", "127.0.0.1")];

/// The longest time until a logout counts.
const PATIENCE: Duration = Duration::from_secs(10);

/// A way of a request to the service, on a connection of its own.
struct Way {
    client: Client,
    path: &'static str,
    credential: (&'static str, String),
    /// The times of this round, in milliseconds.
    times: Vec<f64>,
    /// The median of each round.
    medians: Vec<f64>,
    failure: Option<String>,
}

impl Way {
    fn through(proxy: &Process, path: &'static str, name: &'static str, value: &str) -> Self {
        let credential = (name, value.to_owned());
        Self {
            client: Client::open(proxy.address),
            path,
            credential,
            times: Vec::new(),
            medians: Vec::new(),
            failure: None,
        }
    }

    /// Makes a request, and keeps the fresh token if the answer has one.
    fn go(&mut self) {
        let (name, value) = (self.credential.0, &*self.credential.1);
        let reply = self.client.get(self.path, &[(name, value)]);
        self.times.push(reply.time.as_secs_f64() * 1_000.0);
        let fresh = reply.header("token");
        // The service itself has no token. Only `/` is asked about at Countersign.
        if reply.status != 204 || fresh.is_some() != (self.path == "/") {
            self.failure =
                Some(format!("{} with {name}: {}, fresh token: {}", self.path, reply.status, fresh.is_some()));
        }
        if let Some(fresh) = fresh {
            self.credential.1 = fresh.to_owned();
        }
    }

    fn added(&self, alone: &Self) -> Vec<f64> {
        self.medians.iter().zip(&alone.medians).map(|(with, without)| with - without).collect()
    }
}

pub fn added(bench: &mut Bench) {
    let (ours, folder) = (Ours::with(&Params::default(), &SIGNING), tempfile::tempdir().unwrap());
    let (server, folder) = (ours.process.address, folder.path());
    let app = yardsticks::start(folder, None, yardsticks::NO_CONTENT);
    let token = sign_in(&mut Client::open(server), 1);

    let envoy = proxies::envoy(folder, server, app.address);
    let bare = yardsticks::start(folder, None, yardsticks::YES);
    let bare_folder = folder.join("bare");
    fs::create_dir(&bare_folder).unwrap();
    let beside = proxies::envoy(&bare_folder, bare.address, app.address);
    if let (Some(envoy), Some(beside)) = (&envoy, &beside) {
        let ways = [(envoy, "/alone/"), (envoy, "/"), (beside, "/yes/")];
        let mut ways = ways.map(|(envoy, path)| Way::through(envoy, path, "token", &token));
        in_turn(bench, &mut ways);
        let [alone, asks, yes] = &ways;
        bench.row(Row::plain("a request through Envoy alone, p50", "ms", alone.medians.clone()));
        bench.row(Row::plain("  added by a Check that a bare tonic service answers", "ms", yes.added(alone)));
        bench.row(Row::plain("  added by Check", "ms", asks.added(alone)).goal(Goal::AtMost(0.5)));
    }
    let oauth2 = proxies::oauth2_proxy(folder, server);
    let Some(nginx) = proxies::nginx(folder, server, oauth2.as_ref().map(|it| it.address), app.address) else { return };
    let mut ways = Vec::from(["/alone/", "/yes/", "/"].map(|path| Way::through(&nginx, path, "token", &token)));
    if let Some(oauth2) = &oauth2 {
        let path = "/oauth2-proxy/";
        ways.push(Way::through(&nginx, path, "authorization", &format!("Bearer {token}")));
        ways.push(Way::through(&nginx, path, "cookie", &cookie(oauth2.address)));
    }
    in_turn(bench, &mut ways);
    let [alone, yes, asks, theirs @ ..] = &ways[..] else { return };
    let added = asks.added(alone);
    bench.row(Row::plain("a request through nginx alone, p50", "ms", alone.medians.clone()));
    bench.row(Row::plain("  added by a question that a bare 204 answers", "ms", yes.added(alone)));
    bench.row(Row::plain("  added by forward auth", "ms", added.clone()));
    for (theirs, form) in theirs.iter().zip(["a bearer", "its cookie"]) {
        let row = Row::ratio(format!("  that ÷ by oauth2-proxy with {form}"), "ms", added.clone(), theirs.added(alone));
        bench.row(row.goal(Goal::AtMost(0.5)));
    }
}

/// Makes one request at a time, each way in turn. Every second turn has the reverse order.
fn in_turn(bench: &mut Bench, ways: &mut [Way]) {
    let requests = if bench.short() { 50 } else { 1_000 };
    for _ in 0..bench.rounds() {
        for number in 0..requests + requests / 10 {
            if number == requests / 10 {
                ways.iter_mut().for_each(|way| way.times.clear());
            }
            let count = ways.len();
            for turn in 0..count {
                ways[if number % 2 == 0 { turn } else { count - 1 - turn }].go();
            }
        }
        ways.iter_mut().for_each(|way| way.medians.push(spread(&way.times)[1]));
    }
    ways.iter_mut().filter_map(|way| way.failure.take()).for_each(|failure| bench.fail(failure));
}

pub fn logout(bench: &mut Bench) {
    let (ours, folder) = (Ours::start(None), tempfile::tempdir().unwrap());
    let app = yardsticks::start(folder.path(), None, yardsticks::NO_CONTENT);
    let Some(envoy) = proxies::envoy(folder.path(), ours.process.address, app.address) else { return };
    refused(bench, "a logout at the server that Envoy asks", ours.process.address, &envoy);
    drop((ours, envoy));

    let Some(database) = data::block_on(Database::create()) else { return };
    data::add_accounts(&database.url(), 1, ACCOUNTS, &Params::default());
    let [first, second] = [(); 2].map(|()| Process::server(folder.path(), &database.url(), None));
    let Some(envoy) = proxies::envoy(folder.path(), second.address, app.address) else { return };
    refused(bench, "a logout at another replica, on PostgreSQL", first.address, &envoy);
}

/// Signs in and out at the server, and measures from the answer to the logout until that of a refusal through Envoy.
fn refused(bench: &mut Bench, what: &str, server: SocketAddr, envoy: &Process) {
    let trials = if bench.short() { 20 } else { ACCOUNTS };
    let (mut server, mut proxy) = (Client::open(server), Client::open(envoy.address));
    let mut times: Vec<f64> = Vec::new();
    for number in 1..=trials {
        let token = sign_in(&mut server, number);
        let token = [("token", &*token)];
        let before = proxy.get("/", &token).status;
        let logout = server.send("POST", "/auth/logout", &token, "").status;
        let acknowledged = Instant::now();
        while proxy.get("/", &token).status != 401 {
            assert!(acknowledged.elapsed() < PATIENCE, "{what}: the token is still good");
        }
        times.push(acknowledged.elapsed().as_secs_f64() * 1_000.0);
        if (before, logout) != (204, 200) {
            bench.fail(format!("{what}: {before} before it, {logout} for it"));
        }
    }
    times.sort_by(f64::total_cmp);
    let within = |share: f64| vec![times[((times.len() as f64 * share).ceil() as usize).saturating_sub(1)]];
    bench.row(Row::plain(format!("{what}, until a refusal: p50 of {trials}"), "ms", within(0.5)));
    bench.row(Row::plain("  p99", "ms", within(0.99)).goal(Goal::AtMost(20.0)));
}

/// Signs an account in, and returns its token.
fn sign_in(server: &mut Client, number: u64) -> String {
    let body = format!(r#"{{"username":"u{number:08}","password":"s3cur3pass"}}"#);
    let reply = server.send("POST", "/api/auth/login", &[("content-type", "application/json")], &body);
    let answer: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    answer["token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
}

/// Signs in at oauth2-proxy with the password of its file, and returns the cookies.
fn cookie(oauth2: SocketAddr) -> String {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let reply = Client::open(oauth2).send("POST", "/oauth2/sign_in", &form, "username=u&password=s3cur3pass");
    let cookie = reply.header("set-cookie").unwrap_or_else(|| panic!("oauth2-proxy: {} {}", reply.status, reply.body));
    cookie.split(';').next().unwrap_or_default().to_owned()
}
