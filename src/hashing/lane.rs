//! The threads, and the rules by which a job is admitted to their queue, leaves it, and runs.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout_at;
use zeroize::Zeroizing;

use super::memory::Memory;
use super::queue::{Queue, QueueClient, QueueSlot};
use super::stats::{Dropped, LaneStats, RefusalCause};
use super::weight::{HeavyJobs, Weight};
use super::{HashError, Turn, machine};

/// The assumed duration of a hash before any is done. The first ones are slower than the others, so it counts for them.
const FIRST_GUESS: Duration = Duration::from_millis(25);

/// How long an idle thread keeps its memory. Allocating it again costs milliseconds.
const IDLE: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 5_000 });

/// The queue reserves one of every `RESERVED` places for networks that it has not served lately. Otherwise one caller
/// for each place, each in a network of its own and back as soon as it was served, would keep all others out. Of 128
/// places, 32 are reserved, which two threads serve within a second.
const RESERVED: usize = 4;

pub(super) type HashOutput = Result<Zeroizing<Vec<u8>>, HashError>;

/// Called when a job's turn has come. With a value, the job begins, and the value is held until the job is settled.
/// With `None`, the job waits until another job drops its value. With an error, the job is not hashed and may be sent
/// again after that time.
pub(super) type Gate = Box<dyn Fn() -> Result<Option<GateValue>, Duration> + Send>;

type GateValue = Box<dyn Send>;

/// The queue and its threads. The threads end when it is dropped.
pub(super) struct Lane(Arc<Shared>);

struct Shared {
    state: Mutex<LaneState>,
    /// Notified when a job arrives, when a waiting job may begin, and when the lane is closed.
    news: Condvar,
    memory: Arc<AtomicUsize>,
}

struct LaneState {
    queue: Queue<Job>,
    closed: bool,
    /// The places that are kept for callers who have not sent their job yet.
    reserved: usize,
    /// The moving average of the duration of hashes, without dear ones if they have threads of their own.
    run_time: Duration,
    heavy: HeavyJobs,
    /// All statistics except the number of waiting jobs and the memory, which are read directly.
    stats: LaneStats,
}

/// A hash to compute, and the channel for its output.
struct Job {
    gate: Option<Gate>,
    weight: Weight,
    hash: Box<dyn FnOnce(&mut Memory) -> HashOutput + Send>,
    reply: oneshot::Sender<Reply>,
    deadline: Instant,
    since: Instant,
}

type Reply = Result<(Zeroizing<Vec<u8>>, Permit), HashError>;

/// What the gate returned for a job. Its holder keeps it until everything that follows from the hash is settled.
#[must_use]
pub struct Permit(Option<(GateValue, Arc<Shared>)>);

/// A place in the queue that is kept for a caller.
#[must_use]
pub(crate) struct Reservation(Arc<Shared>);

/// A task that waits for its job, and removes the job from the queue when dropped.
struct Waiter<'a> {
    shared: &'a Shared,
    place: QueueSlot,
    deadline: tokio::time::Instant,
    output: oneshot::Receiver<Reply>,
}

impl Lane {
    /// Starts `threads` threads, which keep `usual_blocks` of memory each. At most `capacity` jobs wait for them.
    pub(super) fn start(threads: usize, capacity: usize, usual_blocks: usize) -> io::Result<Self> {
        let state = LaneState {
            queue: Queue::new(),
            closed: false,
            reserved: 0,
            run_time: FIRST_GUESS,
            heavy: HeavyJobs::default(),
            stats: LaneStats { threads, capacity, ..LaneStats::default() },
        };
        let (state, news, memory) = (Mutex::new(state), Condvar::new(), Arc::default());
        // Created first, so that the threads that have started end when another one cannot start.
        let lane = Self(Arc::new(Shared { state, news, memory }));
        for index in 0..threads {
            let shared = Arc::clone(&lane.0);
            let work = move || shared.work(&mut Memory::new(usual_blocks, Arc::clone(&shared.memory)));
            thread::Builder::new().name(format!("hash-{index}")).spawn(work)?;
        }
        Ok(lane)
    }

    /// Refuses and counts a caller for whose job there is no room now.
    pub(super) fn require_room(&self, turn: &Turn) -> Result<(), HashError> {
        let mut state = self.0.lock();
        state.judge(turn).map(drop).map_err(|refusal| state.refuse(refusal, turn))
    }

    /// Keeps a place for a job that is sent soon, until the result is dropped. Refuses as [`Self::require_room`] does.
    pub(super) fn reserve(&self, turn: &Turn) -> Result<Reservation, HashError> {
        let mut state = self.0.lock();
        state.judge(turn).map_err(|refusal| state.refuse(refusal, turn))?;
        state.reserved += 1;
        Ok(Reservation(Arc::clone(&self.0)))
    }

