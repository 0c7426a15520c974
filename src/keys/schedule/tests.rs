//! The schedule against a model of the store: servers take steps in any order, are killed between any two of them, act
//! on what they read a while ago, and at every moment each promise about keys holds.

use std::time::Duration;

use countersign_guard::token::Asymmetric;
use proptest::prelude::*;
use proptest::sample::Index;
use time::OffsetDateTime;

use super::{ACCEPTED_BEYOND, KeyStep, PUBLISHED_AHEAD, at_start, step};
use crate::domain::KeyId;
use crate::store::{KeyState, StoredKey, TokenKeyRows};

const LONGEST: Duration = Duration::from_secs(24 * 3_600);
const ROTATION: Duration = Duration::from_secs(7 * 86_400);
const ALGORITHMS: [Asymmetric; 3] = [Asymmetric::Es256, Asymmetric::Rs256, Asymmetric::EdDsa];

/// The store, with the numbers of keys that were ever published, and the time.
struct Model {
    rows: TokenKeyRows,
    published: u8,
    now: OffsetDateTime,
    /// For each key the time of its latest token.
    signed: Vec<(KeyId, OffsetDateTime)>,
    revoked: Vec<KeyId>,
}

/// One of the things that may happen.
#[derive(Debug, Clone)]
enum Event {
    /// A server takes its next step; `stale` if it last read the keys some events ago.
    Server { stale: bool },
    /// A server starts with an algorithm, and is killed after so many steps.
    Start { algorithm: usize, killed_after: usize },
    /// Some minutes pass by the clock.
    Wait { minutes: u16 },
    /// Somebody asks for a rotation.
    AskRotation,
    /// Somebody revokes a key.
    Revoke { which: Index },
}

impl Model {
    fn new() -> Self {
        let (rows, signed, revoked) = Default::default();
        Self { rows, published: 0, now: OffsetDateTime::UNIX_EPOCH, signed, revoked }
    }

    fn key(&mut self, id: KeyId) -> Option<&mut StoredKey> {
        self.rows.keys.iter_mut().find(|key| key.id == id)
    }

    /// Makes a change as the statements of the store do.
    fn apply(&mut self, step: KeyStep) {
        let now = self.now;
        match step {
            KeyStep::Publish(algorithm) => {
                if self.rows.the(KeyState::Next).is_some() {
                    return;
                }
                self.published += 1;
                let id = KeyId::parse(&format!("{:0>42}A", self.published)).unwrap();
                self.rows.keys.push(StoredKey {
                    id,
                    algorithm,
                    public_key: String::new(),
                    sealed_key: Some(String::new()),
                    state: KeyState::Next,
                    published_at: now,
                    signs_from: None,
                    rotation_asked: false,
                    accepted_until: None,
                });
            }
            KeyStep::Withdraw(id) => self.rows.keys.retain(|key| key.id != id || key.state != KeyState::Next),
            KeyStep::Promote(id) => {
                if self.rows.the(KeyState::Next).is_none_or(|next| next.id != id) {
                    return;
                }
                for key in &mut self.rows.keys {
                    if key.state == KeyState::Current {
                        key.state = KeyState::Former;
                        key.sealed_key = None;
                        key.accepted_until = Some(now + LONGEST + ACCEPTED_BEYOND);
                    }
                }
                self.promote(id);
            }
            KeyStep::Remove(id) => {
                self.rows.keys.retain(|key| key.id != id || key.accepted_until.is_none_or(|end| end > now));
            }
        }
    }

    fn promote(&mut self, id: KeyId) {
        let now = self.now;
        if let Some(key) = self.key(id) {
            (key.state, key.signs_from) = (KeyState::Current, Some(now));
        }
    }

    fn revoke(&mut self, id: KeyId) {
        let now = self.now;
        if let Some(key) = self.key(id) {
            (key.state, key.sealed_key, key.accepted_until) = (KeyState::Revoked, None, Some(now));
        }
        self.revoked.push(id);
        let next = self.rows.the(KeyState::Next).map(|next| next.id);
        if let (None, Some(next)) = (self.rows.the(KeyState::Current), next) {
            self.promote(next);
        }
    }

    fn happen(&mut self, event: &Event, before: &TokenKeyRows) {
        match event {
            Event::Server { stale } => {
                let seen = if *stale { before } else { &self.rows };
                if let Some(step) = step(seen, Some(ROTATION), self.now) {
                    self.apply(step);
                }
            }
            Event::Start { algorithm, killed_after } => {
                for _ in 0..*killed_after {
                    let Some(step) = at_start(&self.rows, ALGORITHMS[*algorithm], self.now) else { break };
                    self.apply(step);
                }
            }
            Event::Wait { minutes } => self.now += Duration::from_secs(u64::from(*minutes) * 60),
            Event::AskRotation => {
                for key in &mut self.rows.keys {
                    key.rotation_asked = key.state == KeyState::Current;
                }
            }
            Event::Revoke { which } => {
                let known: Vec<_> = self.rows.keys.iter().map(|key| key.id).collect();
                if !known.is_empty() {
                    self.revoke(*which.get(&known));
                }
            }
        }
        // Every moment, somebody signs in.
        if let Some(current) = self.rows.the(KeyState::Current).map(|key| key.id) {
            self.signed.retain(|(id, _)| *id != current);
            self.signed.push((current, self.now));
        }
    }

