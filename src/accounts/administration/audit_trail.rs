//! The listing of the audit trail for administrators.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::accounts::actor::Actor;
use crate::accounts::core::Accounts;
use crate::accounts::page_tokens::{cut_page, parse_page_token};
use crate::domain::{Action, AuditEvent, AuthError, Call};
use crate::store::AuditPage;

/// A filter of events. An event must meet every condition that is set.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AuditQuestion {
    /// Events that this account caused or that concern it.
    pub account: Option<Uuid>,
    /// Events of this action.
    pub action: Option<Action>,
    /// Events at or after this time.
    pub from: Option<OffsetDateTime>,
    /// Events before this time.
    pub until: Option<OffsetDateTime>,
}

/// A page of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditList {
    /// The events, the newest first.
    pub events: Vec<AuditEvent>,
    /// The token of the next page; empty on the last page.
    pub next_page_token: String,
}

impl Accounts {
    /// Up to `limit` events that concern accounts within the reach of the actor; from the newest when `page_token` is
    /// empty.
    pub(crate) async fn list_audit_events(
        &self,
        actor: &Actor,
        asked: AuditQuestion,
        limit: u32,
        page_token: &str,
        call: &Call,
    ) -> Result<AuditList, AuthError> {
        let (_, reach) = self.administrator(actor, call).await?;
        let AuditQuestion { account, action, from, until } = asked;
        let firm = reach.firm(None)?;
        let query = format!("events {firm:?} {account:?} {action:?} {from:?} {until:?}");
        let after = parse_page_token(page_token, |token| self.open_position(&query, token))?;
        let page = AuditPage { account, firm, action, from, until, after, limit: limit.saturating_add(1) };
        let (events, last) = cut_page(self.store.list_events(&page).await?.logged(), limit);
        let next_page_token = last.map_or_else(String::new, |last| self.seal_position(&query, (last.at, last.id)));
        Ok(AuditList { events, next_page_token })
    }
}
