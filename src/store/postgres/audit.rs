//! PostgreSQL: `AuditStore`. The page of events is put together at run time, in `statements::audit_page`.

use async_trait::async_trait;
use sqlx::Row as _;
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::failure;
use super::{PostgresStore, to_completion};
use crate::domain::AuditEvent;
use crate::store::listing::PageReader;
use crate::store::rows::{AuditRow, millis};
use crate::store::{AuditPage, AuditStore, Listed, StoreError, statements};

#[async_trait]
impl AuditStore for PostgresStore {
    async fn append_events(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        let (pool, events) = (self.pools.calls()?, events.to_vec());
        to_completion(async move {
            let column = |value: fn(&AuditEvent) -> Option<Uuid>| events.iter().map(value).collect::<Vec<_>>();
            let words = |value: fn(&AuditEvent) -> String| events.iter().map(value).collect::<Vec<_>>();
            let ats: Vec<i64> = events.iter().map(|event| millis(event.at)).collect();
            let mut tx = pool.begin().await.map_err(failure)?;
            // One trip to the server and back for all events.
            sqlx::query(
                "insert into audit_events
                     (id, at, action, result, actor_id, account_id, firm_id, origin, request_id, detail)
                 select id, at, action, result, actor, account,
                     coalesce(firm, (select firm_id from accounts where accounts.id = account),
                         (select firm_id from accounts where accounts.id = actor)),
                     origin, request, detail
                 from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::uuid[], $8::text[],
                     $9::uuid[], $10::text[])
                     as noted (id, at, action, result, actor, account, firm, origin, request, detail)
                 on conflict (id) do nothing",
            )
            .bind(column(|event| Some(event.id)))
            .bind(ats)
            .bind(words(|event| event.note.action.as_str().to_owned()))
            .bind(words(|event| event.note.result.to_string()))
            .bind(column(|event| event.note.actor))
            .bind(column(|event| event.note.account))
            .bind(column(|event| event.note.firm))
            .bind(words(|event| event.note.origin.to_string()))
            .bind(column(|event| event.note.request_id))
            .bind(words(|event| event.note.detail.to_string()))
            .execute(&mut *tx)
            .await
            .map_err(failure)?;
            tx.commit().await.map_err(failure)
        })
        .await
    }

    async fn list_events(&self, page: &AuditPage) -> Result<Listed<AuditEvent>, StoreError> {
        // No event is newer than the key before the first page.
        let before = page.after.map_or((i64::MAX, Uuid::max()), |(at, id)| (millis(at), id));
        let mut reader = PageReader::new("audit_events", before, page.limit);
        while reader.goes_on() {
            let mut query = statements::audit_page::query::<sqlx::Postgres>(page, *reader.after(), reader.missing());
            let rows = query.build().fetch_all(&self.pools.calls()?).await.map_err(failure)?;
            reader.take(&rows, |row| Ok((row.try_get("at")?, row.try_get("id")?)), AuditRow::into_event)?;
        }
        Ok(reader.listed())
    }

    async fn purge_events(&self, before: OffsetDateTime, limit: u32) -> Result<u64, StoreError> {
        let pool = self.pools.calls()?;
        to_completion(async move {
            let mut tx = pool.begin().await.map_err(failure)?;
            let done = sqlx::query(
                "delete from audit_events where id in
                     (select id from audit_events where at < $1 order by at, id limit $2 for update skip locked)",
            )
            .bind(millis(before))
            .bind(i64::from(limit))
            .execute(&mut *tx)
            .await
            .map_err(failure)?;
            tx.commit().await.map_err(failure)?;
            Ok(done.rows_affected())
        })
        .await
    }
}
