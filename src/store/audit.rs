//! The audit trail: events are appended, listed, and deleted when they are old.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Listed, StoreError};
use crate::domain::{Action, AuditEvent};

/// The store of audit events.
#[async_trait]
pub trait AuditStore: Send + Sync + 'static {
    /// Stores events. An event with a stored id is ignored, so a caller that does not know whether it succeeded can try
    /// again. An event without a firm gets the firm of the account acted on, or else of the account that acts, if they
    /// exist.
    async fn append_events(&self, events: &[AuditEvent]) -> Result<(), StoreError>;

    /// Lists a page of events, the newest first.
    async fn list_events(&self, page: &AuditPage) -> Result<Listed<AuditEvent>, StoreError>;

    /// Deletes at most `limit` events from before `before`, the oldest first, and returns how many.
    async fn purge_events(&self, before: OffsetDateTime, limit: u32) -> Result<u64, StoreError>;
}

/// Selects a page of events. An event must match every filter that is set.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditPage {
    /// The account that acted or was acted on.
    pub account: Option<Uuid>,
    /// The firm that the events concern; `None` for all events.
    pub firm: Option<Uuid>,
    /// The action of the events; `None` for every action.
    pub action: Option<Action>,
    /// The earliest time, inclusive.
    pub from: Option<OffsetDateTime>,
    /// The latest time, exclusive.
    pub until: Option<OffsetDateTime>,
    /// The time and id of the event before the page; `None` for the first page.
    pub after: Option<(OffsetDateTime, Uuid)>,
    /// The largest number of events in the page.
    pub limit: u32,
}
