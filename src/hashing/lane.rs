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
use super::queue::{Client, Place, Queue};
use super::stats::{Dropped, LaneStats, Refusal};
use super::{HashError, Turn, machine};

/// How long a hash takes, before any has told.
const FIRST_GUESS: Duration = Duration::from_millis(50);

/// How long a thread that has nothing to hash keeps its memory. To take it again costs milliseconds.
const IDLE: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 5_000 });

/// A quarter of the queue is for networks that are not known to it. Without that, as many callers as there are places, each in
/// a network of its own and back as soon as it was served, would keep everybody else out for good. Of 128 places it
/// is 32, which two threads serve within a second; the other three quarters are everybody's.
const RESERVED: usize = 4;

pub(super) type Output = Result<Zeroizing<Vec<u8>>, HashError>;

/// Asked when a job's turn has come. The job begins, and what the gate gives is held until it is settled; with `None` it waits
/// until another lets go of what that holds; with an error it is not hashed, and may come again after that time.
pub(super) type Gate = Box<dyn Fn() -> Result<Option<Held>, Duration> + Send>;

type Held = Box<dyn Send>;

/// The entrance. The threads end when it is dropped.
pub(super) struct Lane(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// A job has come, one that waited may begin, or the lane is closed.
    news: Condvar,
    memory: Arc<AtomicUsize>,
}

struct State {
    queue: Queue<Job>,
    closed: bool,
    /// How long hashes take, the latest weighing most; nothing until one is done.
    run_time: Option<Duration>,
    /// All but what waits and what memory is held, which are read where they are.
    stats: LaneStats,
}

/// A hash to compute and where its output goes.
struct Job {
    gate: Option<Gate>,
    hash: Box<dyn FnOnce(&mut Memory) -> Output + Send>,
    reply: oneshot::Sender<Reply>,
    deadline: Instant,
    since: Instant,
}

type Reply = Result<(Zeroizing<Vec<u8>>, Permit), HashError>;

/// What a job was let through its gate with. Whoever has it keeps it until all that follows from the hash is settled.
#[must_use]
pub struct Permit(Option<(Held, Arc<Shared>)>);

/// Whoever waits for a job, and takes it out of the queue when dropped.
struct Waiter<'a> {
    shared: &'a Shared,
    place: Place,
    deadline: tokio::time::Instant,
    output: oneshot::Receiver<Reply>,
}

impl Lane {
    /// Starts `threads` threads, which keep `usual_blocks` of memory each. At most `capacity` jobs wait for them.
    pub fn start(threads: usize, capacity: usize, usual_blocks: usize) -> io::Result<Self> {
        let state = State {
            queue: Queue::new(),
            closed: false,
            run_time: None,
            stats: LaneStats { threads, capacity, ..LaneStats::default() },
        };
        let (state, news, memory) = (Mutex::new(state), Condvar::new(), Arc::default());
        // Made first, so that the threads that have started end if another cannot.
        let lane = Self(Arc::new(Shared { state, news, memory }));
        for index in 0..threads {
            let shared = Arc::clone(&lane.0);
            let work = move || shared.work(&mut Memory::new(usual_blocks, Arc::clone(&shared.memory)));
            thread::Builder::new().name(format!("hash-{index}")).spawn(work)?;
        }
        Ok(lane)
    }

    /// Refuses who would be refused a place now, and counts that.
    pub fn require_room(&self, turn: &Turn) -> Result<(), HashError> {
        let mut state = self.0.lock();
        state.judge(turn).map(drop).map_err(|refusal| state.refuse(refusal))
    }

    /// As [`Self::run_past`], past no gate.
    pub async fn run(
        &self,
        turn: Turn,
        gone: impl Future<Output = ()>,
        hash: impl FnOnce(&mut Memory) -> Output + Send + 'static,
    ) -> Output {
        self.run_past(None, turn, gone, hash).await.map(|(output, _)| output)
    }

    /// Waits for a turn and for the hash, or is refused at once. Dropping the future gives the turn up, and so does `gone`
    /// when it is over; a hash that has begun runs to its end.
    pub async fn run_past(
        &self,
        gate: Option<Gate>,
        turn: Turn,
        gone: impl Future<Output = ()>,
        hash: impl FnOnce(&mut Memory) -> Output + Send + 'static,
    ) -> Reply {
        let mut waiter = self.admit(gate, &turn, Box::new(hash))?;
        let given_up = timeout_at(waiter.deadline, gone);
        let output = tokio::select! {
            biased;
            output = &mut waiter.output => output,
            _ = given_up => {
                if waiter.leave() {
                    return Err(HashError::Late);
                }
                // It has begun: the work is as good as done.
                (&mut waiter.output).await
            }
        };
        output.unwrap_or(Err(HashError::Failed("the hash panicked")))
    }

