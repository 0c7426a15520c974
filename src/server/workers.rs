//! The threads that connections are served on: each a runtime of its own, so that a call is read, judged and answered on
//! the thread whose socket it came by, and nobody wakes anybody. A runtime that shares its tasks among threads moves them
//! about for fairness that calls of microseconds do not need, and that costs a third of what a call costs. Separate from
//! the listener, which accepts for all of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The threads. When this is dropped they end, and what is still running on them is cut off.
#[derive(Debug)]
pub(super) struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A connection's place on a thread, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    /// Where to spawn it.
    pub runtime: Handle,
    connections: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts `threads` of them. With none, the caller's own runtime serves.
    pub fn start(threads: usize) -> io::Result<Self> {
        if threads == 0 {
            let here = Worker { runtime: Handle::current(), connections: Arc::default(), stop: None, thread: None };
            return Ok(Self(vec![here]));
        }
        (0..threads).map(Worker::start).collect::<io::Result<_>>().map(Self)
    }

    /// A place on the thread that serves the fewest connections.
    pub fn place(&self) -> Option<Place> {
        let idlest = self.0.iter().min_by_key(|worker| worker.connections.load(Ordering::Relaxed))?;
        idlest.connections.fetch_add(1, Ordering::Relaxed);
        Some(Place { runtime: idlest.runtime.clone(), connections: Arc::clone(&idlest.connections) })
    }
}

impl Worker {
    fn start(index: usize) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let serve = move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                // Nobody listens when the start has been given up.
                Err(error) => return drop(tell.send(Err(error))),
            };
            let _ = tell.send(Ok(runtime.handle().clone()));
            // Either way, it is over.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name(format!("serve-{index}")).spawn(serve)?;
        let runtime = told.recv().map_err(io::Error::other)??;
        Ok(Self { runtime, connections: Arc::default(), stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It only ever panics with a defect of the runtime.
            let _ = thread.join();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
