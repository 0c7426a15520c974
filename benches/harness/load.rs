//! The load: many connections on one thread that blocks only in the kernel. It is a closed loop (each answer is
//! followed by the next call) or an open loop (calls at fixed times). In an open loop, the latency of a call counts
//! from the time at which it should have been sent, so a stalled server cannot hide its delay.
//!
//! A spell has four phases: connect, warm up, measure, and wait for the calls in progress. The measurement begins when
//! the first call after the warm-up ends, and lasts until the first end after the spell. It thus has whole calls in a
//! whole time, even when a call takes 50 ms.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::mpsc::Sender;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

use super::connection::{Connection, End};
use super::machine::Pinned;
use super::outcome::Outcome;
use super::schedule::{Schedule, TIMER};
use super::wire::{Call, Protocol};

/// How long answers are usually waited for at the end. A call takes 30 s at most.
const DRAIN: Duration = Duration::from_secs(35);

/// How long the first and the last answer of a spell are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The number of connections that are made before the server gets time to accept them.
const AT_ONCE: usize = 50;
const BREATH: Duration = Duration::from_millis(3);

#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// A fixed number of concurrent calls on each connection.
    Closed { streams: usize },
    /// A fixed number of concurrent calls over all connections, each on the next one: most of many connections are
    /// idle.
    Turns { at_once: usize },
    /// A fixed number of calls a second, over all connections in turn.
    Open { per_second: f64 },
    /// One call on each connection, all at the same time.
    Once,
    /// One call at a time on each connection, and the same call again and again.
    Callers,
}

/// The load on a server.
#[derive(Clone, Copy)]
pub struct Load<'a> {
    pub address: SocketAddr,
    /// The calls, which are sent in turn.
    pub calls: &'a [Call],
    pub connections: usize,
    pub pace: Pace,
    pub warm: Duration,
    pub spell: Duration,
    /// How long answers are waited for at the end.
    pub drain: Duration,
    /// The core on which the load runs.
    pub core: Option<usize>,
    /// The process whose CPU time is read at the beginning and the end of the measurement.
    pub server: Option<u32>,
    /// Receives the time of the last call, before the calls in progress end.
    pub when_over: Option<&'a Sender<Instant>>,
}

struct Run<'a> {
    load: Load<'a>,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    next_call: usize,
    /// The connections that may have room for another call of an open loop, the next one first. Looking for one among a
    /// thousand full connections would take the cores from the server.
    with_room: VecDeque<usize>,
    scratch: Vec<u8>,
    outcome: Outcome,
}

impl<'a> Load<'a> {
    /// A load without a warm-up, on any core.
    pub fn new(address: SocketAddr, calls: &'a [Call], connections: usize, pace: Pace, spell: Duration) -> Self {
        Self {
            address,
            calls,
            connections,
            pace,
            warm: Duration::ZERO,
            spell,
            drain: DRAIN,
            core: None,
            server: None,
            when_over: None,
        }
    }

    /// The most concurrent calls on a connection of an open loop: the limit of the server, less one stream that it may
    /// not have closed yet.
    fn streams(&self) -> usize {
        if self.calls[0].protocol == Protocol::Http1 { 1 } else { 199 }
    }

    /// Runs the load to its end on this thread.
    pub fn run(self) -> Outcome {
        let _pinned = Pinned::to(self.core);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let mut run = Run {
            load: self,
            epoll,
            connections: Vec::new(),
            next_call: 0,
            with_room: (0..self.connections).collect(),
            scratch: vec![0; 1 << 17],
            outcome: Outcome::default(),
        };
        for index in 0..self.connections {
            let connection = run.connect(index);
            run.connections.push(connection);
            // The accept queue is short, and a client that finds it full tries again after a second.
            if index % AT_ONCE == AT_ONCE - 1 {
                sleep(BREATH);
            }
        }
        run.go();
        run.outcome
    }

    /// Makes one call and returns its time in milliseconds, or `None` unless the answer is good.
    pub fn one(address: SocketAddr, call: &Call) -> Option<f64> {
        let outcome = Load::new(address, std::slice::from_ref(call), 1, Pace::Once, Duration::ZERO).run();
        (outcome.good == 1).then(|| outcome.ms(1.0))
    }
}

