//! One call of a use case, besides what it asks for.

use std::time::Instant;

use uuid::Uuid;

use super::Client;

/// Where a call comes from, under which id it is logged and audited, and until when anybody waits for its answer.
#[derive(Debug, Clone)]
pub struct Call {
    /// The program and the place.
    pub client: Client,
    /// As in the answer's `request-id`; `None` when it did not come by the network.
    pub request_id: Option<Uuid>,
    /// When its caller gives it up.
    pub deadline: Instant,
}
