//! The client of `SessionService.WatchRevocations`. A [`Watcher`] keeps the set of revocations up to date, so that the
//! service's own [layer](crate::layer) refuses a token within milliseconds after its session was revoked. Separate from
//! `revocations` because the server's feed fills the same set from a database, without a stream.
//!
//! ```no_run
//! use std::{sync::Arc, time::Duration};
//! use countersign_guard::{clock::SystemClock, revocations::Revocations, token::Secret, watch::Watcher};
//! use tonic::transport::Endpoint;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let countersign = Endpoint::from_static("http://127.0.0.1:3008");
//! // Stale until the watcher has caught up, and again when it was cut off for five seconds: then no token is accepted.
//! let revocations = Arc::new(Revocations::fed(Arc::new(SystemClock), Duration::from_secs(5)));
//! let credential = Secret::parse(std::fs::read_to_string("/run/secrets/watch")?.trim_end().to_owned())?;
//! let watcher = Watcher::new(move || countersign.connect_lazy(), &credential, Arc::clone(&revocations))?;
//! tokio::spawn(watcher.follow());
//! // Then: AuthLayer::new(tokens, revocations, …)
//! # Ok(()) }
//! ```
//!
//! `examples/guarded-service` in the repository is a whole service.

#[rustfmt::skip]
#[expect(unreachable_pub, reason = "generated")]
mod pb;

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

use crate::revocations::{Entry, Revocation, Revocations};
use crate::token::{Secret, Verifier};
use pb::revocation::Target;
use pb::session_service_client::SessionServiceClient;
use pb::{WatchRevocationsRequest, WatchRevocationsResponse};

/// The server sends a heartbeat every second. After this long without one, the watcher connects again: early enough to
/// reach another replica before the set is stale.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(3);

/// A call that takes longer to begin has waited for its connection.
const SLOW_CONNECT: Duration = Duration::from_millis(300);

/// The delay before the next attempt.
const RETRY_DELAY: Duration = Duration::from_millis(250);

/// The delay after the server refused the credential, or does not know the call.
const REFUSED_RETRY_DELAY: Duration = Duration::from_secs(2);

/// The time between two purges of the set.
const PURGE_INTERVAL: Duration = Duration::from_secs(60);

/// The revocation that ends nothing, and says that the keys of tokens have changed.
const KEYS_CHANGED: Revocation = Revocation::Account { id: Uuid::nil(), epoch: 0 };

/// Follows the revocations of a server, and inserts them into the set. `T` is a client's channel.
pub struct Watcher<T> {
    connect: Box<dyn Fn() -> T + Send + Sync>,
    authorization: MetadataValue<Ascii>,
    revocations: Arc<Revocations>,
    verifier: Option<Verifier>,
    cursor: String,
    /// The time of the last purge, by the set's clock.
    purged: Duration,
}

