//! Several servers on one PostgreSQL database rotate together, and a server that has not heard yet is noticed by
//! nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use countersign::domain::KeyState::{Current, Former, Next, Revoked};
use http::StatusCode;
use tempfile::NamedTempFile;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::{ES256, kid, me, published, revoke, rotate, slide, started, states, until_states};
use crate::support::app::Served;
use crate::support::postgres::Database;
use crate::support::{TestApp, token};
use crate::wire::eventually;
use crate::{introspection, watch};

/// How long a change may take until every replica has it.
const A_MOMENT: Duration = Duration::from_secs(5);

/// A file with a master secret, and the flags of a replica that signs with keys.
pub struct Replicas {
    master: NamedTempFile,
    url: String,
}

impl Replicas {
    pub fn on(url: String) -> Self {
        let master = NamedTempFile::new().unwrap();
        std::fs::write(master.path(), "a master secret of the tests, and of nothing else\n").unwrap();
        Self { master, url }
    }

    /// A replica that signs with keys.
    pub async fn one(&self) -> (TestApp, Served) {
        self.one_at(&self.url).await
    }

    /// The same, with another user of the database.
    pub async fn one_at(&self, url: &str) -> (TestApp, Served) {
        let mut app = self.app(url, "1s").await;
        let served = app.serve().await;
        (app, served)
    }

    /// A replica that hears of nothing that others change, and vouches for a minute for what it has read at its start.
    pub async fn deaf_at(&self, url: &str) -> TestApp {
        self.app(url, "1m").await
    }

    async fn app(&self, url: &str, staleness: &str) -> TestApp {
        TestApp::with(&[
            ES256[0],
            ES256[1],
            &format!("--database-url={url}"),
            &format!("--master-secret-file={}", self.master.path().display()),
            &format!("--revocation-staleness={staleness}"),
            &format!("--watch-credentials={}", watch::CREDENTIAL),
            &format!("--introspection-credentials={}", introspection::CREDENTIAL),
        ])
        .await
    }

