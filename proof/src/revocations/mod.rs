//! The model of the end of sessions: the database that stores it, the replicas that read it into their sets, the
//! services that watch a replica, and the verifiers of both that ask a set. Every step is one that another process may
//! come before or after.
//!
//! | file | what it models | of |
//! |---|---|---|
//! | `database` | transactions, the order of commits, a failover, a restored backup | `src/store` |
//! | `feed` | the reading of revocations into a replica's set, and the ring | `src/jobs/revocation_feed.rs` |
//! | `watch` | a stream of revocations to a service, and its set | `src/accounts/watch.rs`, `guard::watch` |
//! | `verifier` | a check of a token against a set | `Revocations::standing` |
//! | `worlds` | how much of everything there is, and the faults that may be planted | |
//!
//! Time is counted in ticks, which all steady clocks share. A process may be stopped between any two of its steps for
//! any number of ticks.

mod database;
mod feed;
mod verifier;
mod watch;
mod worlds;

use stateright::{Model, Property};

use crate::explore::Broken;
use database::{Change, Database, Row};
use feed::Replica;
use verifier::Check;
use watch::Watcher;
use worlds::Fault;
pub use worlds::{World, faults, worlds};

/// A moment, in ticks since the beginning.
type Tick = u8;

/// What a process knows of ended sessions. Nothing is ever removed: no time in the model is so long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Set {
    /// A bit for each session that has ended by itself.
    sessions: u8,
    /// Every session of the account that began in an earlier epoch has ended.
    epoch: u8,
}

impl Set {
    fn insert(&mut self, change: Change) {
        match change {
            Change::End(session) => self.sessions |= 1 << session,
            Change::Raise(epoch) => self.epoch = self.epoch.max(epoch),
        }
    }

    fn merge(&mut self, other: Self) {
        self.sessions |= other.sessions;
        self.epoch = self.epoch.max(other.epoch);
    }

    fn has(self, session: usize, epoch: u8, fault: Option<Fault>) -> bool {
        let is_over = match fault {
            Some(Fault::TheEpochOfASignInCountsAsOver) => epoch <= self.epoch && self.epoch > 0,
            Some(Fault::EpochsAreNotCompared) => false,
            _ => epoch < self.epoch,
        };
        is_over || self.sessions & (1 << session) != 0
    }
}

impl FromIterator<Row> for Set {
    fn from_iter<I: IntoIterator<Item = Row>>(rows: I) -> Self {
        let mut set = Self::default();
        rows.into_iter().for_each(|row| set.insert(row.change));
        set
    }
}

/// A session as an observer sees it who sees everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Session {
    /// The epoch of its account at the sign-in.
    epoch: u8,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum End {
    /// Nobody has asked for it.
    Never,
    /// Somebody has asked for it, and was not yet answered.
    Asked,
    /// Whoever asked was told, at this moment, that it has ended. `by` is the replica; `None` for the command line.
    Acknowledged { at: Tick, by: Option<usize> },
    /// The database has forgotten it, because a backup was restored. No promise holds for this session.
    Lost,
}

/// Everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    now: Tick,
    database: Database,
    sessions: Vec<Session>,
    replicas: Vec<Replica>,
    watchers: Vec<Watcher>,
    check: Option<Check>,
    /// How often each kind of trouble may still happen.
    left: worlds::Troubles,
    broken: Broken,
    accepted: bool,
}

/// A step of one process. The numbers are those of replicas, watchers, sessions or transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    TimePasses,
    SignIn,
    Database(database::Step),
    Feed(usize, feed::Step),
    Watch(usize, watch::Step),
    Verifier(verifier::Step),
}

/// The promises, in the order of their numbers.
const PROMISES: [&str; 5] = [REFUSED_IN_TIME, LIVE_IS_ACCEPTED, MARK_IS_TRUE, CLAIM_IS_TRUE, ALL_WELL_IN_THE_END];
/// After an acknowledged end, the replica that acknowledged it accepts the session never more, and every other verifier
/// for less than its staleness.
pub const REFUSED_IN_TIME: &str = "an ended session is refused in time";
/// A session that nobody has ended is never called ended.
pub const LIVE_IS_ACCEPTED: &str = "a live session is not called ended";
/// A replica's set has everything that was acknowledged before its mark.
pub const MARK_IS_TRUE: &str = "a replica's mark is true";
/// A watcher's set has everything that was acknowledged before the time that it was told.
pub const CLAIM_IS_TRUE: &str = "a watcher's \"complete until\" is true";
/// Once nothing happens any more, every verifier accepts what is live and refuses what has ended.
pub const ALL_WELL_IN_THE_END: &str = "verifiers agree with the database in the end";

