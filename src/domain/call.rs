//! The circumstances of one call of a use case, besides its arguments.

use std::time::Instant;

use uuid::Uuid;

use super::Client;

/// The client of a call, the id that it is logged and audited by, and its deadline.
#[derive(Debug, Clone)]
pub struct Call {
    /// The program and the address of the client.
    pub client: Client,
    /// The `request-id` of the answer; `None` when the call did not come by the network.
    pub request_id: Option<Uuid>,
    /// The time at which the caller stops waiting.
    pub deadline: Instant,
}
