//! What administrators are shown of accounts and firms.

use uuid::Uuid;

use crate::accounts::places::{cut, opened};
use crate::accounts::{Accounts, Actor};
use crate::domain::{AccountStatus, AuthError, Call, Role};
use crate::store::{AccountOrder, AccountPage, AccountRecord, FirmRecord, Outline};

/// Which accounts are asked for: those that meet all that is set.
#[derive(Debug, Clone, Default)]
pub struct AccountQuestion {
    /// Of this firm.
    pub firm: Option<Uuid>,
    /// Whose username or email begins so, in canonical form.
    pub handle_prefix: Option<String>,
    /// With this role.
    pub role: Option<Role>,
    /// With this status.
    pub status: Option<AccountStatus>,
}

/// A page of accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountList {
    /// In their order.
    pub accounts: Vec<AccountRecord>,
    /// Empty on the last page.
    pub next_page_token: String,
}

/// A page of firms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmList {
    /// In the order of their making.
    pub firms: Vec<FirmRecord>,
    /// Empty on the last page.
    pub next_page_token: String,
}

impl Accounts {
    /// An account that the actor administers.
    pub async fn get_account(&self, actor: &Actor, id: Uuid, call: &Call) -> Result<AccountRecord, AuthError> {
        let (_, reach) = self.administrator(actor, call).await?;
        let found = self.store.find_record(id).await?;
        found.filter(|record| reach.sees(&Outline::from(&record.account))).ok_or(AuthError::NotFound)
    }

    /// Up to `limit` accounts that the actor administers; from the beginning when `page_token` is empty.
    pub async fn list_accounts(
        &self,
        actor: &Actor,
        asked: AccountQuestion,
        limit: u32,
        page_token: &str,
        call: &Call,
    ) -> Result<AccountList, AuthError> {
        let (_, reach) = self.administrator(actor, call).await?;
        let AccountQuestion { firm, handle_prefix, role, status } = asked;
        let scope = reach.firm(firm)?;
        if let Some(firm) = firm
            && self.store.find_firm(firm).await?.is_none()
        {
            return Err(AuthError::NotFound);
        }
        let question = format!("accounts {scope:?} {handle_prefix:?} {role:?} {status:?}");
        let order = match handle_prefix {
            Some(prefix) => {
                let after = opened(page_token, |token| self.open_name(&question, token))?;
                AccountOrder::Handle { prefix, after }
            }
            None => AccountOrder::Registration(opened(page_token, |token| self.open_place(&question, token))?),
        };
        let by_name = matches!(order, AccountOrder::Handle { .. });
        let page = AccountPage { firm: scope, role, status, order, limit: limit.saturating_add(1) };
        let (accounts, last) = cut(self.store.list_records(&page).await?.logged(), limit);
        let next_page_token = last.map_or_else(String::new, |AccountRecord { account, .. }| {
            if by_name {
                self.seal_name(&question, account.identity.handle().as_str())
            } else {
                self.seal_place(&question, (account.created_at, account.id))
            }
        });
        Ok(AccountList { accounts, next_page_token })
    }

    /// Up to `limit` firms that the actor administers; from the beginning when `page_token` is empty.
    pub async fn list_firms(
        &self,
        actor: &Actor,
        limit: u32,
        page_token: &str,
        call: &Call,
    ) -> Result<FirmList, AuthError> {
        let (_, reach) = self.administrator(actor, call).await?;
        let after = opened(page_token, |token| self.open_place("firms", token))?;
        let (firms, last) = match reach.firm(None)? {
            // Its only page has no end that a token could name.
            Some(own) => (self.store.find_firm(own).await?.into_iter().filter(|_| after.is_none()).collect(), None),
            None => cut(self.store.list_firms(after, limit.saturating_add(1)).await?.logged(), limit),
        };
        let next_page_token =
            last.map_or_else(String::new, |last| self.seal_place("firms", (last.created_at, last.firm.id)));
        Ok(FirmList { firms, next_page_token })
    }
}