    /// Runs a job without a gate, as [`Self::run_past`] does with one.
    pub(super) async fn run(
        &self,
        turn: Turn,
        gone: impl Future<Output = ()>,
        hash: impl FnOnce(&mut Memory) -> HashOutput + Send + 'static,
    ) -> HashOutput {
        self.run_past(None, turn, Weight::Usual, gone, hash).await.map(|(output, _)| output)
    }

    /// Waits for the turn and for the hash, or is refused at once. Dropping the future gives the turn up, and so does
    /// `gone` when it completes. A hash that has begun runs to its end.
    pub(super) async fn run_past(
        &self,
        gate: Option<Gate>,
        turn: Turn,
        weight: Weight,
        gone: impl Future<Output = ()>,
        hash: impl FnOnce(&mut Memory) -> HashOutput + Send + 'static,
    ) -> Reply {
        let mut waiter = self.admit(gate, &turn, weight, Box::new(hash))?;
        let given_up = timeout_at(waiter.deadline, gone);
        let output = tokio::select! {
            biased;
            output = &mut waiter.output => output,
            _ = given_up => {
                if waiter.leave() {
                    return Err(HashError::Late);
                }
                // The hash has begun, so its result is awaited.
                (&mut waiter.output).await
            }
        };
        output.unwrap_or(Err(HashError::Failed("the hash panicked")))
    }

