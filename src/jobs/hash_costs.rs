//! Tells the password lane what the stored hashes cost, at the start and once a day. It is not needed more often: the
//! costs change only as accounts sign in after HASH_PARAMS was raised, and after an import.

use std::sync::Arc;
use std::time::Duration;

use crate::hashing::PasswordHasher;
use crate::store::Store;

/// The time between two counts, each of which reads every account.
const PERIOD: Duration = Duration::from_secs(24 * 60 * 60);

/// The time until the next count when one has failed.
const RETRY: Duration = Duration::from_secs(60);

/// Counts until the task is aborted.
pub(crate) async fn follow_hash_costs(store: Arc<dyn Store>, hasher: PasswordHasher) {
    loop {
        let wait = match store.hash_costs().await {
            Ok(costs) => {
                hasher.imitate(costs);
                PERIOD
            }
            Err(error) => {
                tracing::warn!(event = "hash costs", %error, "the costs of the stored hashes could not be counted");
                RETRY
            }
        };
        tokio::time::sleep(wait).await;
    }
}
