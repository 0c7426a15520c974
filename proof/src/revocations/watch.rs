//! A service that watches revocations: the stream that a replica sends, what is under way, and the set that the service
//! keeps of it.

use super::database::Row;
use super::{CLAIM_IS_TRUE, Fault, Set, State, Tick, World};

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Watcher {
    pub set: Set,
    pub mark: Option<Tick>,
    /// From where the next stream goes on.
    cursor: Option<Row>,
    stream: Option<Stream>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Stream {
    replica: usize,
    /// When the service began its call, by its own clock.
    called: Tick,
    /// When the replica began to serve it, by the replica's clock.
    served: Tick,
    phase: Phase,
    /// What was published and not yet sent.
    ring: Vec<Vec<Row>>,
    is_subscribed: bool,
    /// Whether the ring takes no more.
    pub has_ended: bool,
    has_lapped: bool,
    /// The last row that was sent, or is in the backlog.
    position: Option<Row>,
    backlog: Vec<Message>,
    heartbeat: Option<Heartbeat>,
    /// The message that was sent and has not arrived.
    wire: Option<Message>,
}

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Called,
    /// The first of: subscribed to the ring; read the backlog.
    Half,
    Open,
}

/// A heartbeat that waits until what was in the ring before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Heartbeat {
    complete_until: Option<Tick>,
    /// The batches that come before it; `None` before they were counted.
    behind: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Message {
    revoked: Set,
    cursor: Option<Row>,
    /// Counted from when the replica began to serve the call; it may be before that.
    complete_until: Option<i8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The service calls this replica.
    Call(usize),
    /// The replica begins: it subscribes to the ring.
    Serve,
    /// The replica reads what the service lacks.
    ReadBacklog,
    /// A heartbeat is due: the replica reads the mark of its set.
    BeginHeartbeat,
    /// The replica counts the batches that come before the heartbeat.
    CountBatches,
    /// The replica sends the next message.
    Send,
    /// The message arrives.
    Receive,
    /// The connection breaks.
    Cut,
}

impl Watcher {
    /// The stream from this replica, if it is subscribed there.
    pub(super) fn stream_of(&mut self, replica: usize) -> Option<&mut Stream> {
        self.stream.as_mut().filter(|stream| stream.replica == replica && stream.is_subscribed)
    }
}

impl Stream {
    pub(super) fn publish(&mut self, rows: &[Row], world: &World) {
        if rows.is_empty() || self.has_ended {
            return;
        }
        self.ring.push(rows.to_vec());
        if self.ring.len() > world.ring {
            self.ring.remove(0);
            self.has_lapped |= world.fault != Some(Fault::StreamsGoOnAfterALap);
        }
    }
}

impl World {
    pub(super) fn watch_steps(&self, state: &State, watcher: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        match &state.watchers[watcher].stream {
            None => steps.extend((0..self.replicas).map(Step::Call)),
            Some(stream) => {
                let reads_first = self.fault == Some(Fault::SubscribesAfterTheBacklog);
                match (stream.phase, reads_first) {
                    (Phase::Called, false) | (Phase::Half, true) => steps.push(Step::Serve),
                    (Phase::Called, true) | (Phase::Half, false) => steps.push(Step::ReadBacklog),
                    (Phase::Open, _) => {
                        if stream.backlog.is_empty() {
                            match stream.heartbeat {
                                None => steps.push(Step::BeginHeartbeat),
                                Some(Heartbeat { behind: None, .. }) => steps.push(Step::CountBatches),
                                Some(_) => {}
                            }
                        }
                        let is_counting = stream.heartbeat.is_some_and(|heartbeat| heartbeat.behind.is_none());
                        if stream.wire.is_none() && !is_counting {
                            steps.push(Step::Send);
                        }
                    }
                }
                if stream.wire.is_some() {
                    steps.push(Step::Receive);
                }
                if state.left.cuts > 0 {
                    steps.push(Step::Cut);
                }
            }
        }
        steps
    }

    pub(super) fn take_watch_step(&self, state: &mut State, watcher: usize, step: Step) {
        let now = state.now;
        match step {
            Step::Call(replica) => {
                state.watchers[watcher].stream = Some(Stream {
                    replica,
                    called: now,
                    served: now,
                    phase: Phase::Called,
                    ring: Vec::new(),
                    is_subscribed: false,
                    has_ended: false,
                    has_lapped: false,
                    position: None,
                    backlog: Vec::new(),
                    heartbeat: None,
                    wire: None,
                });
            }
            Step::Cut => {
                state.left.cuts -= 1;
                state.watchers[watcher].stream = None;
            }
            Step::Receive => self.receive(state, watcher),
            _ => {
                let Some(mut stream) = state.watchers[watcher].stream.take() else { return };
                let goes_on = match step {
                    Step::Serve => self.serve(state, &mut stream),
                    Step::ReadBacklog => self.read_backlog(state, &mut stream, state.watchers[watcher].cursor),
                    Step::BeginHeartbeat => self.begin_heartbeat(state, &mut stream),
                    Step::CountBatches => self.count_batches(state, &mut stream),
                    _ => self.send(&mut stream),
                };
                // A message that is under way still arrives: the end of the stream comes after it.
                if goes_on || stream.wire.is_some() {
                    state.watchers[watcher].stream = Some(stream);
                }
            }
        }
    }

    fn serve(&self, state: &State, stream: &mut Stream) -> bool {
        let replica = &state.replicas[stream.replica];
        (stream.served, stream.is_subscribed) = (state.now, true);
        if stream.phase == Phase::Called {
            (stream.phase, stream.position) = (Phase::Half, replica.published);
        } else {
            stream.phase = Phase::Open;
        }
        !replica.is_stale(state.now, self.staleness)
    }

