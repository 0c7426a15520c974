//! What a request says besides its message: its caller, the client that it comes from, its id and its deadline.
//! Separate from the conversion of messages because these come from metadata and extensions.

use std::net::IpAddr;

use tonic::{Request, Status};
use uuid::Uuid;

use super::{deadline, status};
use crate::accounts::Actor;
use crate::domain::{Call, Client};
use countersign_guard::layer::{Caller, FormerCaller};

/// The address of the client that a call is made for. The listener puts it into the extensions of the request, which no
/// header reaches, and the JSON APIs pass it on.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

/// The id under which a call is logged and audited, in the extensions of the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestId(pub Uuid);

/// The part of a request's context that use cases need.
pub(super) fn call<T>(request: &Request<T>) -> Call {
    let request_id = request.extensions().get().map(|&RequestId(id)| id);
    Call { client: client(request), request_id, deadline: deadline::of(request) }
}

/// The client's own name and its address, as far as they are known.
fn client<T>(request: &Request<T>) -> Client {
    let user_agent =
        request.metadata().get("user-agent").map(|value| String::from_utf8_lossy(value.as_encoded_bytes()));
    let address = request.extensions().get().map(|&ClientAddress(address)| address);
    Client::new(&user_agent.unwrap_or_default(), address)
}

/// The caller, for use cases that look up its account.
pub(super) fn actor<T>(request: &Request<T>) -> Result<Actor, Status> {
    let claims = caller(request)?.claims();
    Ok(Actor { account_id: claims.sub, session_id: claims.sid, epoch: claims.epoch })
}

/// The caller that the layer has verified. Missing only if the RPC was made public by mistake.
pub(super) fn caller<T>(request: &Request<T>) -> Result<&Caller, Status> {
    verified(request)
}

/// The caller of an RPC that also accepts a token which has expired or was revoked.
pub(super) fn former_caller<T>(request: &Request<T>) -> Result<&FormerCaller, Status> {
    verified(request)
}

fn verified<T, C: Send + Sync + 'static>(request: &Request<T>) -> Result<&C, Status> {
    request.extensions().get().ok_or_else(|| status::internal("a guarded method was called without a caller".into()))
}
