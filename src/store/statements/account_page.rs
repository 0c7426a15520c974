//! The query for a page of accounts, put together at run time because an administrator may filter and sort.

use sqlx::{Database, Encode, QueryBuilder, Type};
use uuid::Uuid;

use super::accounts::select_account;
use crate::domain::AccountStatus;
use crate::store::listing::AccountKey;
use crate::store::{AccountOrder, AccountPage};

/// Queries at most `limit` accounts that `page` asks for, after the account at `after`. `collation` makes the database
/// compare names byte by byte; it is empty where the database does so anyway.
///
/// Usernames and email addresses are two queries, because an index has each in the order of the page.
pub(crate) fn query<DB: Database>(
    page: &AccountPage,
    after: &AccountKey,
    limit: i64,
    collation: &'static str,
) -> QueryBuilder<DB>
where
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
    for<'q> Uuid: Encode<'q, DB> + Type<DB>,
{
    let mut query = QueryBuilder::new("");
    match (&page.order, after) {
        (AccountOrder::Handle { prefix, .. }, AccountKey::Name(after, after_id)) => {
            let after = (after.as_str(), *after_id);
            query.push("select * from (select * from (");
            select_named(&mut query, page, &format!("accounts.username{collation}"), prefix, after, limit);
            query.push(") as usernames union all select * from (");
            select_named(&mut query, page, &format!("accounts.email{collation}"), prefix, after, limit);
            query.push(") as emails) as named order by coalesce(username, email)").push(collation).push(", id");
        }
        (_, after) => {
            let (after, after_id) = after.created();
            query.push(select_account!()).push(" where (accounts.created_at, accounts.id) > (");
            query.push_bind(after).push(", ").push_bind(after_id).push(")");
            filter(&mut query, page);
            query.push(" order by accounts.created_at, accounts.id");
        }
    }
    query.push(" limit ").push_bind(limit);
    query
}

/// Adds the query for the accounts that have a name in `column` which begins with `prefix`.
fn select_named<DB: Database>(
    query: &mut QueryBuilder<DB>,
    page: &AccountPage,
    column: &str,
    prefix: &str,
    (after, after_id): (&str, Uuid),
    limit: i64,
) where
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
    for<'q> Uuid: Encode<'q, DB> + Type<DB>,
{
    query.push(select_account!()).push(format!(" where {column} >= ")).push_bind(prefix.max(after).to_owned());
    // The last character of Unicode, which no name contains, sorts after every name with the prefix.
    query.push(format!(" and {column} < ")).push_bind(format!("{prefix}\u{10ffff}"));
    // A username of another service may be the email address of another account, hence the id.
    query.push(format!(" and ({column}, accounts.id) > (")).push_bind(after.to_owned());
    query.push(", ").push_bind(after_id).push(")");
    filter(query, page);
    query.push(format!(" order by {column} limit ")).push_bind(limit);
}

fn filter<DB: Database>(query: &mut QueryBuilder<DB>, page: &AccountPage)
where
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> Uuid: Encode<'q, DB> + Type<DB>,
{
    if let Some(firm) = page.firm {
        query.push(" and accounts.firm_id = ").push_bind(firm);
    }
    if let Some(role) = page.role {
        query.push(" and accounts.role = ").push_bind(role.as_str());
    }
    // The status is a literal, because a planner uses the partial index of inactive accounts for no parameter.
    match page.status {
        Some(AccountStatus::Active) => drop(query.push(" and accounts.status = 'active'")),
        Some(AccountStatus::Inactive) => drop(query.push(" and accounts.status = 'inactive'")),
        None => {}
    }
}
