//! How the ends of sessions that *another* process stored (the command line, for now) reach the set in memory: by asking
//! the database for what is new, several times a second. The question also tells whether the database is there at all,
//! which is what health reports.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::set_health;
use crate::clock::Clock;
use crate::revocations::Revocations;
use crate::store::{AccountStore, StoreError};

/// A disable from the command line must be honoured within a second.
const PERIOD: Duration = Duration::from_millis(200);

/// How many periods pass between two sweeps of what nobody needs any more.
const SWEEP: u32 = 300;

pub(super) struct Feed {
    store: Arc<dyn AccountStore>,
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    health: HealthReporter,
    /// The last revocation seen.
    seq: i64,
}

impl Feed {
    /// Reads every live revocation: before the first token is judged.
    pub async fn load(
        store: Arc<dyn AccountStore>,
        revocations: Arc<Revocations>,
        clock: Arc<dyn Clock>,
        health: HealthReporter,
    ) -> Result<Self, StoreError> {
        let mut seq = 0;
        for stored in store.revocations_after(seq, clock.now()).await? {
            seq = stored.seq;
            revocations.insert(stored.revocation, stored.until);
        }
        Ok(Self { store, revocations, clock, health, seq })
    }

    /// Reads what is new, for ever.
    pub async fn follow(mut self) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut serving = true;
        let mut until_sweep = 0;
        loop {
            ticks.tick().await;
            let read = self.read().await;
            if read.is_ok() != serving {
                serving = read.is_ok();
                match read {
                    Ok(()) => tracing::info!(event = "database", result = "back"),
                    Err(error) => {
                        tracing::error!(event = "database", result = "away", cause = cause(&error))
                    }
                }
                let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
                set_health(&self.health, status).await;
            }
            if until_sweep == 0 && serving {
                until_sweep = SWEEP;
                self.sweep().await;
            }
            until_sweep = until_sweep.saturating_sub(1);
        }
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        for stored in self.store.revocations_after(self.seq, self.clock.now()).await? {
            self.seq = stored.seq;
            if self.revocations.insert(stored.revocation, stored.until) {
                tracing::info!(event = "revoke", by = "another process", revocation = ?stored.revocation);
            }
        }
        Ok(())
    }

    async fn sweep(&self) {
        let now = self.clock.now();
        self.revocations.purge(now);
        if let Err(error) = self.store.purge(now).await {
            tracing::warn!(event = "sweep", result = "put off", cause = cause(&error));
        }
    }
}

fn cause(error: &StoreError) -> &(dyn std::error::Error + 'static) {
    std::error::Error::source(error).unwrap_or(error)
}
