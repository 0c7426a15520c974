//! What health says of the process: serving, unless the database is away or cannot be written, the clock
//! is wrong, or a shutdown has begun.
//! Apart from all of them, for none may undo what another said.

use std::sync::Arc;

use tokio::sync::Mutex;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::pb::{auth_service_server, session_service_server};

/// What has a status: each service, and all of it.
const SERVICES: [&str; 3] = ["", auth_service_server::SERVICE_NAME, session_service_server::SERVICE_NAME];

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Health {
    reporter: HealthReporter,
    state: Arc<Mutex<State>>,
}

struct State {
    reachable: bool,
    writable: bool,
    in_time: bool,
    draining: bool,
}

impl State {
    fn is_serving(&self) -> bool {
        self.reachable && self.writable && self.in_time && !self.draining
    }
}

impl Health {
    pub async fn serving() -> Self {
        let state = State { reachable: true, writable: true, in_time: true, draining: false };
        let health = Self { reporter: HealthReporter::new(), state: Arc::new(Mutex::new(state)) };
        health.report(true).await;
        health
    }

    pub fn reporter(&self) -> HealthReporter {
        self.reporter.clone()
    }

    /// Whether the database answers.
    pub async fn set_reachable(&self, reachable: bool) {
        self.change(|state| state.reachable = reachable).await;
    }

    /// Whether something can be stored in it.
    pub async fn set_writable(&self, writable: bool) {
        self.change(|state| state.writable = writable).await;
    }

    /// Whether this machine's clock is near enough to the database's.
    pub async fn set_in_time(&self, in_time: bool) {
        self.change(|state| state.in_time = in_time).await;
    }

    async fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().await;
        let was_serving = state.is_serving();
        change(&mut state);
        if state.is_serving() != was_serving {
            self.report(!was_serving).await;
        }
    }

    /// Not serving, from now on and for good. Whoever watches is told so, and that there is no more to come: otherwise the
    /// drain would wait for it to its end.
    pub async fn drain(&self) {
        let mut state = self.state.lock().await;
        state.draining = true;
        self.report(false).await;
        let mut reporter = self.reporter();
        for service in SERVICES {
            reporter.clear_service_status(service).await;
        }
        // For those who ask.
        self.report(false).await;
    }

    async fn report(&self, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in SERVICES {
            self.reporter.set_service_status(service, status).await;
        }
    }
}
