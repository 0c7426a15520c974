//! Failures that occur only in `grpc`: a client does not read its stream, a service credential is missing or wrong, or
//! a route keeps a request out. Separate so that the code that fails and `status`, which answers the failure, do not
//! import each other.

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

/// Why a service may not do what needs a service credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum CredentialError {
    #[error("a service credential is missing: send it as `authorization: Bearer`")]
    Missing,
    #[error("the service credential is not valid: it must be one of the server's {setting}")]
    Invalid { setting: &'static str },
}

/// Why a proxy must not pass a request on, if it is not for the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum PassageError {
    /// The account has another role or firm than the route asks for, or no email address.
    #[error("this account may not do this")]
    Account,
    #[error("the email address is not verified: use the link that was sent to it, or ask for another")]
    Unverified,
    /// No request can pass at all, so the text is for the operator of the proxy.
    #[error(
        "the proxy names no policy that is understood, so no request may pass: it must be a list with commas of public, \
         account, role=admin, role=user, role=viewer, firm=ID, verified, preflight and keep-token"
    )]
    Policy,
    /// The text is for the operator, as with [`Self::Policy`].
    #[error("the proxy asks in a way that is not understood, or sends no headers, so no request may pass")]
    Question,
}
