//! SQLite: `RevocationStore`, the feed of revocations. Another process (the command line) may write to
//! the same file, and SQLite announces nothing, so the file is read five times a second.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::SqliteStore;
use super::errors::failure;
use super::open;
use super::readers::Readers;
use super::writer::WriteTransaction;
use crate::store::rows::{RevocationRow, millis};
use crate::store::{REVOCATIONS_AT_ONCE, RevocationStore, StoreError, StoredRevocation, statements};

/// How often the file is read for what another process wrote. Disabling an account must take effect within a second.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

#[async_trait]
impl RevocationStore for SqliteStore {
    async fn revocations_after(&self, seq: i64, now: OffsetDateTime) -> Result<Vec<StoredRevocation>, StoreError> {
        list(&self.feed, seq, now).await
    }

    async fn missed_revocations(&self, seq: i64, now: OffsetDateTime) -> Result<Vec<StoredRevocation>, StoreError> {
        list(&self.readers, seq, now).await
    }

    async fn time(&self) -> Result<Option<OffsetDateTime>, StoreError> {
        Ok(None)
    }

    async fn changed(&self) -> bool {
        let _ = tokio::time::timeout(POLL_INTERVAL, self.revoked.notified()).await;
        if let Some(length) = self.file.shrunk_from() {
            let size = open::size(&self.feed).await;
            self.file.explain_shrinking(size.is_ok_and(|size| size < length));
        }
        self.file.is_lost()
    }

    // Nothing to do: the file is checked before each use, so a call never reads a file that was lost and came back.
    fn caught_up(&self) {}

    fn is_in_step(&self) -> bool {
        !self.file.is_lost()
    }
}

async fn list(readers: &Readers, seq: i64, now: OffsetDateTime) -> Result<Vec<StoredRevocation>, StoreError> {
    let rows = sqlx::query(statements::revocations::LIST)
        .bind(seq)
        .bind(millis(now))
        .bind(i64::from(REVOCATIONS_AT_ONCE))
        .fetch_all(&mut **readers.take().await?)
        .await
        .map_err(failure)?;
    rows.iter().map(RevocationRow::read).collect()
}

/// Tells every process that an account has changed, until `until`. No session ends.
pub(super) async fn announce_change(
    tx: &mut WriteTransaction,
    account_id: Uuid,
    until: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(statements::revocations::INSERT_CHANGE)
        .bind(account_id)
        .bind(millis(until))
        .execute(&mut **tx)
        .await
        .map_err(failure)?;
    Ok(())
}
