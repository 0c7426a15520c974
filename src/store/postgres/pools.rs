//! The connections, and what becomes of them when the database was lost. A host that vanishes answers nothing, not even
//! that a connection is over, and the driver waits without limit for the last answer on each that was in use: the pool
//! would be short of them until the system gives them up, after a quarter of an hour. So the pools are made anew.
//!
//! Between a lost database and a feed that has caught up, no call gets a connection: the database might be there again
//! already, and calls answered for tokens whose end was acknowledged elsewhere in its last moment.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, PoisonError, RwLock};

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};

use super::WAIT_FOR_A_CONNECTION;
use crate::store::StoreError;

/// For the statements of calls. Each takes about a millisecond of one, so these do thousands a second; a server lets 100
/// in by default, and there may be many replicas.
const CONNECTIONS: u32 = 8;

/// That only the feed reads with: a rush of calls must not make it look stale. It needs one, and while that hangs another.
const FEED_CONNECTIONS: u32 = 2;

// No `Debug`: the options hold a password.
pub(super) struct Pools {
    options: PgConnectOptions,
    calls: RwLock<PgPool>,
    feed: RwLock<PgPool>,
    /// Whether a question of the feed has hung. Then others may hang for good; but a slow answer is no loss.
    hung: AtomicBool,
    /// How often the database was lost: the listening connection was, or a question of the feed failed.
    losses: Arc<AtomicU64>,
    /// How many of them there were when the feed asked last …
    asked: AtomicU64,
    /// … and when it asked for what it knows.
    heeded: AtomicU64,
}

/// A question of the feed. Dropped without an answer, it has hung.
pub(super) struct Question<'a> {
    pools: &'a Pools,
    is_over: bool,
}

impl Pools {
    pub fn new(options: PgConnectOptions, losses: Arc<AtomicU64>) -> Self {
        let (calls, feed) = (pool(&options, CONNECTIONS), pool(&options, FEED_CONNECTIONS));
        let (hung, asked, heeded) = Default::default();
        Self { options, calls: RwLock::new(calls), feed: RwLock::new(feed), hung, losses, asked, heeded }
    }

    /// For the statements of a call.
    pub fn calls(&self) -> Result<PgPool, StoreError> {
        if self.is_in_step() {
            return Ok(get(&self.calls));
        }
        Err(StoreError::Unavailable("the database was lost, and what was missed is not yet read".into()))
    }

    /// Whether everything is heeded that was missed when the database was lost.
    pub fn is_in_step(&self) -> bool {
        self.losses.load(SeqCst) == self.heeded.load(SeqCst)
    }

    /// For one question of the feed.
    pub fn feed(&self) -> (PgPool, Question<'_>) {
        self.asked.store(self.losses.load(SeqCst), SeqCst);
        (get(&self.feed), Question { pools: self, is_over: false })
    }

    /// The feed has heeded all that it was answered. If the database was lost before it asked, or it had hung, calls begin
    /// with connections that never did.
    pub fn caught_up(&self) {
        let asked = self.asked.load(SeqCst);
        if self.hung.swap(false, SeqCst) || self.heeded.load(SeqCst) != asked {
            self.renew(&self.calls, CONNECTIONS);
            self.heeded.store(asked, SeqCst);
        }
    }

    pub async fn close(&self) {
        get(&self.feed).close().await;
        get(&self.calls).close().await;
    }

    /// Whoever uses the pool that was there keeps it until then.
    fn renew(&self, which: &RwLock<PgPool>, size: u32) {
        *which.write().unwrap_or_else(PoisonError::into_inner) = pool(&self.options, size);
    }
}

impl Question<'_> {
    /// It was answered, or it failed.
    pub fn over(mut self, answered: bool) {
        self.is_over = true;
        if !answered {
            self.pools.losses.fetch_add(1, SeqCst);
        }
    }
}

impl Drop for Question<'_> {
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
        .acquire_timeout(WAIT_FOR_A_CONNECTION)
        .after_connect(|connection, _| Box::pin(require_writable(connection)))
        .connect_lazy_with(options.clone())
}

/// A standby lags behind: what is read there may lack a revocation that was acknowledged long ago. An address that leads to
/// a primary at the start may lead to a standby after a failover.
async fn require_writable(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let read_only: bool =
        sqlx::query_scalar("select current_setting('transaction_read_only')::bool").fetch_one(connection).await?;
    if read_only { Err(sqlx::Error::Protocol("the server is read-only".to_owned())) } else { Ok(()) }
}
