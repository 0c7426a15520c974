//! The promises of every store about failed attempts: each one is counted, and a guess that concurrent guesses have
//! overtaken has no outcome, right or wrong.

use std::sync::Arc;

use countersign::domain::{AccountStatus, AttemptKey, Attempts, Handle};
use countersign::store::{Budget, Opened, Opening, StoredAttempts};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Store, at, email, session, username};

fn key(name: &str) -> AttemptKey {
    AttemptKey::login(&Handle::parse(name).unwrap())
}

fn budget(name: &str, seen: u32, below: u32) -> Budget {
    Budget { key: key(name), seen, below }
}

async fn count(store: &Store, name: &str) -> u32 {
    store.find_attempts(&key(name)).await.unwrap().map_or(0, |attempts| attempts.failures)
}

pub async fn failures_are_counted_until_they_are_forgotten_and_none_that_comes_too_late(store: Store) {
    assert_eq!(store.find_attempts(&key("alice")).await.unwrap(), None);
    let id = Uuid::from_u128(1);
    for failures in 1..=3 {
        let counted = store.count_failure(&budget("alice", 0, 3), Some(id), at(failures)).await.unwrap();
        assert_eq!(counted, Some(u32::try_from(failures).unwrap()));
    }
    assert_eq!(store.count_failure(&budget("alice", 0, 3), Some(id), at(9)).await.unwrap(), None);
    let attempts = Attempts { failures: 3, last_failed_at: at(3) };
    assert_eq!(store.find_attempts(&key("alice")).await.unwrap(), Some(attempts));
    assert_eq!(store.count_failure(&budget("nobody", 0, 3), None, at(4)).await.unwrap(), Some(1));

    let listed = store.list_attempts(1, None, 10).await.unwrap().found;
    let alice = StoredAttempts { key: key("alice"), account_id: Some(id), attempts };
    assert!(listed.len() == 2 && listed.contains(&alice), "{listed:?}");
    assert!(listed[0].key.to_string() < listed[1].key.to_string());
    assert_eq!(store.list_attempts(1, Some(&listed[0].key), 10).await.unwrap().found, listed[1..]);
    assert_eq!(store.list_attempts(1, None, 1).await.unwrap().found, listed[..1]);
    assert_eq!(store.list_attempts(2, None, 10).await.unwrap().found, [alice]);

    assert!(!store.settle_attempts(&budget("alice", 0, 3)).await.unwrap(), "too late");
    assert!(store.settle_attempts(&budget("alice", 3, 4)).await.unwrap());
    assert!(store.settle_attempts(&budget("alice", 3, 4)).await.unwrap(), "there is nothing that came before");
    assert!(store.clear_attempts(&key("nobody")).await.unwrap());
    assert!(!store.clear_attempts(&key("nobody")).await.unwrap());
    assert_eq!(store.list_attempts(1, None, 10).await.unwrap().found, []);
}

pub async fn a_sign_in_begins_with_the_account_and_the_failures_whichever_there_are(store: Store) {
    for new in [username(1, "alice"), email(2, "ada@example.com", 7)] {
        let (handle, key) = (new.identity.handle(), AttemptKey::login(&new.identity.handle()));
        let begin = async || {
            let (attempts, credentials) = store.find_sign_in(&key, &handle, 2).await.unwrap();
            (attempts.map(|attempts| attempts.failures), credentials.map(|found| found.account))
        };
        assert_eq!(begin().await, (None, None));
        store.count_failure(&Budget { key, seen: 0, below: 3 }, None, at(1)).await.unwrap();
        assert_eq!(begin().await, (Some(1), None), "of a name that nobody has");
        store.insert_account(&new, None, None).await.unwrap();
        let account = store.find_account(new.id).await.unwrap();
        assert_eq!(begin().await, (None, account.clone()), "who registers begins anew");
        store.count_failure(&Budget { key, seen: 0, below: 3 }, Some(new.id), at(2)).await.unwrap();
        assert_eq!(begin().await, (Some(1), account));
        store.count_failure(&Budget { key, seen: 1, below: 3 }, Some(new.id), at(3)).await.unwrap();
        assert_eq!(begin().await, (Some(2), None), "too many to be looked at");
    }
}

