//! The pools of connections, and how they are replaced when the database was lost. A host that vanishes does not even
//! close its connections, and the driver waits without limit for the last answer on each one that was in use. They
//! would be missing from the pool until the system gives them up, after a quarter of an hour. So the pools are
//! replaced.
//!
//! After the database was lost, no call gets a connection until the feed has caught up. Otherwise a call might be
//! answered for a token that was revoked on another replica in the last moment before the loss.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, PoisonError, RwLock};

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};

use super::CONNECTION_TIMEOUT;
use crate::store::StoreError;

/// The connections for calls. A statement takes about a millisecond, so these do thousands a second. A server accepts
/// 100 connections by default, and there may be many replicas.
const CALL_CONNECTIONS: u32 = 8;

/// The connections that only the feed uses, so that a rush of calls does not delay it. It needs one, and another while
/// that hangs.
const FEED_CONNECTIONS: u32 = 2;

// No `Debug`: the options hold a password.
pub(super) struct Pools {
    options: PgConnectOptions,
    calls: RwLock<PgPool>,
    feed: RwLock<PgPool>,
    /// Whether a query of the feed got no answer in time. Then the connections of calls may hang too; but a slow answer
    /// does not mean that the database was lost.
    hung: AtomicBool,
    /// How often the database was lost: the listening connection was lost, or a query of the feed failed.
    losses: Arc<AtomicU64>,
    /// The number of losses at the feed's latest query.
    losses_at_query: AtomicU64,
    /// The number of losses at the query that the feed has last caught up with.
    losses_caught_up: AtomicU64,
}

/// A query of the feed. If it is dropped without an answer, it has hung.
pub(super) struct FeedQuery<'a> {
    pools: &'a Pools,
    is_over: bool,
}

impl Pools {
    pub(super) fn new(options: PgConnectOptions, losses: Arc<AtomicU64>) -> Self {
        let (calls, feed) = (pool(&options, CALL_CONNECTIONS), pool(&options, FEED_CONNECTIONS));
        let (hung, losses_at_query, losses_caught_up) = Default::default();
        let (calls, feed) = (RwLock::new(calls), RwLock::new(feed));
        Self { options, calls, feed, hung, losses, losses_at_query, losses_caught_up }
    }

    /// The pool for a call. Fails while the database was lost and the feed has not caught up.
    pub(super) fn calls(&self) -> Result<PgPool, StoreError> {
        if self.is_in_step() {
            return Ok(get(&self.calls));
        }
        Err(StoreError::Unavailable("the database was lost, and the revocations stored since are not read yet".into()))
    }

    /// Whether the feed has caught up since the database was lost last.
    pub(super) fn is_in_step(&self) -> bool {
        self.losses.load(SeqCst) == self.losses_caught_up.load(SeqCst)
    }

    /// The pool for one query of the feed.
    pub(super) fn feed(&self) -> (PgPool, FeedQuery<'_>) {
        self.losses_at_query.store(self.losses.load(SeqCst), SeqCst);
        (get(&self.feed), FeedQuery { pools: self, is_over: false })
    }

    /// The same pool for a query that tells nothing about revocations. A loss that comes before it, and after the
    /// feed's latest query, still has to be caught up with.
    pub(super) fn beside_feed(&self) -> (PgPool, FeedQuery<'_>) {
        (get(&self.feed), FeedQuery { pools: self, is_over: false })
    }

    /// Records that everything the feed has read has taken effect. If the database was lost before the feed's latest
    /// query, or a query has hung, calls get new connections.
    pub(super) fn caught_up(&self) {
        let losses = self.losses_at_query.load(SeqCst);
        if self.hung.swap(false, SeqCst) || self.losses_caught_up.load(SeqCst) != losses {
            self.renew(&self.calls, CALL_CONNECTIONS);
            self.losses_caught_up.store(losses, SeqCst);
        }
    }

    pub(super) async fn close(&self) {
        get(&self.feed).close().await;
        get(&self.calls).close().await;
    }

    /// Replaces a pool. A call that has a connection of the old pool keeps it until it ends.
    fn renew(&self, which: &RwLock<PgPool>, size: u32) {
        *which.write().unwrap_or_else(PoisonError::into_inner) = pool(&self.options, size);
    }
}

impl FeedQuery<'_> {
    /// Records that the query was answered, or that it failed.
    pub(super) fn over(mut self, answered: bool) {
        self.is_over = true;
        if !answered {
            self.pools.losses.fetch_add(1, SeqCst);
        }
    }
}

impl Drop for FeedQuery<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.pools.hung.store(true, SeqCst);
            self.pools.renew(&self.pools.feed, FEED_CONNECTIONS);
        }
    }
}

fn get(which: &RwLock<PgPool>) -> PgPool {
    which.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn pool(options: &PgConnectOptions, size: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(CONNECTION_TIMEOUT)
        .after_connect(|connection, _| Box::pin(require_writable(connection)))
        .connect_lazy_with(options.clone())
}

/// Refuses a standby. It lags behind, so a revocation that was acknowledged long ago may be missing there. An address
/// that leads to a primary at the start may lead to a standby after a failover.
async fn require_writable(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let read_only: bool =
        sqlx::query_scalar("select current_setting('transaction_read_only')::bool").fetch_one(connection).await?;
    if read_only { Err(sqlx::Error::Protocol("the server is read-only".to_owned())) } else { Ok(()) }
}
