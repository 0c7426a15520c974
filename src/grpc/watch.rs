//! The credentials and the streams of `WatchRevocations`. Separate from `session_service` because this RPC takes a
//! service credential in place of a token, and its answer is a stream without end.

use std::sync::Arc;

use countersign_guard::layer::{Credential, read_credential};
use countersign_guard::token::Secret;
use futures_util::stream;
use tokio::sync::{Semaphore, mpsc};
use tonic::Status;
use tonic::codegen::BoxStream;
use tonic::metadata::MetadataMap;

use super::convert;
use super::failures::{CredentialError, READ_TIMEOUT};
use super::status::ToStatus;
use crate::accounts::{Accounts, WatchEnd};
use crate::pb;

/// The stream of responses.
pub(super) type RevocationStream = BoxStream<pb::WatchRevocationsResponse>;

/// The most watches at a time. Each may hold a sixteenth of the set in memory while the set is sent to it.
const MAX_WATCHES: usize = 256;

/// The services that may watch, each by a secret of its own. Without a secret, none may.
pub(super) struct Watchers {
    credentials: Vec<Secret>,
    permits: Arc<Semaphore>,
}

impl Watchers {
    pub(super) fn new(credentials: Vec<Secret>) -> Self {
        Self { credentials, permits: Arc::new(Semaphore::new(MAX_WATCHES)) }
    }

    /// Checks the service credential. The layer lets these calls pass, because a service has no account and no session.
    pub(super) fn authorise(&self, metadata: &MetadataMap) -> Result<(), CredentialError> {
        match read_credential(metadata.as_ref()) {
            Credential::NotPresented => Err(CredentialError::Missing),
            Credential::Presented(text) if self.credentials.iter().any(|secret| secret.is(text)) => Ok(()),
            Credential::Presented(_) | Credential::Malformed | Credential::Contradictory => {
                Err(CredentialError::Invalid { setting: "WATCH_CREDENTIALS" })
            }
        }
    }

    /// Begins a watch, in a task of its own. The transport never polls the stream of a client that does not read, so
    /// only a separate task can see that the client takes too long, and drop it.
    pub(super) async fn watch(&self, accounts: &Accounts, cursor: &str) -> Result<RevocationStream, WatchEnd> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| WatchEnd::TooMany)?;
        let mut watch = accounts.watch_revocations(cursor).await?;
        tracing::info!(event = "watch", result = "ok", resumed = !cursor.is_empty());
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let _permit = permit;
            loop {
                // The permit is free as soon as the client cancels.
                let next = tokio::select! {
                    next = watch.next() => next,
                    () = sender.closed() => break,
                };
                let is_end = next.is_err();
                // A client that has gone or does not read cannot be sent a status either.
                if sender.send_timeout(next, READ_TIMEOUT).await.is_err() || is_end {
                    break;
                }
            }
        });
        Ok(Box::pin(stream::unfold(Some(receiver), async |receiver| {
            let mut receiver = receiver?;
            Some(match receiver.recv().await.unwrap_or(Err(WatchEnd::Behind)) {
                Ok(revoked) => (Ok(convert::revoked(revoked)), Some(receiver)),
                Err(end) => (Err(Status::from(ToStatus(end))), None),
            })
        })))
    }
}