    /// What was stored since the cursor, if the database still has the row of the cursor; otherwise the whole set.
    fn read_backlog(&self, state: &State, stream: &mut Stream, cursor: Option<Row>) -> bool {
        let replica = &state.replicas[stream.replica];
        stream.phase = if stream.phase == Phase::Called { Phase::Half } else { Phase::Open };
        let has_row = |row: &Row| {
            state.database.rows.iter().any(|one| match self.fault {
                Some(Fault::CursorsAreNumbers) => one.seq == row.seq,
                _ => one == row,
            })
        };
        let mut revoked = replica.set;
        if cursor.is_some() && !replica.is_in_step(&state.database) {
            return false;
        }
        if let Some(row) = cursor.filter(has_row) {
            let missed = state.database.after(row.seq);
            stream.position = missed.last().copied().or(Some(row));
            revoked = missed.into_iter().collect();
        }
        let whole = Message { revoked, cursor: None, complete_until: None };
        let end = Message { revoked: Set::default(), cursor: stream.position, complete_until: None };
        stream.backlog = vec![end, whole];
        if self.fault == Some(Fault::TheCursorComesBeforeTheBacklog) {
            stream.backlog.reverse();
        }
        true
    }

    fn begin_heartbeat(&self, state: &State, stream: &mut Stream) -> bool {
        let mut heartbeat = Heartbeat { complete_until: None, behind: None };
        if self.fault == Some(Fault::BatchesAreCountedFirst) {
            heartbeat.behind = Some(stream.ring.len());
            // The count stands. The next step reads the mark.
            stream.heartbeat = Some(Heartbeat { behind: None, complete_until: heartbeat.behind.map(|n| n as Tick) });
        } else {
            heartbeat.complete_until = state.replicas[stream.replica].mark;
            stream.heartbeat = Some(heartbeat);
        }
        true
    }

    fn count_batches(&self, state: &State, stream: &mut Stream) -> bool {
        let Some(mut heartbeat) = stream.heartbeat.take() else { return true };
        heartbeat.behind = match self.fault {
            Some(Fault::HeartbeatsOvertakeBatches) => Some(0),
            Some(Fault::BatchesAreCountedFirst) => heartbeat.complete_until.map(usize::from),
            _ => Some(stream.ring.len()),
        };
        if self.fault == Some(Fault::BatchesAreCountedFirst) {
            heartbeat.complete_until = state.replicas[stream.replica].mark;
        }
        // Otherwise the mark may vouch for rows that were never published here.
        if !stream.has_ended || self.fault == Some(Fault::HeartbeatsOutliveTheRing) {
            stream.heartbeat = Some(heartbeat);
            return true;
        }
        self.send(stream)
    }

    /// Sends the next message. Returns false when the stream is over.
    fn send(&self, stream: &mut Stream) -> bool {
        if stream.wire.is_some() {
            return true;
        }
        if let Some(message) = stream.backlog.pop() {
            stream.wire = Some(message);
            return true;
        }
        if let Some(Heartbeat { complete_until, .. }) = stream.heartbeat.take_if(|one| one.behind == Some(0)) {
            let complete_until = complete_until.map(|mark| mark.cast_signed() - stream.served.cast_signed());
            stream.wire = Some(Message { revoked: Set::default(), cursor: stream.position, complete_until });
            return true;
        }
        if stream.has_lapped {
            return false;
        }
        if stream.ring.is_empty() {
            return !stream.has_ended;
        }
        let batch = stream.ring.remove(0);
        if let Some(behind) = stream.heartbeat.as_mut().and_then(|heartbeat| heartbeat.behind.as_mut()) {
            *behind = behind.saturating_sub(1);
        }
        let number = |row: Option<&Row>| row.map_or(0, |row| row.seq);
        if number(batch.last()) > number(stream.position.as_ref()) {
            stream.position = batch.last().copied();
            let revoked = batch.into_iter().collect();
            stream.wire = Some(Message { revoked, cursor: stream.position, complete_until: None });
        }
        true
    }

    fn receive(&self, state: &mut State, watcher: usize) {
        let now = state.now;
        let service = &mut state.watchers[watcher];
        let Some(stream) = &mut service.stream else { return };
        let Some(message) = stream.wire.take() else { return };
        if self.fault == Some(Fault::TheServiceCountsFromTheAnswer) && message.complete_until.is_none() {
            stream.called = now;
        }
        service.set.merge(message.revoked);
        service.cursor = message.cursor.or(service.cursor);
        if let Some(after) = message.complete_until {
            let until = stream.called.saturating_add_signed(after).min(now);
            let until = if self.fault == Some(Fault::ClaimsAreTakenForNow) { now } else { until };
            service.mark = Some(until);
            if state.lacks(state.watchers[watcher].set, until) {
                state.breaks(CLAIM_IS_TRUE);
            }
        }
    }

    /// The service watches anew, and hears everything up to a heartbeat.
    pub(super) fn settle_watch(&self, state: &mut State, watcher: usize) {
        (state.watchers[watcher].stream, state.watchers[watcher].mark) = (None, None);
        self.take_watch_step(state, watcher, Step::Call(0));
        for _ in 0..100 {
            let steps = self.watch_steps(state, watcher);
            let is_told = state.watchers[watcher].mark == Some(state.now);
            let next =
                [Step::Receive, Step::Serve, Step::ReadBacklog, Step::BeginHeartbeat, Step::CountBatches, Step::Send];
            match next.into_iter().find(|step| steps.contains(step)) {
                Some(step) if !is_told => self.take_watch_step(state, watcher, step),
                _ => return,
            }
        }
    }
}
