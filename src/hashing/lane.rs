//! The threads and their queue.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use argon2::Block;
use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::oneshot;
use zeroize::Zeroize;

use super::{HashError, OUTPUT_BYTES};

type Output = Result<[u8; OUTPUT_BYTES], HashError>;

/// The queue's entrance. The threads end when it is dropped.
pub(super) struct Lane {
    queue: Sender<Job>,
    threads: usize,
    /// How long the latest hash took: what the wait is estimated from.
    run_micros: Arc<AtomicU64>,
}

/// A hash to compute and where its output goes.
pub(super) struct Job {
    hash: Box<dyn FnOnce(&mut Memory) -> Output + Send>,
    reply: oneshot::Sender<Output>,
}

/// One thread's blocks: taken from the system once, reused for every hash, wiped after each.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Job {
    pub fn new(hash: impl FnOnce(&mut Memory) -> Output + Send + 'static) -> (Self, oneshot::Receiver<Output>) {
        let (reply, output) = oneshot::channel();
        (Self { hash: Box::new(hash), reply }, output)
    }
}

impl Memory {
    pub fn take(&mut self, blocks: usize) -> &mut [Block] {
        if self.0.len() < blocks {
            self.0.resize(blocks, Block::new());
        }
        &mut self.0[..blocks]
    }
}

impl Lane {
    pub fn start(threads: usize, queue: usize) -> io::Result<Self> {
        let (sender, receiver) = bounded(queue);
        let run_micros = Arc::new(AtomicU64::new(50_000));
        for index in 0..threads {
            let (receiver, run_micros) = (receiver.clone(), Arc::clone(&run_micros));
            std::thread::Builder::new().name(format!("hash-{index}")).spawn(move || work(&receiver, &run_micros))?;
        }
        Ok(Self { queue: sender, threads, run_micros })
    }

    /// Queues a job, or refuses it at once.
    pub fn admit(&self, job: Job) -> Result<(), HashError> {
        self.queue.try_send(job).map_err(|_| HashError::Overloaded { retry_after: self.time_to_empty() })
    }

    /// Until the queue is empty at the latest pace, in whole seconds, at least one.
    fn time_to_empty(&self) -> Duration {
        let runs = self.queue.len().div_ceil(self.threads.max(1)) as u64;
        let micros = runs.saturating_mul(self.run_micros.load(Ordering::Relaxed));
        Duration::from_secs(micros.div_ceil(1_000_000).max(1))
    }
}

fn work(queue: &Receiver<Job>, run_micros: &AtomicU64) {
    let mut memory = Memory::default();
    while let Ok(Job { hash, reply }) = queue.recv() {
        // Who waited for it has hung up, or ran out of time: nobody would read the hash.
        if reply.is_closed() {
            continue;
        }
        let begun = Instant::now();
        // A panic costs its own job only: the reply is dropped, and the thread goes on.
        let output = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| hash(&mut memory)));
        run_micros.store(begun.elapsed().as_micros().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        if let Ok(output) = output {
            // Fails when the waiter has gone meanwhile, which is no matter.
            let _ = reply.send(output);
        }
        memory.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("threads", &self.threads).field("waiting", &self.queue.len()).finish()
    }
}
