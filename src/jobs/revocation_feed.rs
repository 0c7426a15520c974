//! Reads the revocations that *other* processes stored (another replica, the command line) into the set in memory,
//! whenever the database may have changed. Each successful query also vouches for the set and tells health that the
//! database is reachable. If no query succeeds for longer than the set tolerates, no token is accepted: a replica that
//! is cut off refuses rather than guesses. The feed also compares the clock of this machine with the database's; a
//! replica with a wrong clock accepts no token either.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{Instant, timeout};

use super::health::Health;
use crate::accounts::AccountCache;
use crate::budgets::lockout;
use crate::keys::TokenKeys;
use crate::store::{KEYS_CHANGED, REVOCATIONS_AT_ONCE, Store, StoreError, StoredRevocation};
use countersign_guard::clock::{Clock, Skew};
use countersign_guard::revocations::{Batch, Position, Revocations};

/// The deadline of one query. A query takes milliseconds, unless the network drops packets; the next one then uses
/// another connection. After two that fail in a row, the database is reported as away.
const QUERY_DEADLINE: Duration = Duration::from_millis(1_500);

/// How often the clocks are compared. If this machine's clock is set in between, the elapsed time since the comparison
/// shows it.
const COMPARE_PERIOD: Duration = Duration::from_secs(1);

/// How often expired rows are deleted.
const SWEEP_PERIOD: Duration = Duration::from_secs(60);

/// How long rows are kept after they have expired. A token that has expired here may still be valid on a replica with a
/// slow clock, and its session must still exist to be ended.
const SWEEP_MARGIN: Duration = Duration::from_secs(2 * Skew::MAX.as_secs());

/// Reads new revocations for as long as the process lives.
pub(crate) struct RevocationFeed {
    store: Arc<dyn Store>,
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    health: Health,
    cache: Arc<AccountCache>,
    keys: Arc<TokenKeys>,
    /// The position of the last revocation that was read.
    position: Position,
    /// Whether it reads from the beginning. Watches then have to begin anew as well.
    anew: bool,
    /// When the clocks were last compared.
    compared: Option<Instant>,
}

/// The parts that a feed is made of.
pub(crate) struct FeedParts {
    pub store: Arc<dyn Store>,
    /// The set that revocations are read into.
    pub revocations: Arc<Revocations>,
    /// The time by the clock that all replicas share.
    pub clock: Arc<dyn Clock>,
    pub health: Health,
    /// The cache that accounts are dropped from when they change.
    pub cache: Arc<AccountCache>,
    /// The keys of tokens, which are read anew when they change.
    pub keys: Arc<TokenKeys>,
}

impl RevocationFeed {
    /// Reads every live revocation. Must be complete before the first token is verified.
    pub(crate) async fn load(parts: FeedParts) -> Result<Self, StoreError> {
        let FeedParts { store, revocations, clock, health, cache, keys } = parts;
        let (position, anew, compared) = (Position::default(), true, None);
        let mut feed = Self { store, revocations, clock, health, cache, keys, position, anew, compared };
        feed.read(false).await?;
        feed.health.set_in_time(!feed.revocations.is_clock_off());
        Ok(feed)
    }

    /// Reads new revocations until the task is aborted.
    pub(crate) async fn follow(mut self) {
        let mut serving = true;
        let mut swept: Option<Instant> = None;
        loop {
            if self.store.changed().await || !serving {
                // Reads from the beginning, because a database that was restored from a backup may have a lower
                // sequence.
                (self.position, self.anew, self.compared) = (Position::default(), true, None);
            }
            let mut read = self.read(true).await;
            if serving && read.is_err() {
                // Tries again at once, because only one connection may have been lost.
                read = self.read(true).await;
            }
            if read.is_ok() != serving {
                serving = read.is_ok();
                match read {
                    Ok(()) => tracing::info!(event = "database", result = "back"),
                    Err(error) => tracing::error!(event = "database", result = "away", cause = error.cause()),
                }
                self.health.set_reachable(serving);
            }
            self.health.set_in_time(!self.revocations.is_clock_off());
            if serving && !self.revocations.is_clock_off() && swept.is_none_or(|at| at.elapsed() >= SWEEP_PERIOD) {
                swept = Some(Instant::now());
                self.sweep();
            }
        }
    }

