//! The gRPC face: [`stack()`] puts every service behind the one stack of semantic middleware.
//!
//! The network is served this value, and the JSON APIs call it in process, so nothing can be bypassed and nothing is
//! written twice. **What must hold for every call belongs here.** The listener (`transport`) has only the rules of
//! connections, because the JSON APIs enter at this value and would bypass a rule of the listener.
//!
//! The steps of `stack` from the outside in, each with its reason; `tests/it/stack.rs` asserts their order:
//!
//! 0. A sign-in or a registration that the password lane has no room for is refused before anything else.
//! 1. Panics come outside everything, because a panic in any step below must become one INTERNAL and not a lost
//!    connection.
//! 2. Authentication comes outside what follows, because a call that panicked or ran out of time was authenticated all
//!    the same, and its answer carries a fresh token.
//! 3. Panics of the handler.
//! 4. The deadline comes around the handler and the reading of its message.
//! 5. Reclassification of unreadable requests comes next to tonic, because it replaces the status that tonic gives
//!    them.

mod admin_convert;
mod admin_service;
mod auth_convert;
mod auth_service;
mod body_timeout;
mod call_context;
mod closing;
mod convert;
mod deadline;
mod early_refusal;
mod failures;
mod fields;
mod metering;
mod portable;
mod reflection;
mod responses;
mod session_service;
mod stack;
mod status;
mod watch;

use std::sync::Arc;

use countersign_guard::layer::{AuthLayer, Caller, InvalidPath};
use countersign_guard::revocations::Revocations;
use countersign_guard::token::{Secret, Tokens};
use prost_reflect::{DescriptorError, DescriptorPool};
use tonic::Status;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tonic_reflection::pb::v1::server_reflection_server::ServerReflectionServer;

use crate::accounts::Accounts;
use crate::activity::Activity;
use crate::meter::Meter;
use crate::pb;
use crate::pb::MethodRules;
use crate::pb::admin_service_server::AdminServiceServer;
use crate::pb::auth_service_server::AuthServiceServer;
use crate::pb::method_rules::Credential;
use crate::pb::session_service_server::SessionServiceServer;
use early_refusal::EarlyRefusal;
use reflection::{Reflection, V1Alpha};
use stack::{Refuse, Services};

pub use call_context::ClientAddress;
pub(crate) use call_context::RequestId;
pub(crate) use closing::Closing;
pub(crate) use early_refusal::{Overload, hashes};
pub(crate) use metering::meter;
pub(crate) use stack::Stack;
pub(crate) use status::{head_too_large, overloaded};

/// The most bytes of a message. No message of ours comes near it; tonic's default is four MiB.
const MAX_MESSAGE: usize = 64 * 1_024;

/// The methods of other packages that anybody may call. Their descriptors have no `method_rules`.
const PUBLIC_ELSEWHERE: [&str; 4] =
    ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch", REFLECTION_V1, REFLECTION_V1ALPHA];

const REFLECTION_V1: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const REFLECTION_V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

/// Why the stack could not be built: a defect in the constants above or in the descriptors.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A public path that no request can have.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// Descriptors that cannot be read.
    #[error(transparent)]
    Descriptors(#[from] DescriptorError),
}

/// The parts that the stack is built from.
#[derive(Debug)]
pub(crate) struct StackParts {
    /// The use cases that the RPCs call.
    pub accounts: Accounts,
    /// Verifies and issues tokens.
    pub tokens: Tokens,
    /// The sessions that have ended early.
    pub revocations: Arc<Revocations>,
    /// Notes every fresh token.
    pub activity: Arc<Activity>,
    /// Reports the server's health.
    pub health: HealthReporter,
    /// The service credentials that allow a caller to watch revocations.
    pub watch_credentials: Vec<Secret>,
    /// Whether to serve reflection, which describes the API to grpcurl and similar clients, in both of its versions.
    pub reflection: bool,
    /// Counts calls, if metrics are served. Made by [`meter`].
    pub meter: Option<Arc<Meter>>,
}

/// A server that limits its messages, and takes compressed ones. The limit is that of the unpacked message.
macro_rules! limited {
    ($server:expr) => {
        $server
            .max_decoding_message_size(MAX_MESSAGE)
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Deflate)
    };
}

/// The names of all services that are served, with reflection or without.
pub(crate) fn service_names(reflection: bool) -> Result<Vec<String>, StackError> {
    Ok(served(reflection)?.services().map(|service| service.full_name().to_owned()).collect())
}

fn served(reflection: bool) -> Result<DescriptorPool, DescriptorError> {
    let mut served = DescriptorPool::decode(pb::DESCRIPTORS)?;
    served.decode_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)?;
    if reflection {
        served.decode_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)?;
        served.decode_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)?;
    }
    Ok(served)
}

/// Every service behind the one stack.
pub(crate) fn stack(parts: StackParts) -> Result<Stack, StackError> {
    let StackParts { accounts, tokens, revocations, activity, health, watch_credentials, reflection, meter } = parts;
    let sessions = session_service::SessionRpcs::new(accounts.clone(), watch::Watchers::new(watch_credentials));
    let sessions = limited!(SessionServiceServer::new(sessions));
    let admin = limited!(AdminServiceServer::new(admin_service::AdminRpcs::new(accounts.clone())));
    let early = EarlyRefusal::new(accounts.clone());
    let auth = limited!(AuthServiceServer::new(auth_service::AuthRpcs::new(accounts)));
    let health = limited!(HealthServer::new(HealthService::from_health_reporter(health)));
    let mut others = Routes::new(health);
    if reflection {
        let reflection = limited!(ServerReflectionServer::new(Reflection::new(served(true)?)));
        others = others.add_service(reflection.clone()).add_service(V1Alpha(reflection));
    }
    let descriptors = DescriptorPool::decode(pb::DESCRIPTORS)?;
    // The handler of WatchRevocations checks the service credential.
    let public = paths(&descriptors, &[Credential::None, Credential::Service]);
    let refuse: Refuse = |refusal| Status::from(status::ToStatus(refusal)).into_http();
    let layer = AuthLayer::new(tokens, revocations, public.chain(PUBLIC_ELSEWHERE.map(str::to_owned)), refuse)?
        .ending(paths(&descriptors, &[Credential::FormerToken]))?
        .on_fresh_token(move |caller: &Caller| activity.note(caller.session_id()));
    let streams = metering::streams().chain([REFLECTION_V1, REFLECTION_V1ALPHA].map(str::to_owned));
    let services = Services { auth, sessions, admin, others: others.prepare(), streams: streams.collect() };
    Ok(Stack::new(services, &layer, early, meter))
}

/// The paths of the RPCs that take one of these credentials.
fn paths(descriptors: &DescriptorPool, credentials: &[Credential]) -> impl Iterator<Item = String> {
    let rpcs = descriptors.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let matching = rpcs.filter(|rpc| credentials.contains(&MethodRules::of(rpc).credential()));
    matching.map(|rpc| format!("/{}/{}", rpc.parent_service().full_name(), rpc.name()))
}
