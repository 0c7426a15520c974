//! How the ends of sessions that *another* process stored (another replica, the command line) reach the set in memory: by
//! asking the database for what is new whenever it may have changed. The question also tells whether the database is
//! there at all, which is what health reports; and each answer vouches for the set. Without one for longer than the set
//! tolerates, no token is accepted: a replica that is cut off refuses rather than guess. The feed also asks the database what
//! time it is: a replica whose clock is off accepts no token either.

use std::sync::Arc;
use std::time::Duration;

use countersign_guard::clock::{Clock, Skew};
use countersign_guard::revocations::{Batch, Entry, Position, Revocations};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout};

use super::health::Health;
use crate::accounts::Known;
use crate::budgets::schedule;
use crate::store::{REVOCATIONS_AT_ONCE, Store, StoreError, StoredRevocation};

/// How long one question may take: milliseconds, unless the network swallows packets. Then the next one goes another way.
/// After two of them, the database is away.
const LONGEST_READ: Duration = Duration::from_millis(1_500);

/// How often the clocks are compared. In between, a clock that is set is noticed by the time that has passed.
const COMPARE: Duration = Duration::from_secs(1);

/// How often what nobody needs any more is swept out.
const SWEEP: Duration = Duration::from_secs(60);

/// How much longer than needed it is kept in the database: a token that has expired here may be good on a replica whose clock
/// is behind, and its session must still be there to be ended.
const KEPT: Duration = Duration::from_secs(2 * Skew::MAX.as_secs());

pub(super) struct Feed {
    store: Arc<dyn Store>,
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    health: Health,
    known: Arc<Known>,
    /// The last revocation seen.
    position: Position,
    /// Whether it reads from the beginning: then watchers cannot follow.
    anew: bool,
    /// When the clocks were.
    compared: Option<Instant>,
}

impl Feed {
    /// Reads every live revocation: before the first token is judged.
    pub async fn load(
        store: Arc<dyn Store>,
        revocations: Arc<Revocations>,
        clock: Arc<dyn Clock>,
        health: Health,
        known: Arc<Known>,
    ) -> Result<Self, StoreError> {
        let (position, anew, compared) = (Position::default(), true, None);
        let mut feed = Self { store, revocations, clock, health, known, position, anew, compared };
        feed.read(false).await?;
        feed.health.set_in_time(!feed.revocations.is_clock_off()).await;
        Ok(feed)
    }

    /// Reads what is new, for ever.
    pub async fn follow(mut self) {
        let mut serving = true;
        let mut swept: Option<Instant> = None;
        loop {
            if self.store.changed().await || !serving {
                // From the beginning: what comes back may be a restored database, whose numbers are behind ours.
                (self.position, self.anew, self.compared) = (Position::default(), true, None);
            }
            let mut read = self.read(true).await;
            if serving && read.is_err() {
                // Once more, at once: it may have been one connection that was lost.
                read = self.read(true).await;
            }
            if read.is_ok() != serving {
                serving = read.is_ok();
                match read {
                    Ok(()) => tracing::info!(event = "database", result = "back"),
                    Err(error) => tracing::error!(event = "database", result = "away", cause = error.cause()),
                }
                self.health.set_reachable(serving).await;
            }
            self.health.set_in_time(!self.revocations.is_clock_off()).await;
            if serving && !self.revocations.is_clock_off() && swept.is_none_or(|at| at.elapsed() >= SWEEP) {
                swept = Some(Instant::now());
                self.sweep();
            }
        }
    }

    /// Reads what is new. With `tell`, the log hears of it.
    async fn read(&mut self, tell: bool) -> Result<(), StoreError> {
        // Before the question: what is stored while it is answered may be missing from the answer.
        let began = self.clock.elapsed();
        self.compare().await?;
        // By a clock that is off, nothing has expired: what it would forget is needed once it is right again.
        let now = if self.revocations.is_clock_off() { OffsetDateTime::UNIX_EPOCH } else { self.clock.now() };
        if self.anew {
            // What has expired by now is not read.
            self.revocations.purge(now);
        }
        loop {
            let answer = ask(self.store.revocations_after(self.position.seq, now)).await?;
            for some in answer.chunks(Batch::LARGEST) {
                self.take(some, tell);
            }
            if answer.len() < REVOCATIONS_AT_ONCE as usize {
                break;
            }
        }
        if std::mem::take(&mut self.anew) {
            self.known.forget_all();
            self.revocations.publisher().begin(self.position);
        }
        // Last: from here on tokens are judged again, and by everything that was missed.
        self.revocations.mark_complete(began);
        self.store.caught_up();
        Ok(())
    }

    /// Compares the clocks, unless they were compared a moment ago or are one.
    async fn compare(&mut self) -> Result<(), StoreError> {
        if self.compared.is_some_and(|at| at.elapsed() < COMPARE) {
            return Ok(());
        }
        let asked = self.clock.elapsed();
        if let Some(time) = ask(self.store.time()).await? {
            // Half of the way there and back lay before the answer.
            self.revocations.compare(time, (asked + self.clock.elapsed()) / 2);
        }
        self.compared = Some(Instant::now());
        Ok(())
    }

    /// Into the set first, so that whoever subscribes meanwhile finds it in the one or hears it from the other.
    fn take(&mut self, some: &[StoredRevocation], tell: bool) {
        for stored in some {
            self.known.heed(stored.revocation);
            if self.revocations.insert(stored.revocation, stored.until) && tell {
                tracing::info!(event = "revoke", by = "the feed", revocation = ?stored.revocation);
            }
        }
        if let Some(last) = some.last() {
            self.position = Position::of(last.seq, entry(last));
        }
        if !self.anew {
            let entries = some.iter().map(entry).collect();
            self.revocations.publisher().publish(Batch { entries, position: self.position });
        }
    }

    /// The database in a task of its own: what waits for locks must not keep the feed from reading.
    fn sweep(&self) {
        let now = self.clock.now();
        self.revocations.purge(now);
        let store = Arc::clone(&self.store);
        tokio::spawn(async move {
            let idle_since = now - schedule::REMEMBERED;
            let purged = async {
                store.purge(now - KEPT).await?;
                store.purge_attempts(idle_since, schedule::MOST).await
            };
            if let Err(error) = purged.await {
                tracing::warn!(event = "sweep", result = "put off", cause = error.cause());
            }
        });
    }
}

/// A question's answer, in time.
async fn ask<T>(question: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let too_late = || StoreError::Unavailable(format!("no answer within {} ms", LONGEST_READ.as_millis()).into());
    timeout(LONGEST_READ, question).await.unwrap_or_else(|_| Err(too_late()))
}

fn entry(stored: &StoredRevocation) -> Entry {
    Entry { revocation: stored.revocation, until: stored.until }
}