pub async fn a_session_opens_in_time_and_forgets_the_failures_before_it(store: Store) {
    let new = username(1, "alice");
    store.insert_account(&new, None, None).await.unwrap();
    let open = async |id: u128, epoch: i64, budget: Budget| {
        let opening =
            Opening { session: session(id, &new, epoch), password_changes: 0, factor_changes: 0, budget: Some(budget) };
        store.open_session(&opening).await.unwrap()
    };
    let fail = async |times: u32| {
        for _ in 0..times {
            store.count_failure(&budget("alice", 0, 100), Some(new.id), at(0)).await.unwrap();
        }
    };
    assert_eq!(open(10, 0, budget("alice", 0, 3)).await, Opened::Open);
    fail(2).await;
    assert_eq!(open(11, 0, budget("alice", 0, 3)).await, Opened::Open, "others failed meanwhile, and not too often");
    assert_eq!(count(&store, "alice").await, 0);
    fail(3).await;
    for (id, seen) in [(12, 0), (13, 2)] {
        assert_eq!(open(id, 0, budget("alice", seen, 3)).await, Opened::Spent);
        assert_eq!(open(id, 7, budget("alice", seen, 3)).await, Opened::Spent, "whatever else speaks against it");
    }
    assert_eq!(count(&store, "alice").await, 3);
    assert_eq!(open(14, 7, budget("alice", 3, 4)).await, Opened::Ended);
    assert_eq!(count(&store, "alice").await, 3, "nothing came of it");
    assert_eq!(open(15, 0, budget("alice", 3, 4)).await, Opened::Open);
    assert_eq!(count(&store, "alice").await, 0);
    store.set_status(new.id, AccountStatus::Inactive, at(100)).await.unwrap();
    assert_eq!(open(16, 1, budget("alice", 0, 3)).await, Opened::Ended);
    for (id, is_open) in [(10, false), (12, false), (13, false), (14, false), (16, false)] {
        assert_eq!(store.find_session(Uuid::from_u128(id)).await.unwrap().is_some(), is_open, "{id}");
    }
}

pub async fn of_many_guesses_at_once_no_more_count_than_may_and_no_success_comes_after_them(store: Store) {
    for round in 1..=8 {
        let name = format!("name {round}");
        let new = username(round, &name);
        store.insert_account(&new, None, None).await.unwrap();
        let mut guesses = JoinSet::new();
        for _ in 0..20 {
            let (store, budget) = (Arc::clone(&store), budget(&name, 0, 10));
            guesses.spawn(async move { store.count_failure(&budget, None, at(0)).await.unwrap().is_some() });
        }
        let counted = guesses.join_all().await.into_iter().filter(|counted| *counted).count();
        assert_eq!((counted, count(&store, &name).await), (10, 10));
        let late = Opening {
            session: session(100 + round, &new, 0),
            password_changes: 0,
            factor_changes: 0,
            budget: Some(budget(&name, 0, 10)),
        };
        assert_eq!(store.open_session(&late).await.unwrap(), Opened::Spent);
    }
}

pub async fn counts_that_are_idle_are_forgotten_but_for_accounts_that_have_reached_so_many(store: Store) {
    let alice = username(1, "alice");
    store.insert_account(&alice, None, None).await.unwrap();
    for (name, id, failures, last) in [
        ("idle", Some(alice.id), 2, 10),
        ("lively", None, 2, 11),
        ("locked", Some(alice.id), 3, 10),
        ("nobody", None, 3, 10),
        ("nobody lively", None, 3, 11),
        ("gone", Some(Uuid::from_u128(2)), 3, 10),
    ] {
        for _ in 0..failures {
            store.count_failure(&budget(name, 0, 100), id, at(last)).await.unwrap();
        }
    }
    // More rows than are deleted at once.
    for n in 0..1_100 {
        store.count_failure(&budget(&format!("name {n}"), 0, 100), None, at(1)).await.unwrap();
    }
    store.purge_attempts(at(10), 3).await.unwrap();
    let mut left: Vec<_> =
        store.list_attempts(1, None, 2_000).await.unwrap().found.iter().map(|left| left.key).collect();
    left.sort_unstable_by_key(AttemptKey::to_string);
    let mut expected = [key("lively"), key("locked"), key("nobody lively")];
    expected.sort_unstable_by_key(AttemptKey::to_string);
    assert_eq!(left, expected);
}
