//! The gRPC face: [`stack()`] puts every service behind the one stack of semantic middleware.
//!
//! The network serves this value, and the JSON APIs call it in process: nothing can be bypassed, and nothing is written
//! twice. **What must hold for every call belongs here.** The listener (`server`) holds connection knobs only; anything
//! semantic put there would not be seen by the JSON APIs, which enter at this value.
//!
//! What it does to a call (`stack`), from the outside in, each with its because; `tests/it/stack.rs` asserts the order:
//!
//! 1. panics, outside everything, because a panic in any layer below must become one INTERNAL and not a lost connection;
//! 2. authentication, outside what follows, because a call that panicked or ran out of time was authenticated all the
//!    same, and its answer carries a fresh token;
//! 3. panics of the handler;
//! 4. the deadline, around the handler and the reading of its message;
//! 5. blame, next to the library that reads messages, because what it says of one that it cannot read is not ours.

mod auth_service;
mod convert;
mod deadline;
mod session_service;
mod stack;
mod status;
mod watch;

use std::sync::Arc;

use tonic::Status;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::accounts::Accounts;
use crate::activity::Activity;
use crate::layer::{AuthLayer, Caller, InvalidPath};
use crate::pb;
use crate::pb::auth_service_server::AuthServiceServer;
use crate::pb::session_service_server::SessionServiceServer;
use crate::revocations::Revocations;
use crate::token::{Secret, Tokens};
use stack::{Handlers, Refuse};

pub use convert::ClientAddress;
pub use stack::Stack;

/// No message of ours comes near it; tonic's default is four MiB.
const MAX_MESSAGE_BYTES: usize = 64 * 1_024;

/// What anyone may call. Everything else needs a token, including what does not exist yet.
const PUBLIC: [&str; 7] = [
    "/countersign.v1.AuthService/Register",
    "/countersign.v1.AuthService/Login",
    // Asks for a credential of its own.
    "/countersign.v1.SessionService/WatchRevocations",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    REFLECTION_V1,
    REFLECTION_V1ALPHA,
];
const REFLECTION_V1: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const REFLECTION_V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

/// The one stack could not be built: a defect in the constants above or in the descriptors.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A public path that is none.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// Descriptors that reflection cannot serve.
    #[error(transparent)]
    Descriptors(#[from] tonic_reflection::server::Error),
}

/// Every service behind the one stack. Who presents one of `watch_credentials` may watch revocations. With `reflection`,
/// it describes itself to grpcurl and its like, in both versions of that protocol.
pub fn stack(
    accounts: Accounts,
    tokens: Tokens,
    revocations: Arc<Revocations>,
    activity: Arc<Activity>,
    health: HealthReporter,
    watch_credentials: Vec<Secret>,
    reflection: bool,
) -> Result<Stack, StackError> {
    let watchers = watch::Watchers::new(watch_credentials);
    let sessions = SessionServiceServer::new(session_service::Sessions::new(accounts.clone(), watchers))
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let auth = AuthServiceServer::new(auth_service::Auth::new(accounts)).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let health =
        HealthServer::new(HealthService::from_health_reporter(health)).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let mut others = Routes::new(health);
    if reflection {
        let describe = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                // No service uses these: they let grpcurl and its like show the details of an error.
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        };
        others = others
            .add_service(describe().build_v1()?.max_decoding_message_size(MAX_MESSAGE_BYTES))
            .add_service(describe().build_v1alpha()?.max_decoding_message_size(MAX_MESSAGE_BYTES));
    }
    let refuse: Refuse = |refusal| Status::from(status::Failure(refusal)).into_http();
    let layer = AuthLayer::new(tokens, revocations, PUBLIC, refuse)?
        .on_fresh_token(move |caller: &Caller| activity.note(caller.session_id()));
    Ok(Stack::new(Handlers { auth, sessions, others: others.prepare() }, &layer))
}
