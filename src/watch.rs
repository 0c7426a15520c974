//! The client's side of `WatchRevocations`: keeps the set of another service up to date, so that its own
//! [layer](crate::layer) refuses a token in the moment its session ends, without asking anyone. Apart from the server's
//! feed, which reads a database; this one reads a stream.
//!
//! ```no_run
//! use std::{sync::Arc, time::Duration};
//! use countersign::{clock::SystemClock, revocations::Revocations, token::Secret, watch::Watcher};
//!
//! # fn connect() -> axum::Router { axum::Router::new() }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // let connect = move || endpoint.connect_lazy();
//! // Stale, so that nobody is let in, until the watcher has caught up; and again five seconds after it was cut off.
//! let revocations = Arc::new(Revocations::fed(Arc::new(SystemClock), Duration::from_secs(5)));
//! let credential = Secret::parse(std::fs::read_to_string("/run/secrets/watch")?.trim_end().to_owned())?;
//! tokio::spawn(Watcher::new(connect, &credential, Arc::clone(&revocations))?.follow());
//! // AuthLayer::new(tokens, revocations, …)
//! # Ok(()) }
//! ```
//!
//! `examples/guarded_service/` is a whole service.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::error::Elapsed;
use tokio::time::{sleep, timeout};
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{Bytes, StdError};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Request, Status, Streaming};
use uuid::Uuid;

use crate::domain::Revocation;
use crate::pb::revocation::Target;
use crate::pb::session_service_client::SessionServiceClient;
use crate::pb::{self, WatchRevocationsRequest, WatchRevocationsResponse};
use crate::revocations::{Entry, Revocations};
use crate::token::Secret;

/// The server sends something every second; who waits as long as its set may be stale has no time to go elsewhere.
const SILENCE: Duration = Duration::from_secs(3);

/// A call that takes longer to begin has waited for its connection.
const SLOW: Duration = Duration::from_millis(300);

/// Between two attempts; the longer one when the server says that the call cannot be right.
const PAUSE: Duration = Duration::from_millis(250);
const LONG_PAUSE: Duration = Duration::from_secs(2);

/// How often what nobody needs any more is swept out.
const SWEEP: Duration = Duration::from_secs(60);

/// Follows the revocations of a server.
pub struct Watcher<T> {
    connect: Box<dyn Fn() -> T + Send + Sync>,
    authorization: MetadataValue<Ascii>,
    revocations: Arc<Revocations>,
    cursor: String,
    /// When the set was swept, by its clock.
    swept: Duration,
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
    /// For the set that the service's layer asks, which [`Revocations::fed`] makes. `connect` gives a channel for each
    /// watch, such as tonic's `connect_lazy`: a new one every time, for the old one may lead to a host that has vanished.
    pub fn new(
        connect: impl Fn() -> T + Send + Sync + 'static,
        credential: &Secret,
        revocations: Arc<Revocations>,
    ) -> Result<Self, InvalidCredential> {
        let mut authorization = credential.bearer().parse::<MetadataValue<Ascii>>().map_err(|_| InvalidCredential)?;
        authorization.set_sensitive(true);
        let (cursor, swept) = (String::new(), revocations.clock().elapsed());
        Ok(Self { connect: Box::new(connect), authorization, revocations, cursor, swept })
    }

    /// Watches for ever: whatever ends a watch, it begins another where that one ended.
    pub async fn follow(mut self) -> Infallible {
        loop {
            let Err(status) = self.watch().await;
            match status.code() {
                Code::Unauthenticated | Code::Unimplemented => {
                    tracing::error!(event = "watch", result = "refused", cause = status.message());
                    sleep(LONG_PAUSE).await;
                }
                code => {
                    if code == Code::InvalidArgument {
                        self.cursor.clear();
                    }
                    tracing::info!(event = "watch", result = "lost", ?code, cause = status.message());
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// One watch, to its end.
    async fn watch(&mut self) -> Result<Infallible, Status> {
        let mut client = SessionServiceClient::new((self.connect)());
        let (mut stream, mut began) = self.call(&mut client).await?;
        if self.revocations.clock().elapsed().saturating_sub(began) > SLOW {
            // Connecting would count as age, for as long as the watch lasts.
            (stream, began) = self.call(&mut client).await?;
        }
        loop {
            let next = timeout(SILENCE, stream.message()).await.map_err(silent)??;
            self.take(next.ok_or_else(|| Status::unavailable("the server ended the watch"))?, began)?;
        }
    }

    /// Begins a watch, and tells when that was.
    async fn call(
        &self,
        client: &mut SessionServiceClient<T>,
    ) -> Result<(Streaming<WatchRevocationsResponse>, Duration), Status> {
        // Before the call: what the server counts from its own beginning of it is then never taken for later than it was.
        let began = self.revocations.clock().elapsed();
        let mut request = Request::new(WatchRevocationsRequest { cursor: self.cursor.clone() });
        request.metadata_mut().insert("authorization", self.authorization.clone());
        let response = timeout(SILENCE, client.watch_revocations(request)).await.map_err(silent)??;
        Ok((response.into_inner(), began))
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
        let clock = self.revocations.clock();
        let now = clock.elapsed();
        // Before the set is vouched for, as it may not be believed by a clock that is off. The way here makes this clock look
        // ahead by as much.
        if let Some(time) = response.server_time.and_then(time_of_day) {
            self.revocations.compare(time, now);
        }
        if let Some(after) = response.complete_until {
            let after = time::Duration::new(after.seconds, after.nanos);
            let until = time::Duration::try_from(began).unwrap_or(time::Duration::MAX).saturating_add(after);
            // Before this clock began, it cannot say; and never later than now, whose clock of the two is slow.
            if let Ok(until) = Duration::try_from(until) {
                self.revocations.vouch(until.min(now));
            }
        }
        if now.saturating_sub(self.swept) >= SWEEP {
            self.swept = now;
            self.revocations.purge(self.revocations.time());
        }
        Ok(())
    }
}

fn silent(_: Elapsed) -> Status {
    Status::unavailable("the server is silent")
}

fn parse(revocation: pb::Revocation) -> Option<Entry> {
    let until = time_of_day(revocation.expire_time?)?;
    let revocation = match revocation.target? {
        Target::SessionId(id) => Revocation::Session(Uuid::try_parse(&id).ok()?),
        Target::Account(pb::AccountRevocation { account_id, epoch }) => {
            Revocation::Account { id: Uuid::try_parse(&account_id).ok()?, epoch }
        }
    };
    Some(Entry { revocation, until })
}

fn time_of_day(time: prost_types::Timestamp) -> Option<OffsetDateTime> {
    let second = OffsetDateTime::from_unix_timestamp(time.seconds).ok()?;
    second.checked_add(time::Duration::nanoseconds(time.nanos.into()))
}
