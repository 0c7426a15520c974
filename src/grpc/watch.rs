//! The two things about `WatchRevocations` that no other RPC has: a credential of its own in place of a token, and an
//! answer that is a stream.

use futures_util::stream;
use tonic::codegen::BoxStream;
use tonic::metadata::MetadataMap;

use super::convert;
use super::status::Failure;
use crate::accounts::Watch;
use crate::layer::{Credential, read_credential};
use crate::pb;
use crate::token::Secret;

/// Responses, as long as they are read.
pub(super) type Responses = BoxStream<pb::WatchRevocationsResponse>;

/// The services that may watch, each by a secret of its own; nobody, when there is none.
pub(super) struct Watchers(pub Vec<Secret>);

/// Why someone may not watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum CredentialError {
    #[error("a service credential is missing: send it as `authorization: Bearer`")]
    Missing,
    #[error("the service credential is not valid: it must be one of the server's WATCH_CREDENTIALS")]
    Invalid,
}

impl Watchers {
    /// In place of the layer, which lets these calls pass: a service has no account and no session.
    pub fn authorise(&self, metadata: &MetadataMap) -> Result<(), CredentialError> {
        match read_credential(metadata.as_ref()) {
            Credential::NotPresented => Err(CredentialError::Missing),
            Credential::Presented(text) if self.0.iter().any(|secret| secret.is(text)) => Ok(()),
            Credential::Presented(_) | Credential::Malformed => Err(CredentialError::Invalid),
        }
    }
}

pub(super) fn responses(watch: Watch) -> Responses {
    Box::pin(stream::unfold(Some(watch), async |watch| {
        let mut watch = watch?;
        Some(match watch.next().await {
            Ok(revoked) => (Ok(convert::revoked(revoked)), Some(watch)),
            Err(end) => (Err(Failure(end).into()), None),
        })
    }))
}
