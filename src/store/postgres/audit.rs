//! The statements of the audit trail.

use async_trait::async_trait;
use sqlx::postgres::Postgres;
use sqlx::{QueryBuilder, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use super::errors::failure;
use super::{PostgresStore, unit};
use crate::domain::{Action, AuditEvent};
use crate::store::listing::Page;
use crate::store::rows::{AuditRow, millis};
use crate::store::{AuditPage, AuditStore, Listed, StoreError};

#[async_trait]
impl AuditStore for PostgresStore {
    async fn append_events(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        let (pool, events) = (self.pools.calls()?, events.to_vec());
        unit(async move {
            let column = |value: fn(&AuditEvent) -> Option<Uuid>| events.iter().map(value).collect::<Vec<_>>();
            let words = |value: fn(&AuditEvent) -> String| events.iter().map(value).collect::<Vec<_>>();
            let ats: Vec<i64> = events.iter().map(|event| millis(event.at)).collect();
            let mut tx = pool.begin().await.map_err(failure)?;
            // One way to the server and back for all of them.
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
        // Before the first page comes what no event can be newer than.
        let before = page.after.map_or((i64::MAX, Uuid::max()), |(at, id)| (millis(at), id));
        let mut listed = Page::new("audit_events", before, page.limit);
        while listed.goes_on() {
            let mut question = question(page, *listed.after(), listed.missing());
            let rows = question.build().fetch_all(&self.pools.calls()?).await.map_err(failure)?;
            listed.take(&rows, |row| Ok((row.try_get("at")?, row.try_get("id")?)), AuditRow::into_event)?;
        }
        Ok(listed.listed())
    }

    async fn purge_events(&self, before: OffsetDateTime, limit: u32) -> Result<u64, StoreError> {
        let pool = self.pools.calls()?;
        unit(async move {
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

/// What an account did and what was done to it are two questions, each of an index that has the order already; and what it
/// did to itself is in both.
fn question(page: &AuditPage, before: (i64, Uuid), limit: i64) -> QueryBuilder<Postgres> {
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
    query: &mut QueryBuilder<Postgres>,
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
