//! What health says of the process: serving, unless the database is away, or a shutdown has begun. Apart from both, for
//! neither may undo what the other said.

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
    draining: Arc<Mutex<bool>>,
}

impl Health {
    pub async fn serving() -> Self {
        let health = Self { reporter: HealthReporter::new(), draining: Arc::default() };
        health.set(true).await;
        health
    }

    pub fn reporter(&self) -> HealthReporter {
        self.reporter.clone()
    }

    /// Of each service, and overall; unless the process is about to end.
    pub async fn set(&self, serving: bool) {
        let draining = self.draining.lock().await;
        if !*draining {
            self.report(serving).await;
        }
    }

    /// Not serving, from now on and for good. Whoever watches is told so, and that there is no more to come: otherwise the
    /// drain would wait for it to its end.
    pub async fn drain(&self) {
        let mut draining = self.draining.lock().await;
        *draining = true;
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
