//! Accounts that need an operator: a name that is not in canonical form, which an earlier version stored, and what
//! cannot be read. Apart from the listings because those show what is there, and this what is wrong with it.

use std::sync::Arc;

use uuid::Uuid;

use super::Operator;
use crate::domain::{AuthError, Identity, PortableAccount};
use crate::store::{AdminStore, Listed, StoreError, UnreadableRow};

/// How many accounts are looked at at once.
const PAGE: u32 = 500;

/// Something that is wrong with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The account's id.
    pub account: String,
    /// Where in the table of accounts it is wrong.
    pub column: String,
    /// What stands there, if it can be read.
    pub value: Option<String>,
    /// How it can be mended.
    pub mend: Mend,
}

/// How a problem can be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    /// By another username.
    Rename,
    /// By the database's own tools, from a backup; or by deleting the account.
    Delete,
}

impl Operator {
    /// What is wrong with a page of accounts after `after`, and where the next page begins; `None` after the last one.
    pub async fn problems(&self, after: Option<Uuid>) -> Result<(Vec<Problem>, Option<Uuid>), AuthError> {
        let Listed { found, unreadable, is_last } = self.export(after).await?;
        let next = found.last().filter(|_| !is_last).map(|last| last.id);
        let problems = unreadable.into_iter().map(unread).chain(found.iter().filter_map(misnamed));
        Ok((problems.collect(), next))
    }
}

/// Tells the log how many usernames are not in canonical form.
pub async fn tell_misnamed(store: Arc<dyn AdminStore>) {
    match misnamed_count(&*store).await {
        Ok(0) => {}
        Ok(accounts) => tracing::warn!(
            event = "misnamed",
            accounts,
            "the usernames of some accounts are not in canonical form, as an earlier version stored them: see \
             `countersign account list --problems`, and rename them"
        ),
        Err(error) => tracing::warn!(event = "misnamed", %error, "usernames could not be looked at"),
    }
}

async fn misnamed_count(store: &dyn AdminStore) -> Result<usize, StoreError> {
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

fn misnamed(account: &PortableAccount) -> Option<Problem> {
    match &account.identity {
        Identity::Username(username) if !username.is_canonical() => Some(Problem {
            account: account.id.to_string(),
            column: "username".to_owned(),
            value: Some(username.as_str().to_owned()),
            mend: Mend::Rename,
        }),
        _ => None,
    }
}

fn unread(UnreadableRow { row, column, .. }: UnreadableRow) -> Problem {
    let mend = if column == "username" { Mend::Rename } else { Mend::Delete };
    Problem { account: row, column, value: None, mend }
}
