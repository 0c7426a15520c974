//! Log lines about what is refused for want of room: one a second, that counts it. A storm is refused thousands of times a second, and a
//! line for each would fill the disk and cost as much as refusing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::bounds::Bounds;
use crate::hashing::{PasswordHasher, RefusalCause};

/// How often it looks.
const PACE: Duration = Duration::from_secs(1);

/// Tells of refusals, for ever.
pub(super) async fn tell(hasher: PasswordHasher, bounds: Arc<Bounds>) {
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = hasher.stats().refused;
    let mut told_of_bounds = bounds.refused();
    loop {
        ticks.tick().await;
        let all = hasher.stats().refused;
        let new = |cause: RefusalCause| all[cause as usize] - told[cause as usize];
        if all != told {
            let [full, deadline, displaced] =
                [RefusalCause::Full, RefusalCause::Deadline, RefusalCause::Displaced].map(new);
            tracing::warn!(event = "hash", result = "refused", full, deadline, displaced);
        }
        told = all;
        let all = bounds.refused();
        if all != told_of_bounds {
            let [connections, calls, streams, bodies] =
                std::array::from_fn(|bound| all[bound].1 - told_of_bounds[bound].1);
            tracing::warn!(event = "bounds", result = "refused", connections, calls, streams, bodies);
        }
        told_of_bounds = all;
    }
}
