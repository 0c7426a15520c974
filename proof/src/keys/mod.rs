//! The model of the keys of tokens: their rotation and revocation in the database, the replicas that sign with the key
//! that they know as the current one, and the verification of each other's tokens. It is a model of `src/keys`, of the
//! feed that tells replicas of a change, and of `layer/guard.rs`.

mod call;
mod worlds;

use stateright::{Model, Property};

use crate::explore::Broken;
use call::Call;
use worlds::Fault;
pub use worlds::{World, faults, worlds};

/// A moment, in ticks since the beginning.
type Tick = u8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Next { published: Tick },
    Current,
    Former { until: Tick },
    Revoked { at: Tick },
    Deleted { was_revoked: bool },
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Replica {
    /// The keys as it has read them.
    keys: Vec<Key>,
    /// How often a key was taken away from it.
    withdrawals: u8,
    mark: Option<Tick>,
    reading: Reading,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
enum Reading {
    #[default]
    Waiting,
    /// It has asked for revocations, and heard that the keys have changed, or that nothing has.
    Told { began: Tick, changed: bool },
    /// It has read the keys.
    Read { began: Tick },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Token {
    key: usize,
    expires: Tick,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    now: Tick,
    keys: Vec<Key>,
    replicas: Vec<Replica>,
    /// A token that some client has.
    token: Option<Token>,
    call: Option<Call>,
    hasty: u8,
    revocations: u8,
    broken: Broken,
    /// The keys as a service knows them that only polls, and when it polled.
    poller: Vec<Key>,
    polled: Tick,
    was_accepted: bool,
    was_refreshed: bool,
    poller_accepted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    TimePasses,
    Publish,
    Promote,
    Delete(usize),
    Revoke(usize),
    /// The feed of a replica takes its next step.
    Feed(usize),
    /// Somebody signs in at a replica.
    SignIn(usize),
    /// A call with the token begins at a replica.
    Begin(usize),
    /// The call takes its next step.
    GoOn,
    /// A service that only reads the published keys now and then reads them.
    Poll,
    /// That service checks the token.
    PollerChecks,
}

/// A token that has not expired, of a key that nobody revoked, is never called invalid.
pub const ROTATION_REFUSES_NOBODY: &str = "a rotation refuses nobody";
/// A token of a revoked key is accepted for less than the staleness.
pub const REVOKED_KEY_IS_DEAD: &str = "a revoked key is dead in time";
/// Once a replica knows that a key is revoked, it exchanges no token of it for one of another key.
pub const NO_EXCHANGE: &str = "a token of a revoked key is not exchanged";

const PROMISES: [&str; 3] = [ROTATION_REFUSES_NOBODY, REVOKED_KEY_IS_DEAD, NO_EXCHANGE];

fn number(promise: &str) -> usize {
    PROMISES.iter().position(|one| *one == promise).unwrap_or(PROMISES.len())
}

fn current(keys: &[Key]) -> Option<usize> {
    keys.iter().position(|key| *key == Key::Current)
}

fn next(keys: &[Key]) -> Option<usize> {
    keys.iter().position(|key| matches!(key, Key::Next { .. }))
}

fn is_revoked(key: Key) -> bool {
    matches!(key, Key::Revoked { .. } | Key::Deleted { was_revoked: true })
}

impl Model for World {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let keys = vec![Key::Current, Key::Next { published: 0 }];
        let replica = Replica { keys: keys.clone(), mark: Some(0), ..Replica::default() };
        vec![State {
            now: 0,
            poller: keys.clone(),
            polled: 0,
            keys,
            replicas: vec![replica; self.replicas],
            token: None,
            call: None,
            hasty: self.hasty,
            revocations: self.revocations,
            broken: Broken::default(),
            was_accepted: false,
            was_refreshed: false,
            poller_accepted: false,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        // Libraries poll more often than a key is published ahead.
        let is_poll_due = self.polls && state.now + 1 - state.polled >= self.ahead;
        if state.now < self.last_tick && !is_poll_due {
            steps.push(Step::TimePasses);
        }
        if self.polls {
            steps.extend([Step::Poll, Step::PollerChecks]);
        }
        if next(&state.keys).is_none() && state.keys.len() < self.keys {
            steps.push(Step::Publish);
        }
        if let Some(Key::Next { published }) = next(&state.keys).map(|id| state.keys[id])
            && (self.may_sign(state, published) || current(&state.keys).is_none() || state.hasty > 0)
        {
            steps.push(Step::Promote);
        }
        for (id, key) in state.keys.iter().enumerate() {
            if matches!(key, Key::Former { until } if *until <= state.now) {
                steps.push(Step::Delete(id));
            }
            let is_known = matches!(key, Key::Current | Key::Next { .. } | Key::Former { .. });
            if is_known && state.revocations > 0 {
                steps.push(Step::Revoke(id));
            }
        }
        for replica in 0..self.replicas {
            steps.extend([Step::Feed(replica), Step::SignIn(replica)]);
            if state.call.is_none() && state.token.is_some() {
                steps.push(Step::Begin(replica));
            }
        }
        if state.call.is_some() {
            steps.push(Step::GoOn);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        let now = state.now;
        match step {
            Step::TimePasses => state.now += 1,
            Step::Publish => state.keys.push(Key::Next { published: now }),
            Step::Promote => self.promote(&mut state),
            Step::Delete(id) => state.keys[id] = Key::Deleted { was_revoked: false },
            Step::Revoke(id) => {
                state.revocations -= 1;
                let was_current = state.keys[id] == Key::Current;
                state.keys[id] = Key::Revoked { at: now };
                if let (true, Some(next)) = (was_current, next(&state.keys)) {
                    state.keys[next] = Key::Current;
                }
            }
            Step::Feed(replica) => self.follow(&mut state, replica),
            Step::SignIn(replica) => state.token = self.mint(&state, replica).or(state.token),
            Step::Begin(replica) => self.begin(&mut state, replica),
            Step::GoOn => self.go_on(&mut state),
            Step::Poll => (state.polled, state.poller) = (now, state.keys.clone()),
            Step::PollerChecks => self.poller_checks(&mut state),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(ROTATION_REFUSES_NOBODY, |_, state: &State| {
                state.broken.kept(number(ROTATION_REFUSES_NOBODY))
            }),
            Property::always(REVOKED_KEY_IS_DEAD, |_, state: &State| state.broken.kept(number(REVOKED_KEY_IS_DEAD))),
            Property::always(NO_EXCHANGE, |_, state: &State| state.broken.kept(number(NO_EXCHANGE))),
            Property::sometimes("a token is accepted", |_, state: &State| state.was_accepted),
            Property::sometimes("a token is refreshed", |_, state: &State| state.was_refreshed),
        ];
        if self.polls {
            properties.push(Property::sometimes("a poller accepts a token", |_, state: &State| state.poller_accepted));
        }
        properties
    }
}

impl World {
    fn is_fresh(&self, replica: &Replica, now: Tick) -> bool {
        let is_fresh = |mark| now - mark < self.staleness || self.fault == Some(Fault::ForgetsStaleness);
        replica.mark.is_some_and(is_fresh)
    }

    fn may_sign(&self, state: &State, published: Tick) -> bool {
        published + self.ahead <= state.now || self.fault == Some(Fault::TheNextKeyIsPromotedAtOnce)
    }

    fn promote(&self, state: &mut State) {
        let Some(id) = next(&state.keys) else { return };
        let Key::Next { published } = state.keys[id] else { return };
        if let Some(former) = current(&state.keys) {
            if !self.may_sign(state, published) {
                state.hasty -= 1;
            }
            // A replica signs with the former key until it hears of the next one.
            let accepted_for = self.token_lifetime + self.staleness;
            let until = state.now + accepted_for;
            state.keys[former] = match self.fault {
                Some(Fault::FormerKeysAreDeletedAtOnce) => Key::Deleted { was_revoked: false },
                _ => Key::Former { until },
            };
        }
        state.keys[id] = Key::Current;
    }

    fn follow(&self, state: &mut State, replica: usize) {
        let now = state.now;
        let State { keys, replicas, .. } = state;
        let reader = &mut replicas[replica];
        match reader.reading {
            Reading::Waiting => {
                let changed = reader.keys != *keys;
                reader.reading = Reading::Told { began: now, changed };
                if self.fault == Some(Fault::MarksBeforeTheKeysAreRead) {
                    reader.mark = Some(now);
                }
            }
            Reading::Told { began, changed } => {
                if changed {
                    reader.take_over(keys);
                }
                reader.reading = Reading::Read { began };
            }
            Reading::Read { began } => {
                reader.reading = Reading::Waiting;
                reader.mark = Some(if self.fault == Some(Fault::MarksTheEndOfTheReading) { now } else { began });
            }
        }
    }

    /// A replica signs with the key that it knows as the current one.
    fn mint(&self, state: &State, replica: usize) -> Option<Token> {
        let signer = &state.replicas[replica];
        let key = current(&signer.keys)?;
        self.is_fresh(signer, state.now).then_some(Token { key, expires: state.now + self.token_lifetime })
    }
}

impl Replica {
    fn take_over(&mut self, keys: &[Key]) {
        let is_gone = |(known, stored): (&Key, &Key)| is_revoked(*stored) && !is_revoked(*known);
        self.withdrawals += u8::from(self.keys.iter().zip(keys).any(is_gone));
        self.keys = keys.to_vec();
    }
}

/// Whether someone with these keys accepts a token of this one.
fn accepts(keys: &[Key], key: usize, now: Tick) -> bool {
    match keys.get(key) {
        Some(Key::Next { .. } | Key::Current) => true,
        Some(Key::Former { until }) => now < *until,
        Some(Key::Revoked { .. } | Key::Deleted { .. }) | None => false,
    }
}