    fn admit(
        &self,
        gate: Option<Gate>,
        turn: &Turn,
        weight: Weight,
        hash: Box<dyn FnOnce(&mut Memory) -> HashOutput + Send>,
    ) -> Result<Waiter<'_>, HashError> {
        let (reply, output) = oneshot::channel();
        let job = Job { gate, weight, hash, reply, deadline: turn.deadline, since: Instant::now() };
        let shared = &*self.0;
        let mut state = shared.lock();
        let gives_way = state.judge(turn).map_err(|refusal| state.refuse(refusal, turn))?;
        let displaced = gives_way.and_then(|client| state.queue.pop_latest(client));
        let displaced = displaced.map(|job| (job.reply, state.refuse(RefusalCause::Displaced, turn)));
        let place = state.queue.push(turn.client.into(), job);
        drop(state);
        shared.news.notify_one();
        if let Some((reply, refusal)) = displaced {
            // Sending fails when the waiter has left meanwhile, which does no harm.
            let _ = reply.send(Err(refusal));
        }
        Ok(Waiter { shared, place, deadline: turn.deadline.into(), output })
    }

    /// Sets the assumed duration of a hash.
    #[cfg(test)]
    pub(super) fn assume(&self, run_time: Duration) {
        self.0.lock().run_time = run_time;
    }

    /// Returns the counter of the memory that the threads hold. Each running thread holds a reference to it.
    #[cfg(test)]
    pub(super) fn memory(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.0.memory)
    }

    /// Returns the statistics of this moment.
    pub(super) fn stats(&self) -> LaneStats {
        let state = self.0.lock();
        let memory = self.0.memory.load(Ordering::Relaxed);
        LaneStats { waiting: state.queue.len(), memory, ..state.stats.clone() }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loop of each thread.
    fn work(self: &Arc<Self>, memory: &mut Memory) {
        machine::yield_to_others();
        while let Some((job, held)) = self.next(memory) {
            let permit = Permit(held.map(|held| (held, Arc::clone(self))));
            let begun = Instant::now();
            // A panic costs its own job only: the reply is dropped, and the thread goes on.
            let output = catch_unwind(AssertUnwindSafe(|| (job.hash)(memory)));
            self.lock().end(job.weight, begun.elapsed());
            if let Ok(output) = output {
                // Sending fails when the waiter has left meanwhile, which does no harm.
                let _ = job.reply.send(output.map(|output| (output, permit)));
            }
            memory.trim();
        }
    }

    /// Waits for a job that may begin, and wipes the memory. Returns `None` when the lane is closed.
    fn next(&self, memory: &mut Memory) -> Option<(Job, Option<GateValue>)> {
        let mut state = self.lock();
        while !state.closed {
            let must_wait = state.heavy.waiting(state.stats.threads);
            if let Some((job, verdict)) = state.queue.pop_where(|job| must_wait(job.weight), Job::judge) {
                match verdict {
                    Ok(held) => {
                        state.begin(&job);
                        return Some((job, held));
                    }
                    Err((dropped, error)) => {
                        state.stats.dropped[dropped as usize] += 1;
                        // The threads that this wakes want the lock at once.
                        drop(state);
                        let _ = job.reply.send(Err(error));
                        state = self.lock();
                    }
                }
            } else if memory.is_dirty() {
                drop(state);
                memory.wipe();
                state = self.lock();
            } else if memory.is_held() {
                let (woken, waited) = self.news.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
                state = woken;
                if waited.timed_out() && state.queue.len() == 0 {
                    drop(state);
                    memory.give_back();
                    state = self.lock();
                }
            } else {
                state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        None
    }
}

impl LaneState {
    /// Whether this turn would come in time. In a full queue, returns the client whose latest job it would displace.
    fn judge(&self, turn: &Turn) -> Result<Option<QueueClient>, RefusalCause> {
        let LaneStats { threads, capacity, running, .. } = self.stats;
        let client = QueueClient::from(turn.client);
        let room = capacity - if self.queue.is_known(client) { capacity / RESERVED } else { 0 };
        // Jobs for which a thread is waking up take no room.
        let full = self.queue.len() + self.reserved + running >= room + threads;
        let gives_way = if full { Some(self.queue.gives_way_to(client).ok_or(RefusalCause::Full)?) } else { None };
        let left = turn.deadline.saturating_duration_since(Instant::now());
        // A job that must wait must also be done in time: in a queue that is as long as all deadlines, every job would
        // be hashed in vain. A job that need not wait is not refused because hashes took long before.
        let in_time = |ahead| match running + ahead {
            before if before < threads => true,
            before => self.time_for(before / threads + 1) <= left,
        };
        // The upper bound of the jobs ahead is cheaper than their exact number.
        if left.is_zero() || !(in_time(self.queue.len()) || in_time(self.queue.ahead_of(client))) {
            return Err(RefusalCause::Deadline);
        }
        Ok(gives_way)
    }

    /// Counts a refusal and returns its error. A call without any time left is late, however few wait.
    fn refuse(&mut self, refusal: RefusalCause, turn: &Turn) -> HashError {
        self.stats.refused[refusal as usize] += 1;
        if refusal == RefusalCause::Deadline && turn.deadline <= Instant::now() {
            return HashError::Late;
        }
        HashError::Overloaded { distance: self.time_for(1) / self.stats.threads.try_into().unwrap_or(u32::MAX) }
    }

    /// Returns how long it takes until each thread has run so many jobs.
    fn time_for(&self, jobs: usize) -> Duration {
        self.run_time.saturating_mul(jobs.try_into().unwrap_or(u32::MAX))
    }

    /// Updates the statistics when a job begins.
    fn begin(&mut self, job: &Job) {
        self.stats.running += 1;
        self.heavy.begin(job.weight);
        self.stats.wait.observe(job.since.elapsed());
    }

    fn end(&mut self, weight: Weight, took: Duration) {
        let is_dear = weight != Weight::Usual;
        self.stats.running -= 1;
        self.stats.run.observe(took);
        self.heavy.end(weight);
        // Nobody is refused because a few hashes of another system take long, unless everybody waits for them.
        if !is_dear || self.stats.threads == 1 {
            // A few of our hashes that had to leave the cores to others, as when a rush begins, change little.
            let took = if is_dear { took } else { took.min(self.run_time * 2) };
            self.run_time = (self.run_time * 7 + took) / 8;
        }
    }
}

impl Job {
    /// Returns whether the job begins, now that its turn has come, or never; `None` when it must wait. Its waiter is
    /// still there, since a leaving waiter removes its job, but the deadline may have passed before the waiter's timer
    /// fired.
    fn judge(&self) -> Option<Result<Option<GateValue>, (Dropped, HashError)>> {
        if self.deadline <= Instant::now() {
            return Some(Err((Dropped::Late, HashError::Late)));
        }
        match self.gate.as_ref().map(|gate| gate()) {
            None => Some(Ok(None)),
            Some(Ok(Some(held))) => Some(Ok(Some(held))),
            Some(Ok(None)) => None,
            Some(Err(retry_after)) => Some(Err((Dropped::Spent, HashError::Spent { retry_after }))),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some((held, shared)) = self.0.take() else { return };
        drop(held);
        // A thread that found no job that may begin looks again. It holds the lock from its look until it waits.
        if shared.lock().queue.len() > 0 {
            shared.news.notify_one();
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.0.lock().reserved -= 1;
    }
}

impl Waiter<'_> {
    /// Removes the job from the queue; returns false when it is not there any more.
    fn leave(&self) -> bool {
        let mut state = self.shared.lock();
        let job = state.queue.remove(self.place);
        if job.is_some() {
            let dropped = if self.deadline <= tokio::time::Instant::now() { Dropped::Late } else { Dropped::Gone };
            state.stats.dropped[dropped as usize] += 1;
        }
        // The content of the job is wiped and freed without the lock.
        drop(state);
        job.is_some()
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.news.notify_all();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit(..)")
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stats().fmt(f)
    }
}