    /// Reads new revocations, and logs them if `log` is set.
    async fn read(&mut self, log: bool) -> Result<(), StoreError> {
        // Taken before the query, because a revocation that is stored during the query may be missing from its result.
        let began = self.clock.elapsed();
        self.compare().await?;
        // By a wrong clock, nothing counts as expired: what it would delete is needed once the clock is right again.
        let now = if self.revocations.is_clock_off() { OffsetDateTime::UNIX_EPOCH } else { self.clock.now() };
        if self.anew {
            // The query does not return what has expired, so that must leave the set as well.
            self.revocations.purge(now);
        }
        let mut read_keys = self.anew;
        loop {
            let answer = in_time(self.store.revocations_after(self.position.seq, now)).await?;
            read_keys |= answer.iter().any(|stored| stored.revocation == KEYS_CHANGED);
            // Before a watch is told, because whoever watches asks for the keys at once.
            if std::mem::take(&mut read_keys) {
                in_time(self.keys.refresh()).await?;
            }
            for some in answer.chunks(Batch::LARGEST) {
                self.insert(some, log);
            }
            if answer.len() < REVOCATIONS_AT_ONCE as usize {
                break;
            }
        }
        if std::mem::take(&mut self.anew) {
            self.cache.clear();
            self.revocations.publisher().begin(self.position);
        }
        // Last, because tokens are accepted again from here on, and by now the set has every revocation that was
        // missed.
        self.revocations.mark_complete(began);
        self.store.caught_up();
        Ok(())
    }

    /// Compares the clocks, unless they were compared a moment ago. SQLite has no clock of its own.
    async fn compare(&mut self) -> Result<(), StoreError> {
        if self.compared.is_some_and(|at| at.elapsed() < COMPARE_PERIOD) {
            return Ok(());
        }
        let asked = self.clock.elapsed();
        if let Some(time) = in_time(self.store.time()).await? {
            // The database answered in the middle of the round trip, as far as one can know.
            self.revocations.compare(time, (asked + self.clock.elapsed()) / 2);
        }
        self.compared = Some(Instant::now());
        Ok(())
    }

    /// Inserts revocations into the set and then publishes them, so that a watch that begins meanwhile gets them from
    /// one of the two.
    fn insert(&mut self, some: &[StoredRevocation], log: bool) {
        for stored in some {
            self.cache.apply(stored.revocation);
            let is_new = self.revocations.insert(stored.revocation, stored.until);
            if is_new && log && stored.revocation != KEYS_CHANGED {
                tracing::info!(event = "revoke", by = "the feed", revocation = ?stored.revocation);
            }
        }
        if let Some(last) = some.last() {
            self.position = Position::of(last.seq, last.entry());
        }
        if !self.anew {
            let entries = some.iter().map(StoredRevocation::entry).collect();
            self.revocations.publisher().publish(Batch { entries, position: self.position });
        }
    }

    /// Deletes expired rows, in a task of its own: a delete that waits for locks must not keep the feed from reading.
    fn sweep(&self) {
        let now = self.clock.now();
        self.revocations.purge(now);
        let store = Arc::clone(&self.store);
        tokio::spawn(async move {
            let idle_since = now - lockout::REMEMBERED_FOR;
            let purged = async {
                store.purge(now - SWEEP_MARGIN).await?;
                store.purge_attempts(idle_since, lockout::LOCKED_AFTER).await
            };
            if let Err(error) = purged.await {
                tracing::warn!(event = "sweep", result = "put off", cause = error.cause());
            }
        });
    }
}

/// The result of a query, or an error after [`QUERY_DEADLINE`].
async fn in_time<T>(query: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let too_late = || StoreError::Unavailable(format!("no answer within {} ms", QUERY_DEADLINE.as_millis()).into());
    timeout(QUERY_DEADLINE, query).await.unwrap_or_else(|_| Err(too_late()))
}
