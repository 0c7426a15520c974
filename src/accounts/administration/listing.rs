//! The listings of accounts and firms for administrators.

use uuid::Uuid;

use crate::accounts::actor::Actor;
use crate::accounts::core::Accounts;
use crate::accounts::page_tokens::{cut_page, parse_page_token};
use crate::domain::{AccountRecord, AccountStatus, AuthError, Call, FirmRecord, Outline, Role};
use crate::store::{AccountOrder, AccountPage};

/// A filter of accounts. An account must meet every condition that is set.
#[derive(Debug, Clone, Default)]
pub(crate) struct AccountQuestion {
    /// Accounts of this firm.
    pub firm: Option<Uuid>,
    /// Accounts with a username or email that begins like this, in canonical form.
    pub handle_prefix: Option<String>,
    /// Accounts with this role.
    pub role: Option<Role>,
    /// Accounts with this status.
    pub status: Option<AccountStatus>,
}

/// A page of accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccountList {
    /// The accounts, by name if a prefix was given, otherwise by registration.
    pub accounts: Vec<AccountRecord>,
    /// The token of the next page; empty on the last page.
    pub next_page_token: String,
}

/// A page of firms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FirmList {
    /// The firms in the order of their creation.
    pub firms: Vec<FirmRecord>,
    /// The token of the next page; empty on the last page.
    pub next_page_token: String,
}

impl Accounts {
    /// An account that the actor administers.
    pub(crate) async fn get_account(&self, actor: &Actor, id: Uuid, call: &Call) -> Result<AccountRecord, AuthError> {
        let (_, reach) = self.administrator(actor, call).await?;
        let found = self.store.find_record(id).await?;
        found.filter(|record| reach.sees(&Outline::from(&record.account))).ok_or(AuthError::NotFound("account"))
    }

    /// Up to `limit` accounts that the actor administers; from the beginning when `page_token` is empty.
    pub(crate) async fn list_accounts(
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
            return Err(AuthError::NotFound("firm"));
        }
        let query = format!("accounts {scope:?} {handle_prefix:?} {role:?} {status:?}");
        let order = match handle_prefix {
            Some(prefix) => {
                let after = parse_page_token(page_token, |token| self.open_name(&query, token))?;
                AccountOrder::Handle { prefix, after }
            }
            None => {
                AccountOrder::Registration(parse_page_token(page_token, |token| self.open_position(&query, token))?)
            }
        };
        let by_name = matches!(order, AccountOrder::Handle { .. });
        let page = AccountPage { firm: scope, role, status, order, limit: limit.saturating_add(1) };
        let (accounts, last) = cut_page(self.store.list_records(&page).await?.logged(), limit);
        let next_page_token = last.map_or_else(String::new, |AccountRecord { account, .. }| {
            if by_name {
                self.seal_name(&query, account.identity.handle().as_str(), account.id)
            } else {
                self.seal_position(&query, (account.created_at, account.id))
            }
        });
        Ok(AccountList { accounts, next_page_token })
    }

    /// Up to `limit` firms that the actor administers; from the beginning when `page_token` is empty.
    pub(crate) async fn list_firms(
        &self,
        actor: &Actor,
        limit: u32,
        page_token: &str,
        call: &Call,
    ) -> Result<FirmList, AuthError> {
        let (_, reach) = self.administrator(actor, call).await?;
        let after = parse_page_token(page_token, |token| self.open_position("firms", token))?;
        let (firms, last) = match reach.firm(None)? {
            // The only firm of the actor is the only page.
            Some(own) => (self.store.find_firm(own).await?.into_iter().filter(|_| after.is_none()).collect(), None),
            None => cut_page(self.store.list_firms(after, limit.saturating_add(1)).await?.logged(), limit),
        };
        let next_page_token =
            last.map_or_else(String::new, |last| self.seal_position("firms", (last.created_at, last.firm.id)));
        Ok(FirmList { firms, next_page_token })
    }
}
