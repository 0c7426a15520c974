//! Writing the audit trail: what [`Audit`] collects, in batches, so that no call waits for it; and deleting what is older
//! than it is to be kept.

use std::sync::Arc;
use std::time::Duration;

use countersign_guard::revocations::Revocations;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::accounts::Audit;
use crate::store::AuditStore;

/// How late an event may be written. A crash loses as much.
const PERIOD: Duration = Duration::from_millis(200);

/// Events a transaction: on SQLite it takes some 20 ms, so that a login which waits for its turn does not notice.
const BATCH: usize = 500;

/// What the last writing may take of a shutdown, when the drain may have used up all its time.
const LAST: Duration = Duration::from_millis(200);

/// How often what is too old is looked for.
const PURGE: Duration = Duration::from_secs(3_600);

/// Rows a transaction.
const PURGED_AT_ONCE: u32 = 1_000;

/// Writes until it is told to stop.
pub(super) struct Writer {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    purging: JoinHandle<()>,
}

impl Writer {
    pub fn start(
        store: Arc<dyn AuditStore>,
        audit: Arc<Audit>,
        revocations: Arc<Revocations>,
        retention: Duration,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let purging = tokio::spawn(purge(Arc::clone(&store), revocations, retention));
        let task = tokio::spawn(follow(store, audit, stopped));
        Self { stop, task, purging }
    }

    /// Writes what is left, if the database is there.
    pub async fn finish(self) {
        self.purging.abort();
        drop(self.stop);
        // What lasts longer is not aborted half-way: the store's own closing waits for it.
        let _ = timeout(LAST, self.task).await;
    }
}

async fn follow(store: Arc<dyn AuditStore>, audit: Arc<Audit>, mut stopped: oneshot::Receiver<()>) {
    let mut last = false;
    while !last {
        last = tokio::select! {
            () = audit.noted() => false,
            _ = &mut stopped => true,
        };
        if !last {
            // Whatever happens meanwhile goes with it.
            last = timeout(PERIOD, &mut stopped).await.is_ok();
        }
        if !write(&*store, &audit).await {
            // Told to stop meanwhile, it tries once more.
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

/// Writes all there is, and tells whether it did.
async fn write(store: &dyn AuditStore, audit: &Audit) -> bool {
    loop {
        let batch = audit.unwritten(BATCH);
        if batch.is_empty() {
            return true;
        }
        if let Err(error) = store.append_events(&batch).await {
            // Kept, and written with the next batch.
            tracing::warn!(event = "audit", result = "put off", cause = error.cause());
            return false;
        }
        audit.written(batch.len());
    }
}

/// By a clock that is off nothing is old.
async fn purge(store: Arc<dyn AuditStore>, revocations: Arc<Revocations>, retention: Duration) {
    loop {
        let (before, begun) = (revocations.time() - retention, Instant::now());
        while !revocations.is_clock_off() {
            match store.purge_events(before, PURGED_AT_ONCE).await {
                Ok(purged) if purged == u64::from(PURGED_AT_ONCE) => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(event = "audit", result = "not purged", cause = error.cause());
                    break;
                }
            }
        }
        sleep(PURGE.saturating_sub(begun.elapsed())).await;
    }
}