    /// A replica that signs with the secret, and knows no master secret.
    async fn with_secret(&self) -> (TestApp, Served) {
        started(&[&format!("--database-url={}", self.url), "--revocation-staleness=1s"]).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_replicas_that_rotate_every_second_refuse_nobody() {
    let Some(database) = Database::create().await else { return };
    let replicas = Replicas::on(database.url());
    let (one, two, three) = tokio::join!(replicas.one(), replicas.one(), replicas.one());
    let apps = Arc::new([one.0, two.0, three.0]);
    assert_eq!(states(&apps[0]).await, [Current, Next], "three starts at once made one key each");
    let ends = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for client in 0..6_usize {
        let (apps, ends, calls) = (Arc::clone(&apps), Arc::clone(&ends), Arc::clone(&calls));
        clients.spawn(async move {
            // Each client goes from replica to replica with the token that the last one gave it, and keeps the first.
            let first = apps[client % 3].sign_in_username(&format!("client {client}")).await;
            let (mut latest, mut kids) = (first.clone(), Vec::new());
            for round in client.. {
                if ends.load(Ordering::SeqCst) {
                    break;
                }
                latest = slide(&apps[round % 3], &latest).await;
                kids.push(kid(&latest));
                assert_eq!(me(&apps[(round + 1) % 3], &first).await, StatusCode::NO_CONTENT);
                calls.fetch_add(2, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            kids.dedup();
            kids.len()
        });
    }
    let mut seconds = interval(Duration::from_secs(1));
    for _ in 0..8 {
        seconds.tick().await;
        rotate(&apps[0], true).await;
    }
    ends.store(true, Ordering::SeqCst);
    let kids = clients.join_all().await;
    assert!(kids.iter().all(|kids| *kids >= 6), "the clients have met {kids:?} keys");
    assert!(calls.load(Ordering::SeqCst) > 100, "there was no load");
    let expected = [vec![Former; 8], vec![Current, Next]].concat();
    until_states(&apps[0], &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_has_not_heard_signs_with_the_old_key_and_nobody_notices() {
    let Some(database) = Database::create().await else { return };
    let replicas = Replicas::on(database.url());
    let (other, _other) = replicas.one().await;
    let (cut, _cut) = replicas.one_at(&database.url_as("cut", "superuser").await).await;
    let token = cut.sign_in_username("alice").await;
    let keys = published(&cut).await;
    assert_eq!((me(&other, &token).await, kid(&token)), (StatusCode::NO_CONTENT, keys[0].clone()));

    database.cut_off("cut").await;
    rotate(&other, true).await;
    let hears = async || published(&other).await[0] == keys[1];
    assert!(eventually(A_MOMENT, hears).await);
    // The call itself needs the database. The token was found good, and a fresh one comes with the failure.
    let answer = cut.get("/api/auth/me", &[("token", &token)]).await;
    let old = answer.token();
    assert_eq!((kid(&old), me(&other, &old).await), (keys[0].clone(), StatusCode::NO_CONTENT));
    let new = slide(&other, &old).await;
    assert_eq!(kid(&new), keys[1]);
    // It knows the key for long, because a key is published before it signs.
    assert_ne!(me(&cut, &new).await, StatusCode::UNAUTHORIZED);

    database.let_in("cut").await;
    let caught_up =
        async || cut.get("/api/auth/me", &[("token", &old)]).await.header("token").map(kid) == Some(keys[1].clone());
    assert!(eventually(Duration::from_secs(10), caught_up).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_by_every_replica_in_a_moment() {
    let Some(database) = Database::create().await else { return };
    let replicas = Replicas::on(database.url());
    let (here, _here) = replicas.one().await;
    let (there, _there) = replicas.one().await;
    let token = here.sign_in_username("alice").await;
    assert_eq!(me(&there, &token).await, StatusCode::NO_CONTENT);
    revoke(&here, &kid(&token)).await;
    let begun = Instant::now();
    for replica in [&here, &there] {
        let gone = async || me(replica, &token).await == StatusCode::UNAUTHORIZED;
        assert!(eventually(A_MOMENT, gone).await);
        assert!(!published(replica).await.contains(&kid(&token)));
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let new = here.sign_in_username("bobby").await;
    assert_eq!((me(&there, &new).await, kid(&new) == kid(&token)), (StatusCode::NO_CONTENT, false));
    until_states(&there, &[Revoked, Current, Next]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_algorithm_rolls_through_the_replicas_in_both_directions() {
    let Some(database) = Database::create().await else { return };
    let replicas = Replicas::on(database.url());
    let (old, stop) = replicas.with_secret().await;
    let first = old.sign_in_username("alice").await;

    // The new replica serves beside the old one, which signs on with the secret.
    let (new, _new) = replicas.one().await;
    let (mut by_old, mut by_new) = (first.clone(), slide(&new, &first).await);
    for _ in 0..30 {
        assert_eq!(token::header(&by_old)["alg"], "HS256");
        assert_eq!(token::header(&by_new)["alg"], "ES256");
        for replica in [&old, &new] {
            for text in [&first, &by_old, &by_new] {
                assert_eq!(me(replica, text).await, StatusCode::NO_CONTENT);
            }
        }
        (by_old, by_new) = (slide(&old, &by_new).await, slide(&new, &by_old).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stop.stop().await;
    drop(old);
    assert_eq!(kid(&slide(&new, &by_old).await), kid(&by_new));

    // And back: the replica with keys signs on for as long as it lives.
    let (back, _back) = replicas.with_secret().await;
    let mut by_back = slide(&back, &by_new).await;
    for _ in 0..30 {
        for replica in [&new, &back] {
            for text in [&by_back, &by_new] {
                assert_eq!(me(replica, text).await, StatusCode::NO_CONTENT);
            }
        }
        (by_back, by_new) = (slide(&back, &by_new).await, slide(&new, &by_back).await);
        assert_eq!(
            (token::header(&by_back)["alg"].as_str(), token::header(&by_new)["alg"].as_str()),
            (Some("HS256"), Some("ES256"))
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
