//! Opens the database when the server starts, and waits a while for a PostgreSQL server that is not up yet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::store::{self, OpenError, Purpose, Store};

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// Opens the database at `url`. While it cannot be reached, tries again for at most `wait`.
pub(super) async fn open(url: &str, purpose: Purpose, wait: Duration) -> Result<Arc<dyn Store>, OpenError> {
    let begun = Instant::now();
    let mut is_told = false;
    loop {
        match store::open(url, purpose).await {
            Err(error @ OpenError::Unreachable { .. }) if begun.elapsed() < wait => {
                if !is_told {
                    let seconds = wait.as_secs();
                    tracing::warn!(event = "database", result = "waiting", "{error}; trying again for {seconds} s");
                    is_told = true;
                }
                tokio::time::sleep(PAUSE.min(wait.saturating_sub(begun.elapsed()))).await;
            }
            opened => return opened,
        }
    }
}
