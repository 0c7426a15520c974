//! SQLite: `AuditStore`. The page of events is put together at run time, in `statements::audit_page`.

use async_trait::async_trait;
use sqlx::sqlite::Sqlite;
use sqlx::{QueryBuilder, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use super::SqliteStore;
use super::errors::failure;
use crate::domain::AuditEvent;
use crate::store::listing::PageReader;
use crate::store::rows::{AuditRow, millis};
use crate::store::{AuditPage, AuditStore, Listed, StoreError, statements};

/// The events of one insert. Ten parameters for each are far below SQLite's limit.
const EVENTS_PER_STATEMENT: usize = 500;

#[async_trait]
impl AuditStore for SqliteStore {
    async fn append_events(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // Many events in one statement, because each statement wakes SQLite's thread and then ours.
        for some in events.chunks(EVENTS_PER_STATEMENT) {
            let mut insert = QueryBuilder::<Sqlite>::new(
                "with noted (id, at, action, result, actor, account, firm, origin, request, detail) as (",
            );
            insert.push_values(some, |mut row, AuditEvent { id, at, note }| {
                row.push_bind(id).push_bind(millis(*at)).push_bind(note.action.as_str()).push_bind(&*note.result);
                row.push_bind(note.actor).push_bind(note.account).push_bind(note.firm);
                row.push_bind(note.origin.to_string()).push_bind(note.request_id).push_bind(note.detail.to_string());
            });
            insert.push(
                ") insert into audit_events
                     (id, at, action, result, actor_id, account_id, firm_id, origin, request_id, detail)
                 select id, at, action, result, actor, account,
                     coalesce(firm, (select firm_id from accounts where accounts.id = noted.account),
                         (select firm_id from accounts where accounts.id = noted.actor)),
                     origin, request, detail
                 from noted where true on conflict (id) do nothing",
            );
            // Not kept prepared, because the next insert hardly ever has as many rows.
            insert.build().persistent(false).execute(&mut *tx).await.map_err(failure)?;
        }
        tx.commit().await
    }

    async fn list_events(&self, page: &AuditPage) -> Result<Listed<AuditEvent>, StoreError> {
        // No event is newer than the key before the first page.
        let before = page.after.map_or((i64::MAX, Uuid::max()), |(at, id)| (millis(at), id));
        let mut reader = PageReader::new("audit_events", before, page.limit);
        while reader.goes_on() {
            let mut query = statements::audit_page::query::<sqlx::Sqlite>(page, *reader.after(), reader.missing());
            let rows = query.build().fetch_all(&mut **self.readers.take().await?).await.map_err(failure)?;
            reader.take(&rows, |row| Ok((row.try_get("at")?, row.try_get("id")?)), AuditRow::into_event)?;
        }
        Ok(reader.listed())
    }

    async fn purge_events(&self, before: OffsetDateTime, limit: u32) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let done = sqlx::query(
            "delete from audit_events where id in (select id from audit_events where at < $1 order by at, id limit $2)",
        )
        .bind(millis(before))
        .bind(limit)
        .execute(&mut *tx)
        .await
        .map_err(failure)?;
        tx.commit().await?;
        Ok(done.rows_affected())
    }
}