/// The credential has characters that no header can carry.
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
    /// Makes a watcher. `connect` makes a channel for each attempt, such as tonic's `connect_lazy`: a new one every
    /// time, because an old one may lead to a host that has vanished. `credential` is one of the server's
    /// `WATCH_CREDENTIALS`. `revocations` is the set of the service's layer, made by [`Revocations::fed`]. Fails if the
    /// credential has other characters than visible ASCII.
    pub fn new(
        connect: impl Fn() -> T + Send + Sync + 'static,
        credential: &Secret,
        revocations: Arc<Revocations>,
    ) -> Result<Self, InvalidCredential> {
        let mut authorization = credential.bearer().parse::<MetadataValue<Ascii>>().map_err(|_| InvalidCredential)?;
        authorization.set_sensitive(true);
        let (cursor, purged) = (String::new(), revocations.clock().elapsed());
        Ok(Self { connect: Box::new(connect), authorization, revocations, verifier: None, cursor, purged })
    }

    /// Has this verifier fetch its keys at once when the server says that they have changed. So the tokens of a stolen
    /// key are refused as soon as it was revoked, and not only when the verifier would have looked again.
    #[must_use]
    pub fn with_verifier(self, verifier: Verifier) -> Self {
        Self { verifier: Some(verifier), ..self }
    }

    /// Watches without end: after a failure it calls again, and resumes where the last stream ended. Run it in a task
    /// of its own. It logs with the event `watch`: `info` when the stream was lost, `error` when the server refused the
    /// call.
    pub async fn follow(mut self) -> Infallible {
        loop {
            let Err(status) = self.watch().await;
            match status.code() {
                Code::Unauthenticated | Code::Unimplemented => {
                    tracing::error!(event = "watch", result = "refused", cause = status.message());
                    sleep(REFUSED_RETRY_DELAY).await;
                }
                code => {
                    if code == Code::InvalidArgument {
                        self.cursor.clear();
                    }
                    tracing::info!(event = "watch", result = "lost", ?code, cause = status.message());
                    sleep(RETRY_DELAY).await;
                }
            }
        }
    }

    /// Reads one stream to its end.
    async fn watch(&mut self) -> Result<Infallible, Status> {
        let mut client = SessionServiceClient::new((self.connect)());
        let (mut stream, mut began) = self.call(&mut client).await?;
        if self.revocations.clock().elapsed().saturating_sub(began) > SLOW_CONNECT {
            // The time to connect would count as age of the set for as long as the stream lasts.
            (stream, began) = self.call(&mut client).await?;
        }
        loop {
            let next = timeout(HEARTBEAT_TIMEOUT, stream.message()).await.map_err(silent)??;
            self.take(next.ok_or_else(|| Status::unavailable("the server ended the watch"))?, began)?;
        }
    }

    /// Begins a stream, and returns it with the time when the call began.
    async fn call(
        &self,
        client: &mut SessionServiceClient<T>,
    ) -> Result<(Streaming<WatchRevocationsResponse>, Duration), Status> {
        // Read before the call: the server counts from its own beginning of the call, which is never earlier than this.
        let began = self.revocations.clock().elapsed();
        let mut request = Request::new(WatchRevocationsRequest { cursor: self.cursor.clone() });
        request.metadata_mut().insert("authorization", self.authorization.clone());
        let response = timeout(HEARTBEAT_TIMEOUT, client.watch_revocations(request)).await.map_err(silent)??;
        Ok((response.into_inner(), began))
    }

    /// Takes a message: inserts its revocations first, and then marks the set as complete.
    fn take(&mut self, response: WatchRevocationsResponse, began: Duration) -> Result<(), Status> {
        let unreadable = || Status::data_loss("the server sent a revocation that cannot be read");
        for revocation in response.revocations {
            let Entry { revocation, until } = parse(revocation).ok_or_else(unreadable)?;
            self.revocations.insert(revocation, until);
            if let (true, Some(verifier)) = (revocation == KEYS_CHANGED, &self.verifier) {
                verifier.look_again();
            }
        }
        if !response.cursor.is_empty() {
            self.cursor = response.cursor;
        }
        let clock = self.revocations.clock();
        let now = clock.elapsed();
        // Before the set is marked as complete, because a wrong clock must not make it look fresh. The time that the
        // message took to arrive makes this clock look ahead by as much.
        if let Some(time) = response.server_time.and_then(time_of_day) {
            self.revocations.compare(time, now);
        }
        if let Some(after) = response.complete_until {
            let after = time::Duration::new(after.seconds, after.nanos);
            let until = time::Duration::try_from(began).unwrap_or(time::Duration::MAX).saturating_add(after);
            // A negative time is before this clock began. A time later than now is not believed: of two clocks, one is
            // slow.
            if let Ok(until) = Duration::try_from(until) {
                self.revocations.mark_complete(until.min(now));
            }
        }
        if now.saturating_sub(self.purged) >= PURGE_INTERVAL {
            self.purged = now;
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
