//! What administrators are shown of the audit trail.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::accounts::places::{cut, opened};
use crate::accounts::{Accounts, Actor};
use crate::domain::{Action, AuditEvent, AuthError, Call};
use crate::store::AuditPage;

/// Which events are asked for: those that meet all that is set.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditQuestion {
    /// What this account did, and what was done to it.
    pub account: Option<Uuid>,
    /// This.
    pub action: Option<Action>,
    /// Not before.
    pub from: Option<OffsetDateTime>,
    /// Before.
    pub until: Option<OffsetDateTime>,
}

/// A page of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditList {
    /// The newest first.
    pub events: Vec<AuditEvent>,
    /// Empty on the last page.
    pub next_page_token: String,
}

impl Accounts {
    /// Up to `limit` events that concern what the actor administers; from the newest when `page_token` is empty.
    pub async fn list_audit_events(
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
        let question = format!("events {firm:?} {account:?} {action:?} {from:?} {until:?}");
        let after = opened(page_token, |token| self.open_place(&question, token))?;
        let page = AuditPage { account, firm, action, from, until, after, limit: limit.saturating_add(1) };
        let (events, last) = cut(self.store.list_events(&page).await?.logged(), limit);
        let next_page_token = last.map_or_else(String::new, |last| self.seal_place(&question, (last.at, last.id)));
        Ok(AuditList { events, next_page_token })
    }
}
