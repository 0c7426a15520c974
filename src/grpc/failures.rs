//! Failures that occur only in `grpc`: a client does not read its stream, or a service credential is missing or wrong.
//! Separate so that the code that fails and `status`, which answers the failure, do not import each other.

use std::time::Duration;

/// How long a client may take to read a response of a stream.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a response of a stream cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnreadResponse {
    /// The client did not read in time. It may still be there, so the text tells it that responses are missing.
    #[error(
        "the client did not read a response for {} s, so responses are missing: call again, and read without such a pause",
        READ_TIMEOUT.as_secs()
    )]
    Late,
    /// The client has gone, so nobody receives this text.
    #[error("the client no longer reads responses")]
    Gone,
}

/// Why a service may not watch revocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum CredentialError {
    #[error("a service credential is missing: send it as `authorization: Bearer`")]
    Missing,
    #[error("the service credential is not valid: it must be one of the server's WATCH_CREDENTIALS")]
    Invalid,
}
