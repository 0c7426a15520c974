//! Refuses a sign-in or a registration before its message is read, while the password lane has no room for it. Separate
//! from the handlers, which ask the lane again: this is only cheaper. In a flood nearly every call is refused here, and
//! what refusing costs is missing for the calls that can be served.

use std::time::Duration;

use http::{Extensions, HeaderMap, Response};
use tonic::Status;
use tonic::body::Body;

use super::call_context::ClientAddress;
use super::deadline;
use super::status::ToStatus;
use crate::accounts::{Accounts, full_queue};

/// The RPCs that anybody may call and that compute a hash for each call.
const HASHING: [&str; 2] = ["/countersign.v1.AuthService/Login", "/countersign.v1.AuthService/Register"];

/// Whether the RPC at this path computes a hash for every caller.
pub(crate) fn hashes(path: &str) -> bool {
    HASHING.contains(&path)
}

/// Marks the answer to a call that was refused because there were too many of its kind, in its extensions. The value is
/// the distance at which refused calls may come again without leaving the server idle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Overload(pub Duration);

/// Asks the lane, and has the answer ready.
pub(super) struct EarlyRefusal {
    accounts: Accounts,
    headers: HeaderMap,
}

impl EarlyRefusal {
    pub(super) fn new(accounts: Accounts) -> Self {
        let answer = Status::from(ToStatus(full_queue())).into_http::<Body>();
        Self { accounts, headers: answer.into_parts().0.headers }
    }

    /// The answer to a call at this path with this head, if the lane has no room for it.
    pub(super) fn of(&self, path: &str, headers: &HeaderMap, extensions: &Extensions) -> Option<Response<Body>> {
        if !hashes(path) {
            return None;
        }
        let client = extensions.get().map(|&ClientAddress(address)| address);
        // A deadline that cannot be read is refused later, with a reason of its own.
        let distance = self.accounts.require_room(client, deadline::read(headers).ok()?).err()?;
        let mut answer = Response::new(Body::empty());
        answer.headers_mut().clone_from(&self.headers);
        answer.extensions_mut().insert(Overload(distance));
        Some(answer)
    }
}
