//! Log lines about refused sign-ins: one a second, that counts them. A storm is refused thousands of times a second, and a
//! line for each would fill the disk and cost as much as refusing.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::hashing::{PasswordHasher, Refusal};

/// How often it looks.
const PACE: Duration = Duration::from_secs(1);

/// Tells of refusals, for ever.
pub(super) async fn tell(hasher: PasswordHasher) {
    let mut ticks = interval(PACE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = hasher.stats().refused;
    loop {
        ticks.tick().await;
        let all = hasher.stats().refused;
        let new = |cause: Refusal| all[cause as usize] - told[cause as usize];
        if all != told {
            let [full, deadline, displaced] = [Refusal::Full, Refusal::Deadline, Refusal::Displaced].map(new);
            tracing::warn!(event = "hash", result = "refused", full, deadline, displaced);
        }
        told = all;
    }
}
