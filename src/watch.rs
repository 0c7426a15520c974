//! The client's side of `WatchRevocations`: keeps the set of another service up to date, so that its own
//! [layer](crate::layer) refuses a token in the moment its session ends, without asking anyone. Apart from the server's
//! feed, which reads a database; this one reads a stream.
//!
//! ```no_run
//! use std::{sync::Arc, time::Duration};
//! use countersign::{clock::SystemClock, revocations::Revocations, token::Secret, watch::Watcher};
//!
//! # type Channel = axum::Router; // of a service, `tonic::transport::Channel`
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let channel = Channel::new();
//! // Stale, so that nobody is let in, until the watcher has caught up; and again five seconds after it was cut off.
//! let revocations = Arc::new(Revocations::fed(Arc::new(SystemClock), Duration::from_secs(5)));
//! let credential = Secret::parse(std::fs::read_to_string("/run/secrets/watch")?.trim_end().to_owned())?;
//! tokio::spawn(Watcher::new(channel, &credential, Arc::clone(&revocations))?.follow());
//! // AuthLayer::new(tokens, revocations, …)
//! # Ok(()) }
//! ```
//!
//! `examples/guarded_service.rs` is a whole service.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{sleep, timeout};
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{Bytes, StdError};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Request, Status};
use uuid::Uuid;

use crate::domain::Revocation;
use crate::pb::revocation::Target;
use crate::pb::session_service_client::SessionServiceClient;
use crate::pb::{self, WatchRevocationsRequest, WatchRevocationsResponse};
use crate::revocations::{Entry, Revocations};
use crate::token::Secret;

/// The server sends something every second.
const SILENCE: Duration = Duration::from_secs(5);

/// Between two attempts; the longer one when the server says that the call cannot be right.
const PAUSE: Duration = Duration::from_millis(250);
const LONG_PAUSE: Duration = Duration::from_secs(5);

/// How often what nobody needs any more is swept out.
const SWEEP: Duration = Duration::from_secs(60);

/// Follows the revocations of a server. `T` is a channel that connects by itself, again and again, such as tonic's.
pub struct Watcher<T> {
    client: SessionServiceClient<T>,
    authorization: MetadataValue<Ascii>,
    revocations: Arc<Revocations>,
    cursor: String,
}

/// A credential that cannot travel in a header.
#[derive(Debug, thiserror::Error)]
#[error("the service credential must be visible ASCII: make one with `openssl rand -base64 48`")]
pub struct InvalidCredential;

impl<T> Watcher<T>
where
    T: GrpcService<Body>,
    T::Error: Into<StdError>,
    T::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
{
    /// For the set that the service's layer asks, which [`Revocations::fed`] makes.
    pub fn new(channel: T, credential: &Secret, revocations: Arc<Revocations>) -> Result<Self, InvalidCredential> {
        let mut authorization = credential.bearer().parse::<MetadataValue<Ascii>>().map_err(|_| InvalidCredential)?;
        authorization.set_sensitive(true);
        // A snapshot may come as fast as it likes: each message is a few tens of KiB, and tonic reads one at a time.
        Ok(Self { client: SessionServiceClient::new(channel), authorization, revocations, cursor: String::new() })
    }

    /// Watches for ever: whatever ends a watch, it begins another where that one ended.
    pub async fn follow(mut self) -> Infallible {
        loop {
            let Err(status) = self.watch().await;
            let is_refused =
                matches!(status.code(), Code::Unauthenticated | Code::InvalidArgument | Code::Unimplemented);
            if status.code() == Code::InvalidArgument {
                self.cursor.clear();
            }
            if is_refused {
                tracing::error!(event = "watch", result = "refused", code = ?status.code(), cause = status.message());
                sleep(LONG_PAUSE).await;
            } else {
                tracing::warn!(event = "watch", result = "lost", code = ?status.code(), cause = status.message());
                sleep(PAUSE).await;
            }
        }
    }

    /// One watch, to its end.
    async fn watch(&mut self) -> Result<Infallible, Status> {
        // Before the call: what the server counts from its own beginning of it is then never taken for later than it was.
        let began = self.revocations.clock().elapsed();
        let mut request = Request::new(WatchRevocationsRequest { cursor: self.cursor.clone() });
        request.metadata_mut().insert("authorization", self.authorization.clone());
        let silent = |_| Status::unavailable("the server is silent");
        let mut stream = timeout(SILENCE, self.client.watch_revocations(request)).await.map_err(silent)??.into_inner();
        let mut swept = began;
        loop {
            let next = timeout(SILENCE, stream.message()).await.map_err(silent)??;
            self.take(next.ok_or_else(|| Status::unavailable("the server ended the watch"))?, began)?;
            let now = self.revocations.clock().elapsed();
            if now.saturating_sub(swept) >= SWEEP {
                swept = now;
                self.revocations.purge(self.revocations.clock().now());
            }
        }
    }

    /// The entries first: by the time that the set is vouched for, it holds them.
    fn take(&mut self, response: WatchRevocationsResponse, began: Duration) -> Result<(), Status> {
        let nonsense = || Status::data_loss("the server sent something that is no revocation");
        for revocation in response.revocations {
            let Entry { revocation, until } = parse(revocation).ok_or_else(nonsense)?;
            self.revocations.insert(revocation, until);
        }
        if !response.cursor.is_empty() {
            self.cursor = response.cursor;
        }
        if let Some(after) = response.complete_until {
            let after = time::Duration::new(after.seconds, after.nanos);
            let until = time::Duration::try_from(began).unwrap_or(time::Duration::MAX).saturating_add(after);
            self.revocations.vouch(until.try_into().unwrap_or(Duration::ZERO));
        }
        Ok(())
    }
}

fn parse(revocation: pb::Revocation) -> Option<Entry> {
    let expires = revocation.expire_time?;
    let until = OffsetDateTime::from_unix_timestamp(expires.seconds).ok()?;
    let until = until.checked_add(time::Duration::nanoseconds(expires.nanos.into()))?;
    let revocation = match revocation.target? {
        Target::SessionId(id) => Revocation::Session(Uuid::try_parse(&id).ok()?),
        Target::Account(pb::AccountRevocation { account_id, epoch }) => {
            Revocation::Account { id: Uuid::try_parse(&account_id).ok()?, epoch }
        }
    };
    Some(Entry { revocation, until })
}
