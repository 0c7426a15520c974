//! How a process announces that it has stored a revocation ([`announce`]), and how the others hear of it: by `listen`,
//! on a connection of its own that is replaced whenever it is lost. Only speed depends on it: the feed reads again
//! after half a second anyway.

use std::convert::Infallible;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::Transaction;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions, Postgres};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::CONNECTION_TIMEOUT;
use super::errors::failure;
use crate::store::StoreError;

/// The channel of `notify`. Every revocation is announced there, in the transaction that stores it.
const CHANNEL: &str = "countersign_revocations";

/// The advisory lock that a transaction holds from before a revocation gets its `seq` until the commit. It makes the
/// order of `seq` the order of commits. Otherwise a reader that has seen 8 could miss 7, if the transaction of 7
/// commits later. It costs no speed: `notify` makes PostgreSQL commit such transactions one after the other anyway. The
/// number is `counters` in ASCII and has no other meaning.
const COMMIT_ORDER: i64 = 0x636f_756e_7465_7273;

/// How often the feed reads without an announcement, which may have been lost.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The pause between two attempts to connect, during [`RECENTLY`] after the connection was lost.
const SHORT_PAUSE: Duration = Duration::from_millis(50);
/// The pause between two attempts to connect, later.
const LONG_PAUSE: Duration = Duration::from_millis(500);
const RECENTLY: Duration = Duration::from_secs(10);

/// How long the connection may be idle before it is checked. Firewalls forget idle connections after some minutes, and
/// tell neither side.
const IDLE_CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// The announcements of all processes on the database.
// No `Debug`: the options hold a password.
pub(super) struct Announcements {
    options: PgConnectOptions,
    announced: Arc<Notify>,
    /// How often announcements may have been lost.
    losses: Arc<AtomicU64>,
    /// The number of losses that [`Self::next`] has reported.
    losses_reported: AtomicU64,
    /// Begun by the first call of [`Self::next`]: the command line never listens.
    listening: OnceLock<JoinHandle<()>>,
}

impl Announcements {
    pub(super) fn new(options: PgConnectOptions, losses: Arc<AtomicU64>) -> Self {
        Self {
            options,
            announced: Arc::default(),
            losses,
            losses_reported: AtomicU64::new(0),
            listening: OnceLock::new(),
        }
    }

    /// Returns at the next announcement, at once if there was one since the last call, or after [`POLL_INTERVAL`].
    /// Returns true if announcements may have been lost since the last call.
    pub(super) async fn next(&self) -> bool {
        self.listening.get_or_init(|| {
            let (announced, losses) = (Arc::clone(&self.announced), Arc::clone(&self.losses));
            tokio::spawn(listen(self.options.clone(), announced, losses))
        });
        // `Notify` remembers one call of `notify_one`, so that none is lost between two calls. A timeout is no error.
        let _ = timeout(POLL_INTERVAL, self.announced.notified()).await;
        let losses = self.losses.load(SeqCst);
        self.losses_reported.swap(losses, SeqCst) != losses
    }

    pub(super) fn stop(&self) {
        if let Some(task) = self.listening.get() {
            task.abort();
        }
    }
}

impl Drop for Announcements {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn listen(options: PgConnectOptions, announced: Arc<Notify>, losses: Arc<AtomicU64>) {
    let mut lost = Instant::now();
    loop {
        let mut listened = false;
        let Err(cause) = listen_once(&options, &announced, &mut listened).await;
        tracing::debug!(event = "listen", result = "lost", cause = &cause as &dyn std::error::Error);
        if listened {
            lost = Instant::now();
            losses.fetch_add(1, SeqCst);
        }
        // An announcement just before the loss reached nobody. So the feed reads now, and again after the next
        // connection.
        announced.notify_one();
        sleep(if lost.elapsed() < RECENTLY { SHORT_PAUSE } else { LONG_PAUSE }).await;
    }
}

async fn listen_once(
    options: &PgConnectOptions,
    announced: &Notify,
    listened: &mut bool,
) -> Result<Infallible, sqlx::Error> {
    // A new pool of one connection each time: a connection that hangs while it is returned would never free its slot.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(CONNECTION_TIMEOUT)
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    *listened = true;
    // For revocations that were stored before this connection listened.
    announced.notify_one();
    loop {
        match timeout(IDLE_CHECK_INTERVAL, listener.try_recv()).await {
            Ok(received) => {
                // `None` means that the connection was lost and replaced. As an error it is counted as a loss.
                received?.ok_or(sqlx::Error::PoolClosed)?;
                announced.notify_one();
            }
            Err(_idle) => {
                let alive = timeout(CONNECTION_TIMEOUT, sqlx::query("select 1").execute(&mut listener)).await;
                alive.map_err(|_| sqlx::Error::PoolTimedOut)??;
            }
        }
    }
}

/// Must run before each insert of a revocation. It makes the revocation's number the next in the order of commits, and
/// notifies all processes once the transaction is committed.
pub(super) async fn announce(tx: &mut Transaction<'_, Postgres>) -> Result<(), StoreError> {
    sqlx::query("select pg_advisory_xact_lock($1), pg_notify($2, '')")
        .bind(COMMIT_ORDER)
        .bind(CHANNEL)
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    Ok(())
}
