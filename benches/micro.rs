//! The parts of a token check, and of reading names and JSON, each alone: `cargo bench --bench micro`. When a figure of
//! `lanes` changes, this benchmark shows which part has changed.

#![expect(clippy::unwrap_used, reason = "a run that fails has nothing to say")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use argon2::Params;
use axum::body::Body;
use clap::Parser as _;
use countersign::config::Cli;
use countersign::domain::{Email, Username};
use countersign::server::{App, RequestRouter};
use countersign_guard::clock::{Clock as _, ManualClock, SystemClock};
use countersign_guard::revocations::{Revocation, Revocations};
use countersign_guard::token::{Asymmetric, Keyring, NewSession, Profile, Secret, SigningKey, Tokens, Verifier};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{Method, Request, StatusCode, Version};
use http_body_util::BodyExt as _;
use jsonwebtoken::{DecodingKey, Validation, decode};
use serde::Deserialize;
use serde_json::json;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SECRET: &str = "a secret of the benchmarks, and of nothing else";

criterion_group!(benches, tokens, verifiers, revocations, names, stack);
criterion_main!(benches);

/// A check is a verification and a fresh token. The memory of tokens saves both for a caller that comes again within
/// the second, and neither for sessions that come once.
fn tokens(c: &mut Criterion) {
    let secret = Secret::parse(SECRET.to_owned()).unwrap();
    let tokens = || Tokens::new(Keyring::new(&secret, None), Arc::new(SystemClock), Duration::from_secs(86_400));
    // What one process has minted, the other does not know yet.
    let (ours, theirs) = (tokens(), tokens());
    let issue = || issue(&theirs);
    let check = |token: &str| {
        let claims = ours.verify(black_box(token)).unwrap();
        ours.refresh(&claims, None).unwrap().token.into_string()
    };
    let mut group = c.benchmark_group("token/check");
    let token = issue();
    group.bench_function("the same token", |b| b.iter(|| check(&token)));
    let mut newest = issue();
    group.bench_function("always the newest", |b| b.iter(|| newest = check(&newest)));
    // Many more sessions than the memory holds, so that it has forgotten each when its turn comes again.
    let sessions: Vec<_> = (0..100_000).map(|_| issue()).collect();
    let mut turn = sessions.iter().cycle();
    group.bench_function("one call per session", |b| b.iter(|| turn.next().map(|token| check(token))));
}

/// A token of a session that comes for the first time.
fn issue(tokens: &Tokens) -> String {
    let session = NewSession {
        account_id: Uuid::now_v7(),
        session_id: Uuid::now_v7(),
        epoch: 0,
        token_lifetime: Duration::from_secs(3_600),
        profile: Profile::Username { username: "alice".to_owned() },
    };
    tokens.issue(session).unwrap().token.into_string()
}

/// A verification without a secret, beside that of `jsonwebtoken` with the same key and the same rules.
fn verifiers(c: &mut Criterion) {
    const ISSUER: &str = "https://auth.example.com";
    let secret = Secret::parse(SECRET.to_owned()).unwrap();
    for algorithm in [Asymmetric::Es256, Asymmetric::EdDsa, Asymmetric::Rs256] {
        let (key, _) = SigningKey::generate(algorithm).unwrap();
        let public = key.public().clone();
        let keyring = Keyring::new(&secret, None).signing_with(key);
        let tokens = Tokens::new(keyring, Arc::new(SystemClock), Duration::from_secs(86_400)).with_issuer(ISSUER, None);
        // Many more sessions than the memory holds.
        let sessions: Vec<_> = (0..5_000).map(|_| issue(&tokens)).collect();

        let mut group = c.benchmark_group(format!("verifier/{algorithm}"));
        let key = DecodingKey::from_jwk(public.jwk()).unwrap();
        let mut rules = Validation::new(algorithm.name().parse().unwrap());
        rules.leeway = 0;
        rules.set_issuer(&[ISSUER]);
        let mut turn = sessions.iter().cycle();
        group.bench_function("jsonwebtoken::decode", |b| {
            b.iter(|| turn.next().map(|token| decode::<DecodedClaims>(token, &key, &rules).unwrap()));
        });
        let verifier = Verifier::from_keys([public], ISSUER);
        let mut turn = sessions.iter().cycle();
        group.bench_function("one call per session", |b| {
            b.iter(|| turn.next().map(|token| verifier.verify(token).unwrap()))
        });
        group.bench_function("the same token", |b| b.iter(|| verifier.verify(black_box(&sessions[0])).unwrap()));
    }
}

