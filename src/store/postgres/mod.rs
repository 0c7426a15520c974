//! PostgreSQL, for more than one machine. Each file named as a capability of `store` implements that trait. Besides,
//! `address` reads the address of a database, `open` opens it, `password_file` explains a refusal, `pools` holds the
//! connections, `listen` hears of the revocations of other processes, `errors` says what PostgreSQL's codes mean, and
//! `moving` copies everything.
//!
//! **Every transaction runs in a task of its own** ([`to_completion`]), because of a defect of the driver (sqlx 0.9.0):
//! if the caller of `begin()` goes away, the connection returns to the pool "idle in transaction", where the next
//! transaction finds it.

mod accounts;
mod address;
mod admin;
mod attempts;
mod audit;
mod bound;
mod errors;
mod factors;
mod import;
mod invitations;
mod listen;
mod moving;
mod open;
mod outbox;
mod password_file;
mod passwords;
mod pools;
mod revocations;
mod sessions;
mod signing_key;
mod tickets;
mod token_keys;

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio::sync::Notify;
use tracing::Instrument as _;

use super::rows::millis;
use super::{Store, StoreError};
use errors::failure;
use listen::Announcements;
use pools::Pools;

pub(super) use moving::PostgresEndpoint;

/// How long a call waits for a connection, or for a new one to be made. Shorter than the deadline of most clients.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a transaction may take. The server ends our statements sooner, so only a network that loses packets makes
/// one take as long.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(20);

/// The most rows that one statement of [`PURGES`] deletes; each has the same number in its `limit`. So a statement
/// holds its locks only briefly, however many rows have expired.
const PURGED_AT_ONCE: u64 = 1_000;

/// The statements that delete expired rows. Mail is kept for a minute after it was sent
/// ([`MAIL_INTERVAL`](super::MAIL_INTERVAL)), and for 30 days after it was given up.
const PURGES: [&str; 7] = [
    "delete from sessions where id in
         (select id from sessions where expires_at <= $1 order by id limit 1000 for update skip locked)",
    "delete from revocations where seq in
         (select seq from revocations where expires_at <= $1 order by seq limit 1000 for update skip locked)",
    "delete from outbox where id in
         (select id from outbox where state = 'done' and due_at <= $1 - 60000 limit 1000 for update skip locked)",
    "delete from outbox where id in
         (select id from outbox where state = 'dead' and due_at <= $1 - 2592000000 limit 1000 for update skip locked)",
    "delete from tickets where digest in
         (select digest from tickets where expires_at <= $1 limit 1000 for update skip locked)",
    "delete from invitations where id in
         (select id from invitations where expires_at <= $1 limit 1000 for update skip locked)",
    "delete from spent_tickets where id in
         (select id from spent_tickets where expires_at <= $1 limit 1000 for update skip locked)",
];

/// Stores a row and deletes it, to test whether the database can be written. No real key looks like this one, and no
/// other transaction sees the row. The key differs between connections: with one key, replicas would wait for one
/// another, and all of them for a replica that was stopped.
const WRITE_AND_DELETE: [&str; 2] = [
    "insert into attempts (key, failures, last_failed_at) values ('none ' || pg_backend_pid(), 1, 0)",
    "delete from attempts where key = 'none ' || pg_backend_pid()",
];

/// A store in a database of a PostgreSQL server. Other replicas may use the same database.
pub struct PostgresStore {
    pools: Pools,
    announcements: Announcements,
    /// Wakes the sender when this process has queued mail.
    mail_queued: Notify,
}

/// Runs a transaction to its end, also if its caller goes away.
async fn to_completion<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let bounded = tokio::time::timeout(TRANSACTION_TIMEOUT, work.in_current_span());
    match tokio::spawn(bounded).await {
        Ok(Ok(done)) => done,
        Ok(Err(elapsed)) => Err(StoreError::Unavailable(elapsed.into())),
        Err(ended) if ended.is_cancelled() => Err(StoreError::Unavailable(ended.into())),
        Err(panic) => Err(StoreError::Corrupt(panic.into())),
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn try_writing(&self) -> Result<(), StoreError> {
        let pool = self.pools.calls()?;
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            for statement in WRITE_AND_DELETE {
                sqlx::query(statement).execute(&mut *tx).await.map_err(failure)?;
            }
            tx.commit().await.map_err(failure)
        })
        .await
    }

    async fn purge(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        let pool = self.pools.calls()?;
        to_completion(async move {
            let mut connection = pool.acquire().await.map_err(failure)?;
            for statement in PURGES {
                let mut purged = PURGED_AT_ONCE;
                while purged == PURGED_AT_ONCE {
                    let done = sqlx::query(statement).bind(millis(now)).execute(&mut *connection).await;
                    purged = done.map_err(failure)?.rows_affected();
                }
            }
            Ok(())
        })
        .await
    }

    async fn close(&self) {
        self.announcements.stop();
        // A connection that hangs is left to the server.
        let _ = tokio::time::timeout(CONNECTION_TIMEOUT, self.pools.close()).await;
    }
}
