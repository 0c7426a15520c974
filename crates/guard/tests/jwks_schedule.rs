//! When the keys of an issuer are fetched. The time of these tests is tokio's, which stands still until all tasks wait.
#![cfg(feature = "jwks")]
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare has failed")]

mod support;

use std::future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_guard::clock::ManualClock;
use countersign_guard::jwks::{Answer, JwksError};
use countersign_guard::token::{Asymmetric, PublicKey, TokenError, Verifier};
use serde_json::json;
use tokio::time::{Instant, sleep};

use support::{ISSUER, NOW, Pair, issue, keyring, pair, session, tokens};

/// An issuer that notes when it is asked.
#[derive(Clone)]
struct Issuer {
    start: Instant,
    asked: Arc<Mutex<Vec<u64>>>,
    under_way: Arc<AtomicUsize>,
    answer: Arc<Mutex<Option<Said>>>,
}

/// A body with its `max-age`, or a failure.
type Said = Result<(String, Option<u64>), &'static str>;

impl Issuer {
    fn new() -> Self {
        let (asked, under_way, answer) = (Arc::default(), Arc::default(), Arc::default());
        Self { start: Instant::now(), asked, under_way, answer }
    }

    fn publish(&self, keys: &[&PublicKey], max_age: Option<u64>) {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        *self.answer.lock().unwrap() = Some(Ok((json!({ "keys": keys }).to_string(), max_age)));
    }

    fn verifier(&self, clock: &ManualClock) -> Verifier {
        let issuer = self.clone();
        let fetch = move || {
            let issuer = issuer.clone();
            async move { issuer.fetch().await }
        };
        Verifier::from_jwks_by(fetch, ISSUER).unwrap().with_clock(Arc::new(clock.clone()))
    }