fn number(promise: &str) -> usize {
    PROMISES.iter().position(|one| *one == promise).unwrap_or(PROMISES.len())
}

impl State {
    /// The sessions that were acknowledged as ended before `moment`, and are not in this set.
    fn lacks(&self, set: Set, moment: Tick) -> bool {
        self.sessions.iter().enumerate().any(|(id, session)| {
            matches!(session.end, End::Acknowledged { at, .. } if at < moment) && !set.has(id, session.epoch, None)
        })
    }

    fn breaks(&mut self, promise: &str) {
        self.broken.record(number(promise));
    }

    /// The sets of all verifiers, first the replicas and then the watchers, each with its mark.
    fn sets(&self) -> impl Iterator<Item = (Set, Option<Tick>)> {
        let replicas = self.replicas.iter().map(|replica| (replica.set, replica.mark));
        replicas.chain(self.watchers.iter().map(|watcher| (watcher.set, watcher.mark)))
    }
}

impl Model for World {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            now: 0,
            database: Database::default(),
            sessions: vec![Session { epoch: 0, end: End::Never }; self.sessions],
            replicas: vec![Replica::default(); self.replicas],
            watchers: vec![Watcher::default(); self.watchers],
            check: None,
            left: self.troubles,
            broken: Broken::default(),
            accepted: false,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.now < self.last_tick {
            steps.push(Step::TimePasses);
        }
        if self.signs_in && state.sessions.len() == self.sessions {
            steps.push(Step::SignIn);
        }
        steps.extend(self.database_steps(state).into_iter().map(Step::Database));
        for replica in 0..self.replicas {
            steps.push(Step::Feed(replica, self.feed_step(state, replica)));
        }
        for watcher in 0..self.watchers {
            steps.extend(self.watch_steps(state, watcher).into_iter().map(|step| Step::Watch(watcher, step)));
        }
        steps.extend(self.verifier_steps(state).into_iter().map(Step::Verifier));
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        match step {
            Step::TimePasses => state.now += 1,
            Step::SignIn => {
                let epoch = state.database.epoch();
                let is_ending = state.database.is_raised_above(epoch);
                let end = if is_ending { End::Asked } else { End::Never };
                state.sessions.push(Session { epoch, end });
            }
            Step::Database(step) => self.take_database_step(&mut state, step),
            Step::Feed(replica, step) => self.take_feed_step(&mut state, replica, step),
            Step::Watch(watcher, step) => self.take_watch_step(&mut state, watcher, step),
            Step::Verifier(step) => self.take_verifier_step(&mut state, step),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(REFUSED_IN_TIME, |_, state: &State| state.broken.kept(number(REFUSED_IN_TIME))),
            Property::always(LIVE_IS_ACCEPTED, |_, state: &State| state.broken.kept(number(LIVE_IS_ACCEPTED))),
            Property::always(MARK_IS_TRUE, |_, state: &State| state.broken.kept(number(MARK_IS_TRUE))),
            Property::always(CLAIM_IS_TRUE, |_, state: &State| state.broken.kept(number(CLAIM_IS_TRUE))),
            Property::always(ALL_WELL_IN_THE_END, Self::is_well_in_the_end),
            Property::sometimes("an end is acknowledged", |_, state: &State| {
                state.sessions.iter().any(|session| matches!(session.end, End::Acknowledged { .. }))
            }),
            Property::sometimes("every set is marked as complete", |_, state: &State| {
                state.sets().all(|(_, mark)| mark.is_some())
            }),
        ];
        if self.checks {
            properties.push(Property::sometimes("a token is accepted", |_, state: &State| state.accepted));
        }
        properties
    }
}

impl World {
    /// Lets every process finish, and then asks every verifier about every session.
    fn is_well_in_the_end(&self, state: &State) -> bool {
        if state.now < self.last_tick {
            return true;
        }
        let mut end = state.clone();
        self.settle_database(&mut end);
        (0..self.replicas).for_each(|replica| self.settle_feed(&mut end, replica));
        (0..self.watchers).for_each(|watcher| self.settle_watch(&mut end, watcher));
        let ended: Set = end.database.rows.iter().copied().collect();
        end.sets().all(|(set, mark)| {
            mark == Some(end.now)
                && end.sessions.iter().enumerate().all(|(id, session)| {
                    session.end == End::Lost
                        || set.has(id, session.epoch, self.fault) == ended.has(id, session.epoch, None)
                })
        })
    }
}
