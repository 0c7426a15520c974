//! A replica: its feed reads revocations from the database into the set, publishes them to the watchers' streams, and
//! marks the set as complete.

use super::database::{Database, Row, since};
use super::{Fault, MARK_IS_TRUE, Set, State, Tick, World};

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Replica {
    pub set: Set,
    /// Everything that was acknowledged before this moment is in the set; `None` before the set was ever complete.
    pub mark: Option<Tick>,
    /// The last row that was read.
    position: Option<Row>,
    /// The last row that a new subscriber will not get.
    pub published: Option<Row>,
    /// Whether it has read something since it last began from the beginning.
    is_following: bool,
    /// The losses of connections that it has noticed.
    losses: u8,
    reading: Reading,
}

/// How far the present reading has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
enum Reading {
    #[default]
    Waiting,
    Asked {
        began: Tick,
    },
    Answered {
        began: Tick,
        rows: Vec<Row>,
    },
    Inserted {
        began: Tick,
        rows: Vec<Row>,
    },
    Published {
        began: Tick,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It notes the time, and sends its query.
    Ask,
    /// The database answers, or the connection turns out to be lost.
    Answer,
    /// It inserts the rows into the set.
    Insert,
    /// It publishes the rows, or ends all streams if it has read from the beginning.
    Publish,
    /// It marks the set as complete until the time when it asked.
    Mark,
}

impl Replica {
    /// Whether the connections are good and nothing may have been missed. Otherwise calls get no connection.
    pub(super) fn is_in_step(&self, database: &Database) -> bool {
        self.is_following && self.losses == database.losses
    }

    pub(super) fn is_stale(&self, now: Tick, staleness: Tick) -> bool {
        self.mark.is_none_or(|mark| since(now, mark) >= staleness)
    }
}

impl World {
    pub(super) fn feed_step(&self, state: &State, replica: usize) -> Step {
        match state.replicas[replica].reading {
            Reading::Waiting => Step::Ask,
            Reading::Asked { .. } => Step::Answer,
            Reading::Answered { .. } => Step::Insert,
            Reading::Inserted { .. } => Step::Publish,
            Reading::Published { .. } => Step::Mark,
        }
    }

    pub(super) fn take_feed_step(&self, state: &mut State, replica: usize, step: Step) {
        let now = state.now;
        let reader = &mut state.replicas[replica];
        match (step, std::mem::take(&mut reader.reading)) {
            (Step::Ask, _) => reader.reading = Reading::Asked { began: now },
            (Step::Answer, Reading::Asked { began }) => self.answer(state, replica, began),
            (Step::Insert, Reading::Answered { began, rows }) => {
                reader.position = rows.last().copied().or(reader.position);
                // With this fault, the two steps are taken in the other order.
                if self.fault == Some(Fault::PublishesBeforeInserting) {
                    self.publish(state, replica, &rows);
                } else {
                    rows.iter().for_each(|row| reader.set.insert(row.change));
                }
                state.replicas[replica].reading = Reading::Inserted { began, rows };
            }
            (Step::Publish, Reading::Inserted { began, rows }) => {
                if self.fault == Some(Fault::PublishesBeforeInserting) {
                    rows.iter().for_each(|row| reader.set.insert(row.change));
                } else {
                    self.publish(state, replica, &rows);
                }
                state.replicas[replica].reading = Reading::Published { began };
            }
            (Step::Mark, Reading::Published { began }) => {
                reader.is_following = true;
                let until = if self.fault == Some(Fault::MarksTheEndOfTheReading) { now } else { began };
                state.mark_replica(replica, until);
            }
            (_, reading) => reader.reading = reading,
        }
    }

    fn answer(&self, state: &mut State, replica: usize, began: Tick) {
        let State { replicas, database, .. } = state;
        let reader = &mut replicas[replica];
        if reader.losses != database.losses {
            // What is there now may be an older state of the database, so it reads from the beginning.
            reader.losses = database.losses;
            if self.fault != Some(Fault::ReadsOnAfterALoss) {
                reader.is_following = false;
                reader.position = None;
            }
            return;
        }
        let mut rows = database.after(reader.position.map_or(0, |row| row.seq));
        if self.fault == Some(Fault::SkipsTheNumbersThatWereGivenOut)
            && let Some(last) = rows.last_mut()
        {
            last.seq = database.last_seq();
        }
        reader.reading = Reading::Answered { began, rows };
        if self.fault == Some(Fault::MarksBeforeInserting) {
            state.mark_replica(replica, began);
        }
    }

    fn publish(&self, state: &mut State, replica: usize, rows: &[Row]) {
        let State { replicas, watchers, .. } = state;
        let reader = &mut replicas[replica];
        reader.published = reader.position;
        for stream in watchers.iter_mut().filter_map(|watcher| watcher.stream_of(replica)) {
            if reader.is_following {
                stream.publish(rows, self);
            } else if self.fault != Some(Fault::StreamsGoOnAfterALoss) {
                stream.has_ended = true;
            }
        }
    }

    /// The feed ends its reading, notices every loss, and reads once more.
    pub(super) fn settle_feed(&self, state: &mut State, replica: usize) {
        for _ in 0..4 * 5 {
            let step = self.feed_step(state, replica);
            self.take_feed_step(state, replica, step);
        }
        while state.replicas[replica].reading != Reading::Waiting {
            let step = self.feed_step(state, replica);
            self.take_feed_step(state, replica, step);
        }
    }
}

impl State {
    fn mark_replica(&mut self, replica: usize, until: Tick) {
        self.replicas[replica].mark = Some(until);
        if self.lacks(self.replicas[replica].set, until) {
            self.breaks(MARK_IS_TRUE);
        }
    }
}
