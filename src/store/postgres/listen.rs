//! How one process tells that it has stored a revocation ([`announce`]), and how another hears of it: `listen`, on a connection of its own, which is made anew
//! whenever it is lost. Nothing depends on it but speed: who waits here looks again after half a second anyway.

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

use super::WAIT_FOR_A_CONNECTION;
use super::errors::failure;
use crate::store::StoreError;

/// Announces every revocation, in the transaction that stores it.
const CHANNEL: &str = "countersign_revocations";

/// Held from before a revocation gets its `seq` to its commit, which makes the order of `seq` that of commits. Otherwise
/// a reader that has seen 8 could miss 7, whose transaction commits later. It costs no speed: `notify` makes PostgreSQL
/// commit such transactions one after the other anyway. The number is `counters` in ASCII, and nothing else.
const COMMIT_ORDER: i64 = 0x636f_756e_7465_7273;

/// How long nobody waits for an announcement that may have got lost.
const LOOK: Duration = Duration::from_millis(500);

/// Between two attempts to connect, of a database that was there a moment ago, and of one that is away for good.
const SHORT_PAUSE: Duration = Duration::from_millis(50);
const LONG_PAUSE: Duration = Duration::from_millis(500);
const MOMENT: Duration = Duration::from_secs(10);

/// How long the connection may be silent before it is asked for a sign of life. Middle-boxes forget silent connections
/// after some minutes and tell neither side.
const SILENCE: Duration = Duration::from_secs(30);

/// The announcements of all processes on the database.
// No `Debug`: the options hold a password.
pub(super) struct Announcements {
    options: PgConnectOptions,
    bell: Arc<Notify>,
    /// How often they may have got lost, and how often when it was last told.
    losses: Arc<AtomicU64>,
    told: AtomicU64,
    /// Begun by the first who waits: the command line never does.
    listening: OnceLock<JoinHandle<()>>,
}

impl Announcements {
    pub fn new(options: PgConnectOptions, losses: Arc<AtomicU64>) -> Self {
        Self { options, bell: Arc::default(), losses, told: AtomicU64::new(0), listening: OnceLock::new() }
    }

    /// Returns at the next announcement, or at one since the last call, or after [`LOOK`]. Tells whether any may have got
    /// lost since the last call.
    pub async fn next(&self) -> bool {
        self.listening.get_or_init(|| {
            let (bell, losses) = (Arc::clone(&self.bell), Arc::clone(&self.losses));
            tokio::spawn(listen(self.options.clone(), bell, losses))
        });
        // The bell remembers one ring, so that none is lost between two calls. That time ran out is nothing to tell.
        let _ = timeout(LOOK, self.bell.notified()).await;
        let losses = self.losses.load(SeqCst);
        self.told.swap(losses, SeqCst) != losses
    }

    pub fn stop(&self) {
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

async fn listen(options: PgConnectOptions, bell: Arc<Notify>, losses: Arc<AtomicU64>) {
    let mut lost = Instant::now();
    loop {
        let mut listened = false;
        let Err(cause) = listen_once(&options, &bell, &mut listened).await;
        tracing::debug!(event = "listen", result = "lost", cause = &cause as &dyn std::error::Error);
        if listened {
            lost = Instant::now();
            losses.fetch_add(1, SeqCst);
        }
        // What was announced in the database's last moment was announced to nobody: look, and again when it is back.
        bell.notify_one();
        sleep(if lost.elapsed() < MOMENT { SHORT_PAUSE } else { LONG_PAUSE }).await;
    }
}

async fn listen_once(
    options: &PgConnectOptions,
    bell: &Notify,
    listened: &mut bool,
) -> Result<Infallible, sqlx::Error> {
    // A pool of one each time: the slot of a connection that hangs while it is given back would never be free again.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(WAIT_FOR_A_CONNECTION)
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    *listened = true;
    // For what was stored before anybody listened.
    bell.notify_one();
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(received) => {
                // A `None` says that the connection was lost and is there again; so said, everyone hears of it.
                received?.ok_or(sqlx::Error::PoolClosed)?;
                bell.notify_one();
            }
            Err(_silent) => {
                let alive = timeout(WAIT_FOR_A_CONNECTION, sqlx::query("select 1").execute(&mut listener)).await;
                alive.map_err(|_| sqlx::Error::PoolTimedOut)??;
            }
        }
    }
}

/// Goes before each insert of a revocation: makes its place the next in the order of commits, and tells all processes of
/// it once it is committed.
pub(super) async fn announce(tx: &mut Transaction<'_, Postgres>) -> Result<(), StoreError> {
    sqlx::query("select pg_advisory_xact_lock($1), pg_notify($2, '')")
        .bind(COMMIT_ORDER)
        .bind(CHANNEL)
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    Ok(())
}
