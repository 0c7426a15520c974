//! Takes the steps of the keys of tokens when they are due, and reads the keys from time to time even if nobody
//! announces a change: a server may say at any moment that it still signs with what others have switched from.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::accounts::Audit;
use crate::keys::TokenKeys;

/// The time between two looks, if keys are in use.
const PERIOD: Duration = Duration::from_secs(1);

/// The same while every server signs with the secret. The feed tells when one begins to sign with keys.
const IDLE_PERIOD: Duration = Duration::from_secs(30);

/// Keeps the keys until the task is aborted.
pub(crate) async fn keep_keys(keys: Arc<TokenKeys>, audit: Arc<Audit>) {
    let mut fails = false;
    loop {
        let kept = keys.keep().await;
        keys.events().await.into_iter().for_each(|event| audit.note(event));
        match kept {
            Ok(()) => fails = false,
            // Whether the database is out of reach is told by others, too.
            Err(error) if !fails => {
                tracing::warn!(event = "keys", result = "put off", cause = &error as &dyn std::error::Error);
                fails = true;
            }
            Err(_) => {}
        }
        let period = if keys.are_in_use().await { PERIOD } else { IDLE_PERIOD };
        let _ = timeout(period, keys.changed()).await;
    }
}
