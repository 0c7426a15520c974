//! The query for a page of the audit trail, put together at run time because a caller may ask by any of five filters.

use sqlx::{Database, Encode, QueryBuilder, Type};
use uuid::Uuid;

use crate::domain::Action;
use crate::store::AuditPage;
use crate::store::rows::millis;

/// Queries the events that `page` asks for, at most `limit`, the newest first, before the event of time and id
/// `before`.
///
/// The events that an account caused and those that were done to it are two queries, because an index has each in the
/// order of the page; `union` drops an event that is in both.
pub(crate) fn query<DB: Database>(page: &AuditPage, before: (i64, Uuid), limit: i64) -> QueryBuilder<DB>
where
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> Uuid: Encode<'q, DB> + Type<DB>,
{
    let mut query = QueryBuilder::new("");
    let Some(account) = page.account else {
        select(&mut query, page, before, limit, None);
        return query;
    };
    query.push("select * from (");
    select(&mut query, page, before, limit, Some(("account_id", account)));
    query.push(") as done_to union select * from (");
    select(&mut query, page, before, limit, Some(("actor_id", account)));
    query.push(") as did order by at desc, id desc limit ").push_bind(limit);
    query
}

/// Adds the query for the events that name an account in one column, or for all events.
fn select<DB: Database>(
    query: &mut QueryBuilder<DB>,
    page: &AuditPage,
    (before, before_id): (i64, Uuid),
    limit: i64,
    account: Option<(&str, Uuid)>,
) where
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> Uuid: Encode<'q, DB> + Type<DB>,
{
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
