//! The statements of the audit trail.

use async_trait::async_trait;
use sqlx::sqlite::Sqlite;
use sqlx::{QueryBuilder, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use super::SqliteStore;
use super::errors::failure;
use crate::domain::{Action, AuditEvent};
use crate::store::listing::Page;
use crate::store::rows::{AuditRow, millis};
use crate::store::{AuditPage, AuditStore, Listed, StoreError};

/// Ten parameters a row, and far below SQLite's limit of them.
const ROWS_A_STATEMENT: usize = 500;

#[async_trait]
impl AuditStore for SqliteStore {
    async fn append_events(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        // A statement is a wake-up of SQLite's thread, and one of ours.
        for some in events.chunks(ROWS_A_STATEMENT) {
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
            // Seldom twice of the same length.
            insert.build().persistent(false).execute(&mut *tx).await.map_err(failure)?;
        }
        tx.commit().await
    }

    async fn list_events(&self, page: &AuditPage) -> Result<Listed<AuditEvent>, StoreError> {
        // Before the first page comes what no event can be newer than.
        let before = page.after.map_or((i64::MAX, Uuid::max()), |(at, id)| (millis(at), id));
        let mut listed = Page::new("audit_events", before, page.limit);
        while listed.goes_on() {
            let mut question = question(page, *listed.after(), listed.missing());
            let rows = question.build().fetch_all(&mut **self.readers.take().await?).await.map_err(failure)?;
            listed.take(&rows, |row| Ok((row.try_get("at")?, row.try_get("id")?)), AuditRow::into_event)?;
        }
        Ok(listed.listed())
    }

    async fn purge_events(&self, before: OffsetDateTime, limit: u32) -> Result<u64, StoreError> {
        let mut tx = self.write().await?;
        let done = sqlx::query(
            "delete from audit_events where id in (select id from audit_events where at < ?1 order by at, id limit ?2)",
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

/// What an account did and what was done to it are two questions, each of an index that has the order already; and what it
/// did to itself is in both.
fn question(page: &AuditPage, before: (i64, Uuid), limit: i64) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("");
    let Some(account) = page.account else {
        part(&mut query, page, before, limit, None);
        return query;
    };
    query.push("select * from (");
    part(&mut query, page, before, limit, Some(("account_id", account)));
    query.push(") as done_to union select * from (");
    part(&mut query, page, before, limit, Some(("actor_id", account)));
    query.push(") as did order by at desc, id desc limit ").push_bind(limit);
    query
}

fn part(
    query: &mut QueryBuilder<Sqlite>,
    page: &AuditPage,
    (before, before_id): (i64, Uuid),
    limit: i64,
    account: Option<(&str, Uuid)>,
) {
    query.push(
        "select id, at, action, result, actor_id, account_id, firm_id, origin, request_id, detail from audit_events",
    );
    query.push(" where (at, id) < (").push_bind(before).push(", ").push_bind(before_id).push(")");
    if let Some((column, id)) = account {
        query.push(" and ").push(column).push(" = ").push_bind(id);
    }
    if let Some(firm) = page.firm {
        query.push(" and firm_id = ").push_bind(firm);
    }
    if let Some(action) = page.action.map(Action::as_str) {
        query.push(" and action = ").push_bind(action);
    }
    if let Some(from) = page.from {
        query.push(" and at >= ").push_bind(millis(from));
    }
    if let Some(until) = page.until {
        query.push(" and at < ").push_bind(millis(until));
    }
    query.push(" order by at desc, id desc limit ").push_bind(limit);
}
