//! Finds accounts that an operator must repair: accounts that cannot be read, and usernames that an earlier version
//! stored in a form that is not canonical. Separate from the listings, which show the accounts that are in order.

use std::sync::Arc;

use uuid::Uuid;

use super::operator::Operator;
use crate::domain::{AuthError, Identity, PortableAccount, UnreadableRow};
use crate::store::{Listed, Store, StoreError};

/// How many accounts are checked in one page.
const PAGE: u32 = 500;

/// One thing that is wrong with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountProblem {
    /// The id of the account, as stored.
    pub account: String,
    /// The column of the accounts table that holds a wrong value.
    pub column: String,
    /// The wrong value, if it can be read.
    pub value: Option<String>,
    /// How an operator can repair it.
    pub mend: Mend,
}

/// The way to repair an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    /// Giving the account another username.
    Rename,
    /// Restoring the value from a backup with the tools of the database, or deleting the account.
    Delete,
}

impl Operator {
    /// The problems of a page of accounts after `after`, and the position of the next page; `None` after the last page.
    pub async fn problems(&self, after: Option<Uuid>) -> Result<(Vec<AccountProblem>, Option<Uuid>), AuthError> {
        let Listed { found, unreadable, is_last } = self.export(after).await?;
        let next = found.last().filter(|_| !is_last).map(|last| last.id);
        let problems = unreadable.into_iter().map(unreadable_problem).chain(found.iter().filter_map(misnamed));
        Ok((problems.collect(), next))
    }
}

/// Logs how many usernames are not in canonical form, if any.
pub(crate) async fn log_misnamed(store: Arc<dyn Store>) {
    match misnamed_count(&*store).await {
        Ok(0) => {}
        Ok(accounts) => tracing::warn!(
            event = "misnamed",
            accounts,
            "an earlier version stored the usernames of some accounts in a form that is not canonical: see \
             `countersign account list --problems`, and rename them"
        ),
        Err(error) => tracing::warn!(event = "misnamed", %error, "the usernames could not be checked"),
    }
}

async fn misnamed_count(store: &dyn Store) -> Result<usize, StoreError> {
    let (mut after, mut count) = (None, 0);
    loop {
        let page = store.list_unusual_usernames(after, PAGE).await?;
        count += page.found.iter().filter(|(_, username)| !username.is_canonical()).count();
        after = page.found.last().map(|(id, _)| *id);
        if page.is_last {
            return Ok(count);
        }
    }
}

fn misnamed(account: &PortableAccount) -> Option<AccountProblem> {
    match &account.identity {
        Identity::Username(username) if !username.is_canonical() => Some(AccountProblem {
            account: account.id.to_string(),
            column: "username".to_owned(),
            value: Some(username.as_str().to_owned()),
            mend: Mend::Rename,
        }),
        _ => None,
    }
}

fn unreadable_problem(UnreadableRow { row, column, .. }: UnreadableRow) -> AccountProblem {
    let mend = if column == "username" { Mend::Rename } else { Mend::Delete };
    AccountProblem { account: row, column, value: None, mend }
}
