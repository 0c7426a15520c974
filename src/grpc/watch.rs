//! The two things about `WatchRevocations` that no other RPC has: a credential of its own in place of a token, and an
//! answer that is a stream.

use std::sync::Arc;
use std::time::Duration;

use countersign_guard::layer::{Credential, read_credential};
use countersign_guard::token::Secret;
use futures_util::stream;
use tokio::sync::{Semaphore, mpsc};
use tonic::Status;
use tonic::codegen::BoxStream;
use tonic::metadata::MetadataMap;

use super::convert;
use super::status::Failure;
use crate::accounts::{Accounts, WatchEnd};
use crate::pb;

/// Responses, as long as they are read.
pub(super) type Responses = BoxStream<pb::WatchRevocationsResponse>;

/// Watches at a time: each may hold a sixteenth of the set while it is sent that.
const MOST: usize = 256;

/// How long a reader may take for a response.
const PATIENCE: Duration = Duration::from_secs(30);

/// The services that may watch, each by a secret of its own; nobody, when there is none.
pub(super) struct Watchers {
    credentials: Vec<Secret>,
    places: Arc<Semaphore>,
}

/// Why someone may not watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum CredentialError {
    #[error("a service credential is missing: send it as `authorization: Bearer`")]
    Missing,
    #[error("the service credential is not valid: it must be one of the server's WATCH_CREDENTIALS")]
    Invalid,
}

impl Watchers {
    pub fn new(credentials: Vec<Secret>) -> Self {
        Self { credentials, places: Arc::new(Semaphore::new(MOST)) }
    }

    /// In place of the layer, which lets these calls pass: a service has no account and no session.
    pub fn authorise(&self, metadata: &MetadataMap) -> Result<(), CredentialError> {
        match read_credential(metadata.as_ref()) {
            Credential::NotPresented => Err(CredentialError::Missing),
            Credential::Presented(text) if self.credentials.iter().any(|secret| secret.is(text)) => Ok(()),
            Credential::Presented(_) | Credential::Malformed | Credential::Contradictory => {
                Err(CredentialError::Invalid)
            }
        }
    }

    /// Begins a watch, in a task of its own: a reader that does not read is never asked for more by the transport, so
    /// only from outside can it be seen that it takes too long, and be dropped.
    pub async fn watch(&self, accounts: &Accounts, cursor: &str) -> Result<Responses, WatchEnd> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| WatchEnd::TooMany)?;
        let mut watch = accounts.watch_revocations(cursor).await?;
        tracing::info!(event = "watch", result = "ok", resumed = !cursor.is_empty());
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let _place = place;
            loop {
                let next = watch.next().await;
                let is_end = next.is_err();
                // Neither is there anyone to tell when the reader is gone, nor when it does not read.
                if sender.send_timeout(next, PATIENCE).await.is_err() || is_end {
                    break;
                }
            }
        });
        Ok(Box::pin(stream::unfold(Some(receiver), async |receiver| {
            let mut receiver = receiver?;
            Some(match receiver.recv().await.unwrap_or(Err(WatchEnd::Behind)) {
                Ok(revoked) => (Ok(convert::revoked(revoked)), Some(receiver)),
                Err(end) => (Err(Status::from(Failure(end))), None),
            })
        })))
    }
}