    fn admit(
        &self,
        gate: Option<Gate>,
        turn: &Turn,
        hash: Box<dyn FnOnce(&mut Memory) -> Output + Send>,
    ) -> Result<Waiter<'_>, HashError> {
        let (reply, output) = oneshot::channel();
        let job = Job { gate, hash, reply, deadline: turn.deadline, since: Instant::now() };
        let shared = &*self.0;
        let mut state = shared.lock();
        let gives_way = state.judge(turn).map_err(|refusal| state.refuse(refusal))?;
        let displaced = gives_way.and_then(|client| state.queue.pop_latest(client));
        let displaced = displaced.map(|job| (job.reply, state.refuse(Refusal::Displaced)));
        let place = state.queue.push(turn.client.into(), job);
        drop(state);
        shared.news.notify_one();
        if let Some((reply, refusal)) = displaced {
            // Fails when it has hung up meanwhile, which is no matter.
            let _ = reply.send(Err(refusal));
        }
        Ok(Waiter { shared, place, deadline: turn.deadline.into(), output })
    }

    /// Lets it believe that hashes take so long.
    #[cfg(test)]
    pub fn assume(&self, run_time: Duration) {
        self.0.lock().run_time = Some(run_time);
    }

    /// What tells how much memory the threads hold, and by its count that they have not ended.
    #[cfg(test)]
    pub fn memory(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.0.memory)
    }

    /// How it is doing now.
    pub fn stats(&self) -> LaneStats {
        let state = self.0.lock();
        let memory = self.0.memory.load(Ordering::Relaxed);
        LaneStats { waiting: state.queue.len(), memory, ..state.stats.clone() }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each thread does.
    fn work(self: &Arc<Self>, memory: &mut Memory) {
        machine::yield_to_others();
        while let Some((job, held)) = self.next(memory) {
            let permit = Permit(held.map(|held| (held, Arc::clone(self))));
            let begun = Instant::now();
            // A panic costs its own job only: the reply is dropped, and the thread goes on.
            let output = catch_unwind(AssertUnwindSafe(|| (job.hash)(memory)));
            self.lock().end(begun.elapsed());
            if let Ok(output) = output {
                // Fails when the waiter has gone meanwhile, which is no matter.
                let _ = job.reply.send(output.map(|output| (output, permit)));
            }
            memory.trim();
        }
    }

    /// Waits for a job that may begin, with clean memory. `None` when the lane is closed.
    fn next(&self, memory: &mut Memory) -> Option<(Job, Option<Held>)> {
        let mut state = self.lock();
        while !state.closed {
            if let Some((job, verdict)) = state.queue.pop_where(Job::judge) {
                match verdict {
                    Ok(held) => {
                        state.begin(&job);
                        return Some((job, held));
                    }
                    Err((dropped, error)) => {
                        state.stats.dropped[dropped as usize] += 1;
                        // Whom this wakes up may want the lock at once.
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

impl State {
    /// Whether this turn would come in time; and, in a full queue, whose latest job it would displace.
    fn judge(&self, turn: &Turn) -> Result<Option<Client>, Refusal> {
        let LaneStats { threads, capacity, running, .. } = self.stats;
        let client = Client::from(turn.client);
        let room = capacity - if self.queue.is_known(client) { capacity / RESERVED } else { 0 };
        // Those for whom a thread is waking up take no room.
        let full = self.queue.len() + running >= room + threads;
        let gives_way = if full { Some(self.queue.gives_way_to(client).ok_or(Refusal::Full)?) } else { None };
        let left = turn.deadline.saturating_duration_since(Instant::now());
        // Who has to wait must also be done in time: in a queue that is as long as everybody's patience, all would be hashed
        // in vain. Who need not wait is not refused for what hashes took of late.
        let in_time = |ahead| match running + ahead {
            before if before < threads => true,
            before => self.time_for(before / threads + 1) <= left,
        };
        // The most that may be ahead is quicker to tell than how many are.
        if left.is_zero() || !(in_time(self.queue.len()) || in_time(self.queue.ahead_of(client))) {
            return Err(Refusal::Deadline);
        }
        Ok(gives_way)
    }

    /// Counts a refusal.
    fn refuse(&mut self, refusal: Refusal) -> HashError {
        self.stats.refused[refusal as usize] += 1;
        HashError::Overloaded
    }

    /// How long it takes that each thread has had so many jobs.
    fn time_for(&self, jobs: usize) -> Duration {
        self.run_time.unwrap_or(FIRST_GUESS).saturating_mul(jobs.try_into().unwrap_or(u32::MAX))
    }

    /// Takes note that a job begins.
    fn begin(&mut self, job: &Job) {
        self.stats.running += 1;
        self.stats.wait.observe(job.since.elapsed());
    }

    fn end(&mut self, took: Duration) {
        self.stats.running -= 1;
        self.stats.run.observe(took);
        self.run_time = Some(self.run_time.map_or(took, |average| (average * 7 + took) / 8));
    }
}

impl Job {
    /// Whether it begins, now that its turn has come, or never; `None` when it must wait. Its waiter has not left, or the
    /// job would have left the queue with it; but its time may have passed before the waiter's timer rang.
    fn judge(&self) -> Option<Result<Option<Held>, (Dropped, HashError)>> {
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
        // A thread that has found no job that may begin looks again: it holds the lock from its look until it waits.
        if shared.lock().queue.len() > 0 {
            shared.news.notify_one();
        }
    }
}

impl Waiter<'_> {
    /// Takes the job out of the queue; false when it is there no more.
    fn leave(&self) -> bool {
        let mut state = self.shared.lock();
        let job = state.queue.remove(self.place);
        if job.is_some() {
            let dropped = if self.deadline <= tokio::time::Instant::now() { Dropped::Late } else { Dropped::Gone };
            state.stats.dropped[dropped as usize] += 1;
        }
        // What it holds is wiped and freed without the lock.
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
