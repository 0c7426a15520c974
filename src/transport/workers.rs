//! The threads that serve connections. Each has a runtime of its own, so that a call is read, served and answered on
//! the thread of its socket, without waking another. A runtime that shares its tasks among threads moves them for a
//! fairness that calls of microseconds do not need; it would add a third to the cost of a call. Separate from the
//! listener, which accepts for all of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The worker threads. They end when this is dropped, and cut off what still runs on them.
#[derive(Debug)]
pub(crate) struct Workers(Vec<WorkerThread>);

#[derive(Debug)]
struct WorkerThread {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A connection that counts on a worker thread until this is dropped.
#[derive(Debug)]
pub(super) struct WorkerSlot {
    /// The runtime to spawn the connection on.
    pub runtime: Handle,
    connections: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts `threads` threads. With 0, the runtime of the caller serves.
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        if threads == 0 {
            let here =
                WorkerThread { runtime: Handle::current(), connections: Arc::default(), stop: None, thread: None };
            return Ok(Self(vec![here]));
        }
        (0..threads).map(WorkerThread::start).collect::<io::Result<_>>().map(Self)
    }

    /// A slot on the thread that serves the fewest connections.
    pub(super) fn slot(&self) -> Option<WorkerSlot> {
        let idlest = self.0.iter().min_by_key(|worker| worker.connections.load(Ordering::Relaxed))?;
        idlest.connections.fetch_add(1, Ordering::Relaxed);
        Some(WorkerSlot { runtime: idlest.runtime.clone(), connections: Arc::clone(&idlest.connections) })
    }
}

impl WorkerThread {
    fn start(index: usize) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let serve = move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                // Fails only if the start was given up, so nobody reads it.
                Err(error) => return drop(tell.send(Err(error))),
            };
            let _ = tell.send(Ok(runtime.handle().clone()));
            // A message and a closed channel both end the thread.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name(format!("serve-{index}")).spawn(serve)?;
        let runtime = told.recv().map_err(io::Error::other)??;
        Ok(Self { runtime, connections: Arc::default(), stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for WorkerThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread panics only by a defect of the runtime.
            let _ = thread.join();
        }
    }
}

impl Drop for WorkerSlot {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
