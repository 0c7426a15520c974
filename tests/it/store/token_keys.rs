//! The promises of every store about the keys of tokens: each change is made whole or not at all, and all are told.

use std::time::Duration;

use countersign::domain::{KeyId, KeyState};
use countersign::store::{FormerKind, KeyChange, NewKey, TokenKeyRows, TokenKind};
use countersign_guard::revocations::Revocation;
use countersign_guard::token::Asymmetric;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Store;

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000 + seconds).unwrap()
}

fn id(letter: char) -> KeyId {
    KeyId::parse(&format!("{}A", letter.to_string().repeat(42))).unwrap()
}

fn key(letter: char) -> NewKey {
    NewKey { id: id(letter), algorithm: Asymmetric::Es256, public_key: format!("public {letter}") }
}

fn publish(letter: char) -> KeyChange {
    KeyChange::Publish { key: key(letter), sealed_key: format!("sealed {letter}"), at: at(0) }
}

fn promote(letter: char) -> KeyChange {
    KeyChange::Promote { id: id(letter), at: at(10), former_until: at(20) }
}

async fn change(store: &Store, change: KeyChange) -> bool {
    store.change_token_keys(&change, at(600)).await.unwrap()
}

/// The id, the state and whether there is a private key, of each key.
fn shape(rows: &TokenKeyRows) -> Vec<(KeyId, KeyState, bool)> {
    rows.keys.iter().map(|key| (key.id, key.state, key.sealed_key.is_some())).collect()
}

pub async fn a_key_is_published_signs_and_goes(store: Store) {
    assert!(store.token_keys().await.unwrap().is_empty());
    assert!(change(&store, publish('A')).await);
    assert!(!change(&store, publish('A')).await && !change(&store, publish('B')).await, "there is a next key");
    let rows = store.token_keys().await.unwrap();
    let next = rows.the(KeyState::Next).unwrap();
    assert_eq!((next.public_key.as_str(), next.sealed_key.as_deref()), ("public A", Some("sealed A")));
    assert_eq!((next.published_at, next.signs_from, next.rotation_asked), (at(0), None, false));

    assert!(change(&store, promote('A')).await);
    assert!(!change(&store, promote('A')).await && !change(&store, promote('B')).await);
    assert!(change(&store, publish('B')).await);
    assert!(change(&store, KeyChange::AskRotation { id: id('A') }).await);
    assert!(!change(&store, KeyChange::AskRotation { id: id('B') }).await, "it does not sign");
    assert!(store.token_keys().await.unwrap().the(KeyState::Current).unwrap().rotation_asked);
    assert!(change(&store, promote('B')).await);
    let rows = store.token_keys().await.unwrap();
    assert_eq!(shape(&rows), [(id('A'), KeyState::Former, false), (id('B'), KeyState::Current, true)]);
    assert_eq!((rows.keys[0].accepted_until, rows.keys[1].signs_from), (Some(at(20)), Some(at(10))));
    assert!(!rows.keys[0].rotation_asked);

    assert!(!change(&store, KeyChange::Remove { id: id('A'), now: at(19) }).await, "it is accepted for a second more");
    assert!(!change(&store, KeyChange::Remove { id: id('B'), now: at(99) }).await, "it signs");
    assert!(change(&store, KeyChange::Remove { id: id('A'), now: at(20) }).await);
    assert!(change(&store, publish('C')).await);
    assert!(change(&store, KeyChange::Withdraw { id: id('C') }).await);
    assert!(!change(&store, KeyChange::Withdraw { id: id('B') }).await);
    assert_eq!(shape(&store.token_keys().await.unwrap()), [(id('B'), KeyState::Current, true)]);
}

