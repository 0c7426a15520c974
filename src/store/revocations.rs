//! Revocations: the sessions that ended before their tokens expired. Every process keeps them in memory and follows
//! those that other processes store; this is what it reads them with.

use async_trait::async_trait;
use countersign_guard::revocations::{Entry, Revocation};
use time::OffsetDateTime;

use super::StoreError;

/// The most revocations that are read at once: more than are stored in any second, and few enough to be read in one.
pub const REVOCATIONS_AT_ONCE: u32 = 10_000;

/// The feed of revocations.
#[async_trait]
pub trait RevocationStore: Send + Sync + 'static {
    /// Reads the revocations stored after `seq` and still needed at `now`, in the order of their commits. Returns fewer
    /// than [`REVOCATIONS_AT_ONCE`] only if there are no more.
    async fn revocations_after(&self, seq: i64, now: OffsetDateTime) -> Result<Vec<StoredRevocation>, StoreError>;

    /// Reads the same as [`Self::revocations_after`] for a call, on the connections of calls: the feed's own
    /// connections measure whether the database still answers.
    async fn missed_revocations(&self, seq: i64, now: OffsetDateTime) -> Result<Vec<StoredRevocation>, StoreError>;

    /// Asks the database's clock; `None` if the database uses the clock of this machine.
    async fn time(&self) -> Result<Option<OffsetDateTime>, StoreError>;

    /// Waits until another process may have stored a revocation, but no longer than half a second. A reader that reads
    /// after each return misses no revocation, and hears of each as soon as the engine can tell.
    ///
    /// Returns true if the database was lost meanwhile. What is there now may be another database, or an older state of
    /// it, so the reader must start again from the beginning.
    async fn changed(&self) -> bool;

    /// Reports that everything read by [`Self::revocations_after`] has taken effect. After a database was lost, no call
    /// is served before that.
    fn caught_up(&self);

    /// Whether calls are served: true unless the database was lost and [`Self::caught_up`] has not been called since.
    fn is_in_step(&self) -> bool;
}

/// A revocation as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredRevocation {
    /// Its position in the order of commits.
    pub seq: i64,
    pub revocation: Revocation,
    /// When the last token that it refuses has expired.
    pub until: OffsetDateTime,
}

impl StoredRevocation {
    /// What a process remembers of it.
    pub(crate) fn entry(&self) -> Entry {
        Entry { revocation: self.revocation, until: self.until }
    }
}
