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

mod admin_convert;
mod admin_service;
mod auth_service;
mod calls;
mod closing;
mod convert;
mod credentials;
mod deadline;
mod fields;
mod portable;
mod responses;
mod session_service;
mod stack;
mod status;
mod watch;

use std::sync::Arc;

use countersign_guard::layer::{AuthLayer, Caller, InvalidPath};
use countersign_guard::revocations::Revocations;
use countersign_guard::token::{Secret, Tokens};
use tonic::Status;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::accounts::Accounts;
use crate::activity::Activity;
use crate::meter::Meter;
use crate::pb;
use crate::pb::admin_service_server::AdminServiceServer;
use crate::pb::auth_service_server::AuthServiceServer;
use crate::pb::session_service_server::SessionServiceServer;
use stack::{Handlers, Refuse};

pub use calls::meter;
pub use closing::Closing;
pub use convert::{ClientAddress, RequestId};
pub use stack::Stack;
pub use status::overloaded;

/// In bytes. No message of ours comes near it; tonic's default is four MiB.
const MAX_MESSAGE: usize = 64 * 1_024;

/// What anyone may call. Everything else needs a token, including what does not exist yet.
const PUBLIC: [&str; 12] = [
    "/countersign.v1.AuthService/Register",
    "/countersign.v1.AuthService/Login",
    // They come by mail, with a one-time token, or ask for such a mail.
    "/countersign.v1.AuthService/VerifyEmail",
    "/countersign.v1.AuthService/ResendVerification",
    "/countersign.v1.AuthService/RequestPasswordReset",
    "/countersign.v1.AuthService/ResetPassword",
    "/countersign.v1.AuthService/AcceptInvitation",
    // Asks for a credential of its own.
    "/countersign.v1.SessionService/WatchRevocations",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    REFLECTION_V1,
    REFLECTION_V1ALPHA,
];

/// What ends sessions: also who has a token that has expired, or whose session has ended, may call it.
const ENDING: [&str; 1] = ["/countersign.v1.AuthService/Logout"];

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

/// What the stack is made of.
#[derive(Debug)]
pub struct Parts {
    /// The use cases.
    pub accounts: Accounts,
    /// Judges and mints tokens.
    pub tokens: Tokens,
    /// The sessions that are over.
    pub revocations: Arc<Revocations>,
    /// Hears of every fresh token.
    pub activity: Arc<Activity>,
    /// What is said of the server's health.
    pub health: HealthReporter,
    /// Who presents one of these may watch revocations.
    pub watch_credentials: Vec<Secret>,
    /// Whether it describes itself to grpcurl and its like, in both versions of that protocol.
    pub reflection: bool,
    /// Counts calls: [`meter`].
    pub meter: Option<Arc<Meter>>,
}

/// Every service behind the one stack.
pub fn stack(parts: Parts) -> Result<Stack, StackError> {
    let Parts { accounts, tokens, revocations, activity, health, watch_credentials, reflection, meter } = parts;
    let sessions = session_service::Sessions::new(accounts.clone(), watch::Watchers::new(watch_credentials));
    let sessions = SessionServiceServer::new(sessions).max_decoding_message_size(MAX_MESSAGE);
    let admin = AdminServiceServer::new(admin_service::Admin::new(accounts.clone()));
    let admin = admin.max_decoding_message_size(MAX_MESSAGE);
    let auth = AuthServiceServer::new(auth_service::Auth::new(accounts)).max_decoding_message_size(MAX_MESSAGE);
    let health = HealthServer::new(HealthService::from_health_reporter(health)).max_decoding_message_size(MAX_MESSAGE);
    let mut others = Routes::new(health);
    if reflection {
        let describe = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        others = others
            .add_service(describe().build_v1()?.max_decoding_message_size(MAX_MESSAGE))
            .add_service(describe().build_v1alpha()?.max_decoding_message_size(MAX_MESSAGE));
    }
    let refuse: Refuse = |refusal| Status::from(status::Failure(refusal)).into_http();
    let layer = AuthLayer::new(tokens, revocations, PUBLIC, refuse)?
        .ending(ENDING)?
        .on_fresh_token(move |caller: &Caller| activity.note(caller.session_id()));
    let described = [REFLECTION_V1, REFLECTION_V1ALPHA].map(str::to_owned);
    let streams = Arc::new(calls::streams().chain(described).collect());
    Ok(Stack::new(Handlers { auth, sessions, admin, others: others.prepare(), streams }, &layer, meter))
}
