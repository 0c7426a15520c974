//! The health status of the process: serving, unless the database is out of reach or cannot be written, the clock is
//! wrong, or a shutdown has begun. Separate from the jobs that set it, because none of them may undo the finding of
//! another.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// The health status, shared by all that set it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Health {
    state: Arc<Mutex<HealthState>>,
    serving: watch::Receiver<bool>,
}

struct HealthState {
    reachable: bool,
    writable: bool,
    in_time: bool,
    draining: bool,
    /// Tells the gRPC health service whether the server serves. `None` once the status is final.
    told: Option<watch::Sender<bool>>,
}

impl Health {
    /// A status that begins as serving.
    pub(crate) fn new() -> Self {
        let (told, serving) = watch::channel(true);
        let state = HealthState { reachable: true, writable: true, in_time: true, draining: false, told: Some(told) };
        Self { state: Arc::new(Mutex::new(state)), serving }
    }

    /// Whether the server serves, now and from now on. The channel closes when the status is final.
    pub(crate) fn serving(&self) -> watch::Receiver<bool> {
        self.serving.clone()
    }

    /// Sets whether the database answers.
    pub(crate) fn set_reachable(&self, reachable: bool) {
        self.change(|state| state.reachable = reachable);
    }

    /// Sets whether the database can be written.
    pub(crate) fn set_writable(&self, writable: bool) {
        self.change(|state| state.writable = writable);
    }

    /// Sets whether the clock of this machine is near enough to the clock of the database.
    pub(crate) fn set_in_time(&self, in_time: bool) {
        self.change(|state| state.in_time = in_time);
    }

    /// Sets the status to not serving for good, while calls are still served: load balancers send clients elsewhere.
    pub(crate) fn announce_end(&self) {
        self.change(|state| state.draining = true);
    }

    /// As [`Self::announce_end`], and ends the streams of clients that watch the status: otherwise the drain would wait
    /// for them until its deadline.
    pub(crate) fn drain(&self) {
        self.announce_end();
        self.change(|state| state.told = None);
    }

    fn change(&self, change: impl FnOnce(&mut HealthState)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        let serving = state.reachable && state.writable && state.in_time && !state.draining;
        if let Some(told) = &state.told {
            told.send_if_modified(|was| std::mem::replace(was, serving) != serving);
        }
    }
}
