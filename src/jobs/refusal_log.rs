//! Logs how many calls were refused for lack of room, in one line a second. In an overload, thousands of calls are
//! refused each second; a line for each would fill the disk and cost as much as refusing it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::hashing::{PasswordHasher, RefusalCause};
use crate::transport::Bounds;

/// The time between two log lines.
const PERIOD: Duration = Duration::from_secs(1);

/// Logs refusals until the task is aborted.
pub(crate) async fn log_refusals(hasher: PasswordHasher, bounds: Arc<Bounds>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut logged = hasher.stats().refused;
    let mut logged_of_bounds = bounds.refused();
    loop {
        ticks.tick().await;
        let all = hasher.stats().refused;
        let new = |cause: RefusalCause| all[cause as usize] - logged[cause as usize];
        if all != logged {
            let [full, deadline, displaced] =
                [RefusalCause::Full, RefusalCause::Deadline, RefusalCause::Displaced].map(new);
            tracing::warn!(event = "hash", result = "refused", full, deadline, displaced);
        }
        logged = all;
        let all = bounds.refused();
        if all != logged_of_bounds {
            let [connections, calls, streams, bodies, heads] =
                std::array::from_fn(|bound| all[bound].1 - logged_of_bounds[bound].1);
            tracing::warn!(event = "bounds", result = "refused", connections, calls, streams, bodies, heads);
        }
        logged_of_bounds = all;
    }
}
