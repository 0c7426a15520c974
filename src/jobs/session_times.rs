//! Writes the time of each session's latest token, which [`Activity`] collects in memory, in batches, so that no call
//! costs a write.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::activity::Activity;
use crate::store::{Store, StoreError};

/// The longest time until a session's time is written, and thus the most that a crash loses.
const PERIOD: Duration = Duration::from_secs(10);

/// Sessions in one transaction. On SQLite it takes some 20 ms, which a login that waits for the writer does not notice.
const BATCH: usize = 500;

/// The deadline of the last write at a shutdown, after a drain that may have used up its own.
const LAST_WRITE: Duration = Duration::from_millis(200);

/// The job that writes the times of sessions until [`Self::finish`].
pub(crate) struct SessionTimesWriter {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl SessionTimesWriter {
    /// Starts writing the times of `activity`.
    pub(crate) fn start(store: Arc<dyn Store>, activity: Arc<Activity>) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(PERIOD);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let last = tokio::select! {
                    _ = ticks.tick() => false,
                    _ = &mut stopped => true,
                };
                if let Err(error) = write(&*store, &activity).await {
                    // The times stay in memory, and are written with the next batch.
                    tracing::warn!(event = "last tokens", result = "put off", cause = error.cause());
                }
                if last {
                    break;
                }
            }
        });
        Self { stop, task }
    }

    /// Writes the remaining times. If that fails, stored times are some seconds older than they were.
    pub(crate) async fn finish(self) {
        drop(self.stop);
        // A write that takes longer is not aborted: closing the store waits for it.
        let _ = tokio::time::timeout(LAST_WRITE, self.task).await;
    }
}

async fn write(store: &dyn Store, activity: &Activity) -> Result<(), StoreError> {
    for batch in activity.unwritten().chunks(BATCH) {
        store.note_last_tokens(batch).await?;
        activity.written(batch);
    }
    Ok(())
}