    async fn fetch(&self) -> Result<Answer, &'static str> {
        self.asked.lock().unwrap().push(self.start.elapsed().as_secs());
        assert_eq!(self.under_way.fetch_add(1, Ordering::SeqCst), 0, "one request at a time");
        let under_way = UnderWay(&self.under_way);
        let answer = self.answer.lock().unwrap().clone();
        let answer = match answer {
            None => future::pending().await,
            Some(answer) => answer,
        };
        drop(under_way);
        let (body, max_age) = answer?;
        Ok(Answer { body: body.into_bytes(), max_age: max_age.map(Duration::from_secs) })
    }

    /// Lets the time pass up to this second, and returns when it was asked since the last call.
    async fn until(&self, second: u64) -> Vec<u64> {
        // A moment later, so that what happens at that second has happened.
        sleep((Duration::from_secs(second) + Duration::from_millis(1)).saturating_sub(self.start.elapsed())).await;
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn token(pair: &Pair) -> String {
    issue(&tokens(&ManualClock::at(NOW), keyring().signing_with(pair.again())), session(2))
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_ahead_of_their_age_which_is_believed_within_reason() {
    let key = pair(Asymmetric::Es256);
    for (max_age, expected) in [
        (Some(900), vec![0, 675, 1_350]),
        (None, vec![0, 225, 450, 675, 900, 1_125, 1_350]),
        (Some(1_000_000), vec![0]),
        (Some(u64::MAX), vec![0]),
        (Some(0), (0..=1_370 / 30).map(|turn| turn * 30).collect()),
    ] {
        let issuer = Issuer::new();
        issuer.publish(&[key.ours.public()], max_age);
        let _verifier = issuer.verifier(&ManualClock::at(NOW));
        assert_eq!(issuer.until(1_370).await, expected, "{max_age:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_asked_for_once_and_not_within_30_seconds_of_an_answer() {
    let [known, new] = [(); 2].map(|()| pair(Asymmetric::Es256));
    let (issuer, clock) = (Issuer::new(), ManualClock::at(NOW));
    issuer.publish(&[known.ours.public()], Some(900));
    let verifier = issuer.verifier(&clock);
    assert_eq!(verifier.verify(&token(&known)), Err(TokenError::UnknownKey), "before the first answer");
    assert_eq!(issuer.until(100).await, [0, 30], "that call wanted it, too");
    verifier.verify(&token(&known)).unwrap();

    issuer.publish(&[known.ours.public(), new.ours.public()], Some(900));
    for _ in 0..1_000 {
        assert_eq!(verifier.verify(&token(&new)), Err(TokenError::UnknownKey), "it may be new");
    }
    assert_eq!(issuer.until(101).await, [100], "at once, because the last answer is older than 30 seconds");
    verifier.verify(&token(&new)).unwrap();

    // A forger invents keys all the time, of tokens old and new.
    let forged = token(&pair(Asymmetric::Es256));
    for second in 102..=200 {
        let _ = verifier.verify(&forged);
        issuer.until(second).await.iter().for_each(|at| assert!([130, 160, 190].contains(at), "{at}"));
    }
    // Its iat is long before the last answer, which would have had its key.
    clock.advance(300);
    assert_eq!(verifier.verify(&forged), Err(TokenError::Invalid));
    verifier.verify(&token(&new)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn keys_that_have_changed_are_fetched_at_once_and_again_because_a_replica_may_hear_late() {
    let key = pair(Asymmetric::Es256);
    let (issuer, token) = (Issuer::new(), token(&key));
    issuer.publish(&[key.ours.public()], Some(900));
    let verifier = issuer.verifier(&ManualClock::at(NOW + 100));
    assert_eq!(issuer.until(10).await, [0]);
    verifier.verify(&token).unwrap();
    // The replica that answers hears of it a moment after the watcher.
    verifier.look_again();
    sleep(Duration::from_millis(5)).await;
    verifier.verify(&token).unwrap();
    issuer.publish(&[], Some(900));
    sleep(Duration::from_millis(250)).await;
    assert_eq!(verifier.verify(&token), Err(TokenError::Invalid), "its key was revoked");
    assert_eq!(issuer.until(11).await, [10, 10]);
    assert_eq!(issuer.until(1_000).await, [11, 17, 47, 722], "after 1.5, 7.75 and 37.75 seconds, and then as before");
    // A change while a request is under way may be too late for its answer.
    verifier.look_again();
    verifier.look_again();
    tokio::task::yield_now().await;
    verifier.look_again();
    assert_eq!(issuer.until(1_001).await, [1_000; 3]);
}

#[tokio::test(start_paused = true)]
async fn the_last_keys_stay_while_the_issuer_is_away_and_it_is_asked_less_and_less_often() {
    let key = pair(Asymmetric::EdDsa);
    let (issuer, token) = (Issuer::new(), token(&key));
    *issuer.answer.lock().unwrap() = Some(Err("away"));
    let verifier = issuer.verifier(&ManualClock::at(NOW));
    assert_eq!(issuer.until(2).await, [0, 1]);
    issuer.publish(&[key.ours.public()], Some(40));
    assert_eq!(issuer.until(4).await, [3]);
    verifier.verify(&token).unwrap();

    for bad in ["", "<html>", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":["#, &"[".repeat(100_000), &" ".repeat(1 << 21)]
    {
        *issuer.answer.lock().unwrap() = Some(Ok((bad.to_owned(), Some(40))));
        let now = issuer.start.elapsed().as_secs();
        assert!(!issuer.until(now + 60).await.is_empty());
        verifier.verify(&token).unwrap();
        assert_eq!(verifier.verify("a.b.c"), Err(TokenError::Invalid));
    }
    // Back, and away for an hour: after 1, 2, 4, 8, 16, 32 seconds, and then once a minute.
    issuer.publish(&[key.ours.public()], Some(40));
    let now = issuer.start.elapsed().as_secs();
    let back = *issuer.until(now + 61).await.first().unwrap();
    let now = back + 30;
    *issuer.answer.lock().unwrap() = Some(Err("away"));
    issuer.until(now - 1).await;
    let expected = [0, 1, 3, 7, 15, 31, 63].into_iter().chain((1..=58).map(|minute| 63 + 60 * minute));
    let asked = issuer.until(now + 3_600).await;
    let first = asked[0];
    assert_eq!(asked.iter().map(|at| at - first).collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    verifier.verify(&token).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_does_not_answer_has_ten_seconds() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier(&ManualClock::at(NOW));
    let forged = token(&pair(Asymmetric::Es256));
    let mut asked = Vec::new();
    for second in 0..=40 {
        assert_eq!(verifier.verify(&forged), Err(TokenError::UnknownKey));
        asked.extend(issuer.until(second).await);
    }
    assert_eq!(asked, [0, 11, 23, 37]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_fetched_once_the_last_verifier_is_gone() {
    let issuer = Issuer::new();
    issuer.publish(&[], Some(40));
    let verifier = issuer.verifier(&ManualClock::at(NOW));
    let clone = verifier.clone();
    assert_eq!(issuer.until(40).await, [0, 30]);
    drop(verifier);
    assert_eq!(issuer.until(70).await, [60]);
    drop(clone);
    assert_eq!(issuer.until(1_000).await, [0; 0]);
    assert_eq!(Arc::strong_count(&issuer.asked), 1, "the task is gone");
}

#[tokio::test(start_paused = true)]
async fn an_issuer_without_keys_is_believed() {
    let key = pair(Asymmetric::Es256);
    let (issuer, clock) = (Issuer::new(), ManualClock::at(NOW));
    issuer.publish(&[key.ours.public()], Some(40));
    let verifier = issuer.verifier(&clock);
    issuer.until(1).await;
    verifier.verify(&token(&key)).unwrap();
    issuer.publish(&[], Some(40));
    issuer.until(31).await;
    clock.advance(120);
    assert_eq!(verifier.verify(&token(&key)), Err(TokenError::Invalid));
}

#[test]
fn without_a_runtime_there_is_no_verifier() {
    let made = Verifier::from_jwks("http://127.0.0.1/keys", ISSUER);
    assert_eq!(made.err(), Some(JwksError::NoRuntime));
}
