//! Writing when sessions were last given a token: what [`Activity`] collects, in batches, so that no call costs a write.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::activity::Activity;
use crate::store::{SessionStore, StoreError};

/// How late a stored time may be. A crash loses as much.
const PERIOD: Duration = Duration::from_secs(10);

/// Sessions a transaction: on SQLite it takes some 20 ms, so that a login which waits for its turn does not notice.
const BATCH: usize = 500;

/// What the last writing may take of a shutdown, when the drain may have used up all its time.
const LAST: Duration = Duration::from_millis(200);

/// Writes until it is told to stop.
pub(super) struct Writer {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Writer {
    pub fn start(store: Arc<dyn SessionStore>, activity: Arc<Activity>) -> Self {
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
                    let cause = std::error::Error::source(&error).unwrap_or(&error);
                    // Kept, and written with the next batch.
                    tracing::warn!(event = "last tokens", result = "put off", cause);
                }
                if last {
                    break;
                }
            }
        });
        Self { stop, task }
    }

    /// Writes what is left. Best effort: without it, times are a few seconds older than they were.
    pub async fn finish(self) {
        drop(self.stop);
        // What lasts longer is not aborted half-way: the store's own closing waits for it.
        let _ = tokio::time::timeout(LAST, self.task).await;
    }
}

async fn write(store: &dyn SessionStore, activity: &Activity) -> Result<(), StoreError> {
    for batch in activity.unwritten().chunks(BATCH) {
        store.note_last_tokens(batch).await?;
        activity.written(batch);
    }
    Ok(())
}
