//! The database: transactions that end sessions, numbered rows in the order of commits, a failover, and a backup that
//! is restored. A transaction is followed to the answer that its client gets.

use super::{End, Fault, State, Tick, World};

/// What a row of the table of revocations says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// This session has ended.
    End(usize),
    /// The account is in this epoch from now on. The sessions of earlier epochs have ended.
    Raise(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Row {
    /// The place in the order of commits.
    pub seq: u8,
    pub change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Transaction {
    row: Row,
    /// The replica whose client asked for it; `None` for the command line.
    by: Option<usize>,
    is_committed: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Database {
    /// The committed rows in the order of their numbers.
    pub rows: Vec<Row>,
    /// The transactions whose clients wait for an answer.
    waiting: Vec<Transaction>,
    /// The last number that was given to a row.
    last_seq: u8,
    /// How often all connections were lost.
    pub losses: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A client asks for a change, and its row gets a number.
    Begin(Change, Option<usize>),
    /// The transaction at this place of the waiting ones is committed.
    Commit(usize),
    /// Its replica inserts it into its own set and answers the client.
    Acknowledge(usize),
    /// Another server takes over with all that was committed. All connections are lost.
    FailOver,
    /// A backup with this many rows is restored. All connections are lost.
    Restore(usize),
}

impl Database {
    /// The epoch of the account.
    pub(super) fn epoch(&self) -> u8 {
        let raised = self.rows.iter().filter_map(|row| match row.change {
            Change::Raise(epoch) => Some(epoch),
            Change::End(_) => None,
        });
        raised.max().unwrap_or(0)
    }

    /// Whether a change is under way that ends the sessions of this epoch.
    pub(super) fn is_raised_above(&self, epoch: u8) -> bool {
        self.waiting.iter().any(|one| matches!(one.row.change, Change::Raise(next) if epoch < next))
    }

    /// The rows after this number.
    pub(super) fn after(&self, seq: u8) -> Vec<Row> {
        self.rows.iter().copied().filter(|row| row.seq > seq).collect()
    }

    pub(super) fn last_seq(&self) -> u8 {
        self.last_seq
    }

    fn lose_connections(&mut self) {
        self.waiting.clear();
        self.losses += 1;
    }
}

impl World {
    pub(super) fn database_steps(&self, state: &State) -> Vec<Step> {
        let database = &state.database;
        let mut steps = Vec::new();
        // The lock that makes the order of numbers the order of commits.
        let is_locked = database.waiting.iter().any(|one| !one.is_committed);
        if !is_locked || self.fault == Some(Fault::CommitsInAnyOrder) {
            let connected = |&by: &Option<usize>| by.is_none_or(|by| state.replicas[by].is_in_step(database));
            let by: Vec<_> = [None, Some(0)].into_iter().filter(connected).collect();
            let is_live = |&id: &usize| state.sessions[id].end == End::Never;
            if state.left.ends > 0 {
                let live = (0..state.sessions.len()).filter(is_live);
                steps.extend(live.flat_map(|id| by.iter().map(move |&by| Step::Begin(Change::End(id), by))));
            }
            if state.left.raises > 0 {
                let change = Change::Raise(database.epoch() + 1);
                steps.extend(by.iter().map(|&by| Step::Begin(change, by)));
            }
        }
        for (place, one) in database.waiting.iter().enumerate() {
            steps.push(if one.is_committed { Step::Acknowledge(place) } else { Step::Commit(place) });
        }
        if state.left.failovers > 0 {
            steps.push(Step::FailOver);
        }
        if state.left.restores > 0 {
            steps.extend((0..database.rows.len()).map(Step::Restore));
        }
        steps
    }

    pub(super) fn take_database_step(&self, state: &mut State, step: Step) {
        match step {
            Step::Begin(change, by) => {
                match change {
                    Change::End(_) => state.left.ends -= 1,
                    Change::Raise(_) => state.left.raises -= 1,
                }
                state.database.last_seq += 1;
                let row = Row { seq: state.database.last_seq, change };
                state.database.waiting.push(Transaction { row, by, is_committed: false });
                state.note(change, |_| End::Asked);
                if self.fault == Some(Fault::AnswersBeforeTheCommit) {
                    self.acknowledge(state, row, by);
                }
            }
            Step::Commit(place) => {
                state.database.waiting[place].is_committed = true;
                let row = state.database.waiting[place].row;
                state.database.rows.push(row);
                state.database.rows.sort_unstable_by_key(|row| row.seq);
            }
            Step::Acknowledge(place) => {
                let done = state.database.waiting.remove(place);
                self.acknowledge(state, done.row, done.by);
            }
            Step::FailOver => {
                state.left.failovers -= 1;
                state.database.lose_connections();
            }
            Step::Restore(rows) => {
                state.left.restores -= 1;
                for lost in state.database.rows.split_off(rows) {
                    state.note(lost.change, |_| End::Lost);
                }
                for waiting in state.database.waiting.clone() {
                    state.note(waiting.row.change, |_| End::Lost);
                }
                state.database.last_seq = state.database.rows.last().map_or(0, |row| row.seq);
                state.database.lose_connections();
            }
        }
    }

    fn acknowledge(&self, state: &mut State, row: super::Row, by: Option<usize>) {
        if let Some(by) = by
            && self.fault != Some(Fault::AnswersWithoutTheOwnSet)
        {
            state.replicas[by].set.insert(row.change);
        }
        let now = state.now;
        state.note(row.change, |end| match end {
            // It had ended before this.
            End::Acknowledged { .. } => end,
            _ => End::Acknowledged { at: now, by },
        });
    }

    /// Every transaction is committed and answered.
    pub(super) fn settle_database(&self, state: &mut State) {
        while let Some(first) = state.database.waiting.first() {
            let step = if first.is_committed { Step::Acknowledge(0) } else { Step::Commit(0) };
            self.take_database_step(state, step);
        }
    }
}

impl State {
    /// Notes the end of each session that a change concerns, unless it is lost or has ended before.
    fn note(&mut self, change: Change, end: impl Fn(End) -> End) {
        for (id, session) in self.sessions.iter_mut().enumerate() {
            let concerned = match change {
                Change::End(ended) => ended == id,
                Change::Raise(epoch) => session.epoch < epoch,
            };
            let next = end(session.end);
            let is_over = matches!(session.end, End::Acknowledged { .. }) && next != End::Lost;
            if concerned && session.end != End::Lost && !is_over {
                session.end = next;
            }
        }
    }
}

/// The time since a moment.
pub(super) fn since(now: Tick, moment: Tick) -> Tick {
    now.saturating_sub(moment)
}
