//! The audit trail: written once, asked for, and deleted when it is old.

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Listed, StoreError};
use crate::domain::{Action, AuditEvent};

/// What happened, durable.
#[async_trait]
pub trait AuditStore: Send + Sync + 'static {
    /// Stores events. One that is there already, with that id, stays as it is, so that one who does not know whether it
    /// succeeded says it again. An event that names no firm is given that of the account acted on, or else of the one that
    /// acts, as far as they are there.
    async fn append_events(&self, events: &[AuditEvent]) -> Result<(), StoreError>;

    /// A page of the events that are asked for, the newest first.
    async fn list_events(&self, page: &AuditPage) -> Result<Listed<AuditEvent>, StoreError>;

    /// Deletes what happened before, the oldest first, and so many at most. Tells how many.
    async fn purge_events(&self, before: OffsetDateTime, limit: u32) -> Result<u64, StoreError>;
}

/// Which events to list: those that meet all that is set.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditPage {
    /// Only what this account did, and what was done to it.
    pub account: Option<Uuid>,
    /// Only what concerns this firm.
    pub firm: Option<Uuid>,
    /// Only this.
    pub action: Option<Action>,
    /// Not before.
    pub from: Option<OffsetDateTime>,
    /// Before.
    pub until: Option<OffsetDateTime>,
    /// Only those that come after the event of this time and id; `None` for the first page.
    pub after: Option<(OffsetDateTime, Uuid)>,
    /// At most so many.
    pub limit: u32,
}
