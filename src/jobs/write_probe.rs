//! Checks whether the database can be written, which no read tells: the disk may be full, or the file system or the
//! PostgreSQL server may have become read-only. The probe stores a row and deletes it again. It runs seldom while all
//! is well, because each run writes to the disk, and once a second while it fails or after a call was refused because
//! of the database.
//!
//! Separate from the revocation feed, which must not wait for locks of writers: tokens are accepted by what it reads.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::health::Health;
use crate::store::{self, Store, StoreError};

/// The time between two probes after a failure.
const SHORT_PAUSE: Duration = Duration::from_secs(1);

/// The time between two probes while all is well.
const LONG_PAUSE: Duration = Duration::from_secs(5);

/// How many probes in a row must fail before the database counts as not writable. A single probe may fail because it
/// waited too long for other writers.
const FAILURES: u32 = 2;

/// Probes the database and sets the health status, until the task is aborted.
pub(crate) async fn probe_writes(store: Arc<dyn Store>, health: Health) {
    let mut failed = 0;
    loop {
        match store.try_writing().await {
            Ok(()) => {
                if failed >= FAILURES {
                    tracing::info!(event = "database", result = "writable");
                    health.set_writable(true);
                }
                failed = 0;
            }
            // The database is out of reach, which the revocation feed reports.
            Err(_) if !store.is_in_step() => {}
            Err(error) => {
                failed += 1;
                if failed == FAILURES {
                    log_failure(&error);
                    health.set_writable(false);
                }
            }
        }
        pause(failed).await;
    }
}

async fn pause(failed: u32) {
    let (began, setbacks) = (Instant::now(), store::unavailable_count());
    loop {
        sleep(SHORT_PAUSE).await;
        if failed > 0 || store::unavailable_count() != setbacks || began.elapsed() >= LONG_PAUSE {
            return;
        }
    }
}

fn log_failure(error: &StoreError) {
    tracing::error!(
        event = "database",
        result = "not writable",
        cause = std::error::Error::source(error),
        "the database cannot be written, so calls that must store something are refused: check that the disk has room and \
         that the database is not read-only; the server recovers by itself"
    );
}
