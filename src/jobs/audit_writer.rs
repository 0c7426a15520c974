//! Writes the audit trail from the queue of [`Audit`] in batches, so that no call waits for it, and deletes events that
//! are past their retention.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::accounts::Audit;
use crate::store::{Store, StoreError};
use countersign_guard::revocations::Revocations;

/// The longest time until an event is written, and thus the most that a crash loses.
const PERIOD: Duration = Duration::from_millis(200);

/// Events in one transaction. On SQLite it takes some 20 ms, which a login that waits for the writer does not notice.
const BATCH: usize = 500;

/// The deadline of the last write at a shutdown, after a drain that may have used up its own.
const LAST_WRITE: Duration = Duration::from_millis(200);

/// How often old events are deleted.
const PURGE_PERIOD: Duration = Duration::from_secs(3_600);

/// Events that are deleted in one transaction.
const PURGE_BATCH: u32 = 1_000;

/// The job that writes the audit trail until [`Self::finish`].
pub(crate) struct AuditWriter {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    purging: JoinHandle<()>,
}

impl AuditWriter {
    /// Starts writing, and deleting events older than `retention`.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        audit: Arc<Audit>,
        revocations: Arc<Revocations>,
        retention: Duration,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let purging = tokio::spawn(purge(Arc::clone(&store), revocations, retention));
        let task = tokio::spawn(follow(store, audit, stopped));
        Self { stop, task, purging }
    }

    /// Writes the remaining events, if the database is reachable.
    pub(crate) async fn finish(self) {
        self.purging.abort();
        drop(self.stop);
        // A write that takes longer is not aborted: closing the store waits for it.
        let _ = timeout(LAST_WRITE, self.task).await;
    }
}

async fn follow(store: Arc<dyn Store>, audit: Arc<Audit>, mut stopped: oneshot::Receiver<()>) {
    let mut last = false;
    while !last {
        last = tokio::select! {
            () = audit.wait() => false,
            _ = &mut stopped => true,
        };
        if !last {
            // Waits a little, so that events that follow are in the same batch.
            last = timeout(PERIOD, &mut stopped).await.is_ok();
        }
        if !write(&*store, &audit).await {
            // Tries once more at a shutdown; otherwise with the next event.
            if !last && timeout(5 * PERIOD, &mut stopped).await.is_ok() {
                write(&*store, &audit).await;
                last = true;
            }
        }
        let events = audit.lost();
        if events > 0 {
            tracing::warn!(event = "audit", result = "lost", events);
        }
    }
}

/// Writes all queued events. Returns whether that succeeded.
async fn write(store: &dyn Store, audit: &Audit) -> bool {
    let written = async {
        while !audit.is_empty() {
            audit.settle_mail_requests(store, BATCH).await?;
            let batch = audit.unwritten(BATCH);
            store.append_events(&batch).await?;
            audit.written(batch.len());
        }
        Ok::<(), StoreError>(())
    };
    // The events of a failed write stay in the queue.
    written
        .await
        .inspect_err(|error| tracing::warn!(event = "audit", result = "put off", cause = error.cause()))
        .is_ok()
}

/// Deletes old events for ever. By a wrong clock, no event counts as old.
async fn purge(store: Arc<dyn Store>, revocations: Arc<Revocations>, retention: Duration) {
    loop {
        let (before, begun) = (revocations.time() - retention, Instant::now());
        while !revocations.is_clock_off() {
            match store.purge_events(before, PURGE_BATCH).await {
                Ok(purged) if purged == u64::from(PURGE_BATCH) => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(event = "audit", result = "not purged", cause = error.cause());
                    break;
                }
            }
        }
        sleep(PURGE_PERIOD.saturating_sub(begun.elapsed())).await;
    }
}
