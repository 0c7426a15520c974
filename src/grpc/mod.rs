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
//!    the same, and its answer carries a fresh token. A token of a key that this server has not heard of is verified
//!    again once the keys were read.
//! 3. Panics of the handler.
//! 4. The deadline comes around the handler and the reading of its message.
//! 5. Reclassification of unreadable requests comes next to tonic, because it replaces the status that tonic gives
//!    them.

mod admin_convert;
mod admin_service;
mod auth_convert;
mod auth_service;
mod authenticator;
mod authz;
mod body_timeout;
mod call_context;
mod closing;
mod convert;
mod credential_convert;
mod credential_service;
mod deadline;
mod early_refusal;
mod failures;
mod fields;
mod health;
mod introspection;
mod key_service;
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
use tokio::sync::watch::Receiver;
use tonic::Status;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic_reflection::pb::v1::server_reflection_server::ServerReflectionServer;

use crate::accounts::Accounts;
use crate::activity::Activity;
use crate::keys::TokenKeys;
use crate::meter::Meter;
use crate::pb;
use crate::pb::MethodRules;
use crate::pb::admin_service_server::AdminServiceServer;
use crate::pb::auth_service_server::AuthServiceServer;
use crate::pb::credential_service_server::CredentialServiceServer;
use crate::pb::health::health_server::HealthServer;
use crate::pb::key_service_server::KeyServiceServer;
use crate::pb::method_rules::Credential;
use crate::pb::session_service_server::SessionServiceServer;
use authz::{CheckServer, Checks};
use early_refusal::EarlyRefusal;
use reflection::{Reflection, V1Alpha};
use stack::{Refuse, Services};

pub(crate) use authz::{CHECK, undecided};
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
const PUBLIC_ELSEWHERE: [&str; 6] = [
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/List",
    "/grpc.health.v1.Health/Watch",
    REFLECTION_V1,
    REFLECTION_V1ALPHA,
    CHECK,
];

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
pub(crate) struct StackParts {
    /// The use cases that the RPCs call.
    pub accounts: Accounts,
    /// Verifies and issues tokens.
    pub tokens: Tokens,
    /// The sessions that have ended early.
    pub revocations: Arc<Revocations>,
    /// Notes every fresh token.
    pub activity: Arc<Activity>,
    /// Whether the server serves, for the health service.
    pub health: Receiver<bool>,
    /// The service credentials that allow a caller to watch revocations.
    pub watch_credentials: Vec<Secret>,
    /// The service credentials that allow a caller to ask about tokens.
    pub introspection_credentials: Vec<Secret>,
    /// Whether to serve reflection, which describes the API to grpcurl and similar clients, in both of its versions.
    pub reflection: bool,
    /// Whether proxies may ask for decisions over gRPC (`authz`).
    pub ext_authz: bool,
    /// Counts calls, if metrics are served. Made by [`meter`].
    pub meter: Option<Arc<Meter>>,
    /// The keys that sign and verify tokens.
    pub keys: Arc<TokenKeys>,
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

/// The descriptors of all services that are served, with reflection or without, and with that for proxies or without.
fn served(reflection: bool, ext_authz: bool) -> Result<DescriptorPool, DescriptorError> {
    let mut served = DescriptorPool::decode(pb::DESCRIPTORS)?;
    served.decode_file_descriptor_set(pb::HEALTH_DESCRIPTORS)?;
    if ext_authz {
        served.decode_file_descriptor_set(pb::ENVOY_DESCRIPTORS)?;
    }
    if reflection {
        served.decode_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)?;
        served.decode_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)?;
    }
    Ok(served)
}

/// Every service behind the one stack.
pub(crate) fn stack(parts: StackParts) -> Result<Stack, StackError> {
    let StackParts { accounts, tokens, revocations, activity, health, reflection, ext_authz, meter, keys, .. } = parts;
    let watchers = watch::Watchers::new(parts.watch_credentials);
    let introspectors = introspection::Introspectors::new(parts.introspection_credentials);
    let sessions = session_service::SessionRpcs::new(accounts.clone(), watchers, introspectors);
    let sessions = limited!(SessionServiceServer::new(sessions));
    let admin = limited!(AdminServiceServer::new(admin_service::AdminRpcs::new(accounts.clone())));
    let early = EarlyRefusal::new(accounts.clone());
    let auth = limited!(AuthServiceServer::new(auth_service::AuthRpcs::new(accounts.clone())));
    let credentials = credential_service::CredentialRpcs::new(accounts.clone());
    let credentials = limited!(CredentialServiceServer::new(credentials));
    let served = served(reflection, ext_authz)?;
    let names = served.services().map(|service| service.full_name().to_owned());
    let health = limited!(HealthServer::new(health::HealthRpcs::new(names, health)));
    let key_rpcs = limited!(KeyServiceServer::new(key_service::KeyRpcs::new(Arc::clone(&keys))));
    let mut others = Routes::new(health).add_service(key_rpcs).add_service(credentials);
    if reflection {
        let reflection = limited!(ServerReflectionServer::new(Reflection::new(served)));
        others = others.add_service(reflection.clone()).add_service(V1Alpha(reflection));
    }
    let descriptors = DescriptorPool::decode(pb::DESCRIPTORS)?;
    // The handlers check service credentials.
    let public = paths(&descriptors, &[Credential::None, Credential::Service, Credential::Introspection]);
    let refuse: Refuse = |refusal| Status::from(status::ToStatus(refusal)).into_http();
    let layer = AuthLayer::new(tokens, revocations, public.chain(PUBLIC_ELSEWHERE.map(str::to_owned)), refuse)?
        .ending(paths(&descriptors, &[Credential::FormerToken]))?
        .on_fresh_token(move |caller: &Caller| activity.note(caller.session_id()));
    let streams = metering::streams().chain([REFLECTION_V1, REFLECTION_V1ALPHA].map(str::to_owned));
    let checks = CheckServer::new(Checks::new(accounts, layer.clone(), Arc::clone(&keys)));
    let services = Services { auth, sessions, admin, checks, others: others.prepare(), streams: streams.collect() };
    Ok(Stack::new(services, &layer, keys, early, ext_authz, meter))
}

/// The paths of the RPCs that take one of these credentials.
fn paths(descriptors: &DescriptorPool, credentials: &[Credential]) -> impl Iterator<Item = String> {
    let rpcs = descriptors.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let matching = rpcs.filter(|rpc| credentials.contains(&MethodRules::of(rpc).credential()));
    matching.map(|rpc| format!("/{}/{}", rpc.parent_service().full_name(), rpc.name()))
}
