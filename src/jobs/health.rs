//! The health status of the process: serving, unless the database is out of reach or cannot be written, the clock is
//! wrong, or a shutdown has begun. Separate from the jobs that set it, because none of them may undo the finding of
//! another.

use std::sync::Arc;

use tokio::sync::Mutex;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// The health status, shared by all that set it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Health {
    reporter: HealthReporter,
    /// The services with a status; the empty name is the server as a whole.
    services: Arc<[String]>,
    state: Arc<Mutex<HealthState>>,
}

struct HealthState {
    reachable: bool,
    writable: bool,
    in_time: bool,
    draining: bool,
}

impl HealthState {
    fn is_serving(&self) -> bool {
        self.reachable && self.writable && self.in_time && !self.draining
    }
}

impl Health {
    /// A status of the server and of these services that begins as serving.
    pub(crate) async fn serving(services: Vec<String>) -> Self {
        let services = services.into_iter().chain([String::new()]).collect();
        let state = HealthState { reachable: true, writable: true, in_time: true, draining: false };
        let health = Self { reporter: HealthReporter::new(), services, state: Arc::new(Mutex::new(state)) };
        health.report(true).await;
        health
    }

    /// The reporter of the gRPC health service.
    pub(crate) fn reporter(&self) -> HealthReporter {
        self.reporter.clone()
    }

    /// Sets whether the database answers.
    pub(crate) async fn set_reachable(&self, reachable: bool) {
        self.change(|state| state.reachable = reachable).await;
    }

    /// Sets whether the database can be written.
    pub(crate) async fn set_writable(&self, writable: bool) {
        self.change(|state| state.writable = writable).await;
    }

    /// Sets whether the clock of this machine is near enough to the clock of the database.
    pub(crate) async fn set_in_time(&self, in_time: bool) {
        self.change(|state| state.in_time = in_time).await;
    }

    async fn change(&self, change: impl FnOnce(&mut HealthState)) {
        let mut state = self.state.lock().await;
        let was_serving = state.is_serving();
        change(&mut state);
        if state.is_serving() != was_serving {
            self.report(!was_serving).await;
        }
    }

    /// Sets the status to not serving for good, while calls are still served: load balancers send clients elsewhere.
    pub(crate) async fn announce_end(&self) {
        self.change(|state| state.draining = true).await;
    }

    /// Sets the status to not serving for good, and ends the streams of clients that watch it: otherwise the drain
    /// would wait for them until its deadline.
    pub(crate) async fn drain(&self) {
        let mut state = self.state.lock().await;
        state.draining = true;
        self.report(false).await;
        let mut reporter = self.reporter();
        for service in &*self.services {
            reporter.clear_service_status(service).await;
        }
        // For clients that check the status from now on.
        self.report(false).await;
    }

    async fn report(&self, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in &*self.services {
            self.reporter.set_service_status(service, status).await;
        }
    }
}