impl Run<'_> {
    fn connect(&self, index: usize) -> Connection {
        let protocol = self.load.calls[0].protocol;
        let connection = Connection::open(self.load.address, protocol);
        let connection = connection.unwrap_or_else(|error| panic!("cannot connect to {}: {error}", self.load.address));
        let data = epoll::EventData::new_u64(index as u64);
        epoll::add(&self.epoll, &connection, data, epoll::EventFlags::IN).unwrap();
        connection
    }

    fn go(&mut self) {
        let begun = Instant::now();
        let measured = begun + self.load.warm;
        let end = measured + self.load.spell;
        let once = matches!(self.load.pace, Pace::Once);
        let mut schedule = self.schedule(begun);
        match self.load.pace {
            Pace::Closed { streams } => (0..self.connections.len()).for_each(|index| self.fill(index, streams)),
            Pace::Once | Pace::Callers => (0..self.connections.len()).for_each(|index| self.fill(index, 1)),
            Pace::Turns { at_once } => (0..at_once).for_each(|_| _ = self.offer(begun)),
            Pace::Open { .. } => {}
        }
        if once {
            self.outcome.begin(begun, self.load.server);
        }
        let mut events = Vec::with_capacity(1_024);
        let (mut sending, mut stopped) = (!once, None);
        loop {
            events.clear();
            let timeout = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("epoll: {error}"),
            }
            let now = Instant::now();
            if sending && now >= end {
                (sending, stopped) = (false, Some(now));
                self.load.when_over.inspect(|over| over.send(now).unwrap());
            }
            for event in &events {
                match event.data.u64() {
                    TIMER => schedule.as_mut().unwrap().clear(),
                    index => self.serve(index as usize, now, measured, sending),
                }
            }
            if sending && let Some(schedule) = &mut schedule {
                while let Some(due) = schedule.due(now) {
                    schedule.is_late = !self.offer(due);
                    if schedule.is_late {
                        break;
                    }
                    schedule.sent += 1;
                }
            }
            // The measurement ends with the first call that ends after the spell, or when that takes too long.
            let waited = |since: Instant, limit| since.elapsed() >= limit;
            if !self.outcome.is_closed() && stopped.is_some_and(|stopped| waited(stopped, PATIENCE)) {
                self.outcome.close(now, self.load.server);
            }
            let idle = || self.connections.iter().all(|connection| connection.in_flight() == 0);
            if !sending && (idle() || waited(stopped.unwrap_or(begun), self.load.drain)) {
                break;
            }
        }
        if !self.outcome.is_closed() {
            self.outcome.close(Instant::now(), self.load.server);
        }
        self.outcome.backlog = schedule.map_or(0, |schedule| schedule.behind(end));
        for connection in &mut self.connections {
            self.outcome.unanswered += connection.lost().count() as u64;
        }
    }

    fn schedule(&self, begun: Instant) -> Option<Schedule> {
        match self.load.pace {
            Pace::Open { per_second } => Some(Schedule::start(per_second, begun, &self.epoll)),
            _ => None,
        }
    }

    /// Reads from a connection, and sends the calls that follow.
    fn serve(&mut self, index: usize, now: Instant, measured: Instant, sending: bool) {
        let Self { connections, outcome, scratch, load, .. } = self;
        let once = matches!(load.pace, Pace::Once);
        let connection = &mut connections[index];
        let was_full = !connection.has_room(load.streams());
        let mut count = 0;
        let received = connection.receive(scratch, |since, end| {
            count += 1;
            if outcome.is_open() {
                outcome.note(now, since, end);
                if !sending && !once {
                    outcome.close(now, load.server);
                }
                return;
            }
            outcome.lost += u64::from(end == End::Lost);
            if !outcome.is_closed() && now >= measured {
                outcome.begin(now, load.server);
            }
        });
        match received.and_then(|()| connection.flush()) {
            Ok(()) if connection.is_spent() => self.replace(index),
            Ok(()) => {}
            Err(error) => {
                let lost = connection.lost().count() as u64;
                self.outcome.lost += lost;
                if lost > 0 && error.kind() != ErrorKind::UnexpectedEof {
                    self.outcome.cause = Some(error);
                }
                self.replace(index);
            }
        }
        if was_full && self.has_room(index) {
            self.with_room.push_back(index);
        }
        match self.load.pace {
            Pace::Closed { streams } if sending => self.fill(index, streams),
            Pace::Callers if sending => self.fill(index, 1),
            // There is room, because as many calls have just ended.
            Pace::Turns { .. } if sending => (0..count).for_each(|_| _ = self.offer(now)),
            _ => {}
        }
    }

    fn replace(&mut self, index: usize) {
        self.outcome.replaced += 1;
        self.connections[index] = self.connect(index);
    }

    /// Sends as many calls as a connection has room for.
    fn fill(&mut self, index: usize, streams: usize) {
        let now = Instant::now();
        while self.connections[index].has_room(streams) {
            self.push(index, now);
        }
        self.flush(index);
    }

    /// Sends a due call on the next connection with room. Returns `false` if none has room.
    fn offer(&mut self, due: Instant) -> bool {
        while let Some(index) = self.with_room.pop_front() {
            if self.has_room(index) {
                self.push(index, due);
                self.flush(index);
                if self.has_room(index) {
                    self.with_room.push_back(index);
                }
                return true;
            }
        }
        false
    }

    fn has_room(&self, index: usize) -> bool {
        self.connections[index].has_room(self.load.streams())
    }

    fn push(&mut self, index: usize, since: Instant) {
        let own = matches!(self.load.pace, Pace::Callers).then_some(index);
        let call = &self.load.calls[own.unwrap_or(self.next_call)];
        self.next_call = (self.next_call + 1) % self.load.calls.len();
        self.connections[index].push(call, since);
    }

    /// What the system does not take now is sent with the next answer. Requests are far smaller than a socket's buffer.
    fn flush(&mut self, index: usize) {
        // The next read returns the error, too.
        let _ = self.connections[index].flush();
    }
}