pub async fn a_revoked_key_never_comes_back_and_the_next_one_takes_its_place(store: Store) {
    for letter in ['A', 'B'] {
        change(&store, publish(letter)).await;
        change(&store, promote('A')).await;
    }
    let revoke = |letter| KeyChange::Revoke { id: id(letter), at: at(15) };
    assert!(!change(&store, revoke('C')).await, "there is no such key");
    assert!(change(&store, revoke('A')).await && !change(&store, revoke('A')).await);
    let rows = store.token_keys().await.unwrap();
    assert_eq!(shape(&rows), [(id('A'), KeyState::Revoked, false), (id('B'), KeyState::Current, true)]);
    assert_eq!((rows.keys[0].accepted_until, rows.keys[1].signs_from), (Some(at(15)), Some(at(15))));
    let give = |letter| KeyChange::Give { key: key(letter), at: at(16), former_until: at(26) };
    assert!(!change(&store, give('A')).await && !change(&store, KeyChange::Remove { id: id('A'), now: at(99) }).await);
    assert!(!change(&store, publish('A')).await && !change(&store, promote('A')).await);
    assert_eq!(store.token_keys().await.unwrap(), rows, "a change that is refused changes nothing");

    // A key of a file replaces what the servers made, and comes back when the file does.
    change(&store, publish('D')).await;
    assert!(change(&store, give('C')).await && change(&store, give('E')).await && change(&store, give('C')).await);
    let states: Vec<_> = store.token_keys().await.unwrap().keys.iter().map(|key| (key.id, key.state)).collect();
    let expected =
        [('A', KeyState::Revoked), ('B', KeyState::Former), ('C', KeyState::Current), ('E', KeyState::Former)];
    assert_eq!(states, expected.map(|(letter, state)| (id(letter), state)));
}

pub async fn the_kinds_of_keys_are_switched_once_and_forgotten(store: Store) {
    use TokenKind::{Keys, Secret};
    let kinds = async || {
        let mut kinds = store.token_keys().await.unwrap().kinds;
        kinds.sort_by_key(|(kind, _)| *kind == Keys);
        kinds
    };
    let accepted_for = Duration::from_secs(5);
    let former = |seconds| Some(FormerKind { signed_until: at(seconds), accepted_for });
    let to = |to, seconds| KeyChange::Switch { to, at: at(seconds), other_accepted_for: Some(accepted_for) };
    assert!(change(&store, to(Keys, 1)).await && !change(&store, to(Keys, 2)).await);
    assert_eq!(kinds().await, [(Secret, former(1)), (Keys, None)]);
    let still = |kind, seconds| KeyChange::StillSigns { kind, until: at(seconds) };
    assert!(change(&store, still(Secret, 30)).await && !change(&store, still(Secret, 29)).await);
    assert!(!change(&store, still(Keys, 30)).await, "nobody has switched from it");
    assert_eq!(kinds().await, [(Secret, former(30)), (Keys, None)]);
    assert!(change(&store, to(Secret, 40)).await);
    assert_eq!(kinds().await, [(Secret, None), (Keys, former(40))]);

    change(&store, publish('A')).await;
    change(&store, KeyChange::Revoke { id: id('A'), at: at(41) }).await;
    change(&store, publish('B')).await;
    let gone = |kind, seconds| KeyChange::RemoveKind { kind, now: at(seconds) };
    assert!(!change(&store, gone(Keys, 44)).await && !change(&store, gone(Secret, 99)).await);
    assert!(change(&store, gone(Keys, 45)).await);
    assert_eq!(kinds().await, [(Secret, None)]);
    assert_eq!(shape(&store.token_keys().await.unwrap()), [(id('A'), KeyState::Revoked, false)]);
}

pub async fn of_many_servers_that_change_the_keys_one_succeeds_and_all_are_told(store: Store) {
    let race = async |changes: Vec<KeyChange>| {
        let mut racing = JoinSet::new();
        for one in changes {
            let store = Store::clone(&store);
            racing.spawn(async move { change(&store, one).await });
        }
        racing.join_all().await.into_iter().filter(|is_made| *is_made).count()
    };
    assert_eq!(race(('A'..='H').map(publish).collect()).await, 1);
    let first = store.token_keys().await.unwrap().the(KeyState::Next).unwrap().id;
    let promotions = vec![KeyChange::Promote { id: first, at: at(1), former_until: at(2) }; 8];
    assert_eq!(race(promotions).await, 1);
    assert_eq!(race(('I'..='P').map(publish).collect()).await, 1);
    assert_eq!(shape(&store.token_keys().await.unwrap()).len(), 2);
    let told = store.revocations_after(0, at(0)).await.unwrap();
    let nobody = Revocation::Account { id: Uuid::nil(), epoch: 0 };
    assert_eq!(told.iter().map(|stored| stored.revocation).collect::<Vec<_>>(), [nobody; 3]);
    assert_eq!(store.longest_token_lifetime().await.unwrap(), Duration::ZERO);
}