/// The claims that a service reads.
#[derive(Deserialize)]
#[expect(dead_code, reason = "they are read and thrown away")]
struct DecodedClaims {
    sub: Uuid,
    sid: Uuid,
    epoch: i64,
    auth_time: i64,
    iat: i64,
    exp: i64,
    session_exp: i64,
    username: String,
}

/// Random ids, more than fit any cache: a server that does other work has none of them in its cache.
fn revocations(c: &mut Criterion) {
    let until = SystemClock.now() + Duration::from_secs(86_400);
    let asked: Vec<_> = (0..1 << 20).map(|_| (random(), random())).collect();
    let mut group = c.benchmark_group("revocations/contains");
    for live in [0, 10_000, 1_000_000] {
        let set = Revocations::default();
        for _ in 0..live {
            set.insert(Revocation::Session(random()), until);
        }
        let mut turn = asked.iter().cycle();
        group.bench_with_input(BenchmarkId::from_parameter(live), &set, |b, set| {
            b.iter(|| turn.next().map(|&(session, account)| set.contains(session, account, 0)));
        });
    }
}

fn random() -> Uuid {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

fn names(c: &mut Criterion) {
    assert!(Username::parse("Alice.Liddell").is_ok() && Username::parse("Ἀλίκη").is_ok());
    assert!(Email::parse("Ada.Lovelace@Example.com").is_ok());
    c.bench_function("username/ascii", |b| b.iter(|| Username::parse(black_box("Alice.Liddell"))));
    c.bench_function("username/unicode", |b| b.iter(|| Username::parse(black_box("Ἀλίκη"))));
    c.bench_function("email", |b| b.iter(|| Email::parse(black_box("Ada.Lovelace@Example.com"))));
}

/// Everything between the connection and the database, in process. No socket is measured, and no thread of ours except
/// the database's.
fn stack(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // With a clock that stands still, revocations never count as stale although no feed runs.
    let clock = ManualClock::at(1_800_000_000);
    let database = format!("--database-url=sqlite:{}", folder.path().join("micro.db").display());
    let secret = format!("--jwt-secret={SECRET}");
    let settings = ["countersign", &database, &secret, "--allow-registration=true"];
    let settings = Cli::try_parse_from(settings).unwrap().settings;
    let app = runtime.block_on(App::build(&settings, Arc::new(clock), Params::new(8, 1, 1, None).unwrap())).unwrap();
    let service = app.service.clone();

    let post = |path: &str, body: String| {
        let request = Request::builder().method(Method::POST).uri(path).header("content-type", "application/json");
        request.body(Body::from(body)).unwrap()
    };
    let new = json!({ "username": "alice", "password": "s3cur3pass" }).to_string();
    let (status, body) = answer(&runtime, &service, post("/api/auth/register", new));
    assert_eq!(status, StatusCode::OK);
    let token = serde_json::from_slice::<serde_json::Value>(&body).unwrap()["token"].as_str().unwrap().to_owned();

    for (path, body) in [("/api/auth/login", r#"{"username":"alice"}"#), ("/auth/login", r#"{"email":"a@b.c"}"#)] {
        let bad = || post(path, body.to_owned());
        assert_eq!(answer(&runtime, &service, bad()).0, StatusCode::UNPROCESSABLE_ENTITY);
        c.bench_function(&format!("json{path} without a password"), |b| {
            b.iter(|| answer(&runtime, &service, bad()));
        });
    }
    let get = || {
        let request = Request::builder().uri("/api/auth/me").header("token", &token);
        request.body(Body::empty()).unwrap()
    };
    assert_eq!(answer(&runtime, &service, get()).0, StatusCode::NO_CONTENT);
    c.bench_function("stack/get me", |b| b.iter(|| answer(&runtime, &service, get())));
    let me = || {
        let request = Request::builder().method(Method::POST).version(Version::HTTP_2).header("token", &token);
        let request = request.uri("/countersign.v1.AuthService/Me").header("content-type", "application/grpc");
        request.body(Body::from(&[0; 5][..])).unwrap()
    };
    // The answer has a message, which a refusal has not.
    assert!(!answer(&runtime, &service, me()).1.is_empty());
    c.bench_function("stack/grpc me", |b| b.iter(|| answer(&runtime, &service, me())));
}

fn answer(runtime: &Runtime, service: &RequestRouter, request: Request<Body>) -> (StatusCode, bytes::Bytes) {
    runtime.block_on(async {
        let (head, body) = service.clone().oneshot(request).await.unwrap().into_parts();
        (head.status, body.collect().await.unwrap().to_bytes())
    })
}
