//! Whether anything can be stored, which no look-up tells: a disk that is full, a file system or a PostgreSQL server that has
//! become read-only. The database is asked by storing something and taking it away again: seldom while all is well, for
//! each time makes a disk write; and once a second while it fails, or after a call was told that the database is out of reach.
//!
//! Apart from the feed, which must not wait for whoever writes: tokens are judged by what it reads.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::health::Health;
use crate::store::{self, Store, StoreError};

/// Between two attempts while there is a reason to ask, and while there is none.
const OFTEN: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(5);

/// How many attempts in turn must fail: one may have waited too long for others who write.
const FAILURES: u32 = 2;

/// Tells health, for ever.
pub(super) async fn follow(store: Arc<dyn Store>, health: Health) {
    let mut failed = 0;
    loop {
        match store.try_writing().await {
            Ok(()) => {
                if failed >= FAILURES {
                    tracing::info!(event = "database", result = "writable");
                    health.set_writable(true).await;
                }
                failed = 0;
            }
            // Out of reach altogether: the feed tells that.
            Err(_) if !store.is_in_step() => {}
            Err(error) => {
                failed += 1;
                if failed == FAILURES {
                    tell(&error);
                    health.set_writable(false).await;
                }
            }
        }
        pause(failed).await;
    }
}

async fn pause(failed: u32) {
    let (began, unavailable) = (Instant::now(), store::unavailable_count());
    loop {
        sleep(OFTEN).await;
        if failed > 0 || store::unavailable_count() != unavailable || began.elapsed() >= SELDOM {
            return;
        }
    }
}

fn tell(error: &StoreError) {
    tracing::error!(
        event = "database",
        result = "not writable",
        cause = std::error::Error::source(error),
        "nothing can be stored, and what must be stored is refused: see that there is room on the disk, and that the \
         database is not read-only; it goes on by itself"
    );
}