    fn check(&self, before: &TokenKeyRows, revoked_now: bool) {
        for state in [KeyState::Next, KeyState::Current] {
            assert!(self.rows.keys.iter().filter(|key| key.state == state).count() <= 1, "two keys are {state:?}");
        }
        for key in &self.rows.keys {
            let has_private_key = key.sealed_key.is_some();
            assert_eq!(has_private_key, matches!(key.state, KeyState::Next | KeyState::Current), "{key:?}");
        }
        if let (Some(was), Some(is)) = (before.the(KeyState::Current), self.rows.the(KeyState::Current))
            && was.id != is.id
            && !revoked_now
        {
            let ahead = self.now - is.published_at;
            assert!(ahead >= PUBLISHED_AHEAD, "{is:?} signs after it was published for {ahead}");
        }
        // What a key has signed is accepted for as long as it lives, unless the key was revoked.
        for (id, at) in &self.signed {
            let key = self.rows.keys.iter().find(|key| key.id == *id);
            let is_accepted = key.is_some_and(|key| match key.state {
                KeyState::Next | KeyState::Current => true,
                KeyState::Former => key.accepted_until.unwrap() > self.now,
                KeyState::Revoked => false,
            });
            let lives = *at + LONGEST > self.now;
            assert!(!lives || is_accepted || self.revoked.contains(id), "{id} has live tokens and is not accepted");
            assert!(!is_accepted || !self.revoked.contains(id), "{id} was revoked and is accepted");
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => any::<bool>().prop_map(|stale| Event::Server { stale }),
        2 => (0..3_usize, 0..5_usize).prop_map(|(algorithm, killed_after)| Event::Start { algorithm, killed_after }),
        4 => prop_oneof![0..90_u16, 0..12_000_u16].prop_map(|minutes| Event::Wait { minutes }),
        1 => Just(Event::AskRotation),
        1 => any::<Index>().prop_map(|which| Event::Revoke { which }),
    ]
}

proptest! {
    #[test]
    fn no_token_is_lost_no_key_signs_unannounced_and_no_revoked_key_comes_back(
        events in prop::collection::vec(event(), 1..80),
    ) {
        let mut model = Model::new();
        let mut stale = TokenKeyRows::default();
        for (at, event) in events.iter().enumerate() {
            let before = model.rows.clone();
            model.happen(event, &stale);
            // A key that takes over because the one before was revoked, or was never there, signs at once.
            model.check(&before, matches!(event, Event::Revoke { .. }));
            if at % 3 == 0 {
                stale = before;
            }
        }
    }

    #[test]
    fn whatever_was_killed_a_started_server_signs_with_its_algorithm_within_the_hour_and_has_a_next_key(
        events in prop::collection::vec(event(), 0..40),
        algorithm in 0..3_usize,
    ) {
        let mut model = Model::new();
        for event in &events {
            let seen = model.rows.clone();
            model.happen(event, &seen);
        }
        let settle = |model: &mut Model| {
            for _ in 0..200 {
                let Some(step) = step(&model.rows, Some(ROTATION), model.now) else { return };
                model.apply(step);
            }
            panic!("it never comes to rest");
        };
        for _ in 0..200 {
            let Some(step) = at_start(&model.rows, ALGORITHMS[algorithm], model.now) else { break };
            model.apply(step);
        }
        prop_assert_eq!(at_start(&model.rows, ALGORITHMS[algorithm], model.now), None);
        settle(&mut model);
        model.now += PUBLISHED_AHEAD;
        settle(&mut model);
        let (current, next) = (model.rows.the(KeyState::Current).unwrap(), model.rows.the(KeyState::Next).unwrap());
        prop_assert_eq!((current.algorithm, next.algorithm), (ALGORITHMS[algorithm], ALGORITHMS[algorithm]));
    }
}

#[test]
fn a_key_signs_for_its_time_and_the_next_one_is_published_from_the_beginning() {
    let mut model = Model::new();
    let settle = |model: &mut Model| {
        while let Some(step) = step(&model.rows, Some(ROTATION), model.now) {
            model.apply(step);
        }
    };
    while let Some(step) = at_start(&model.rows, Asymmetric::Es256, model.now) {
        model.apply(step);
    }
    settle(&mut model);
    let states = |model: &Model| model.rows.keys.iter().map(|key| key.state).collect::<Vec<_>>();
    assert_eq!(states(&model), [KeyState::Current, KeyState::Next]);
    model.now += ROTATION - Duration::from_secs(1);
    settle(&mut model);
    assert_eq!(states(&model), [KeyState::Current, KeyState::Next]);
    model.now += Duration::from_secs(1);
    settle(&mut model);
    assert_eq!(states(&model), [KeyState::Former, KeyState::Current, KeyState::Next]);
    model.now = model.rows.keys[0].accepted_until.unwrap();
    settle(&mut model);
    assert_eq!(states(&model), [KeyState::Current, KeyState::Next]);
}
