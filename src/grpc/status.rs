//! Failures become statuses here, and only here is a gRPC code chosen. The status shows the client fixed text, a reason
//! (`google.rpc.ErrorInfo`) and what to do; the cause is logged, once, and goes no further.

use std::error::Error;
use std::time::Duration;

use countersign_guard::layer::Refusal;
use http::Response;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::responses::Unread;
use super::watch::CredentialError;
use crate::accounts::{SessionEnd, WatchEnd};
use crate::domain::{AuthError, Violations};
use crate::pb::{ERROR_DOMAIN, ErrorReason};

/// A failure on its way to becoming a [`Status`].
pub(super) struct Failure<E>(pub E);

impl From<Failure<Refusal>> for Status {
    fn from(Failure(refusal): Failure<Refusal>) -> Self {
        let (code, reason) = match refusal {
            Refusal::TokenMissing => (Code::Unauthenticated, ErrorReason::TokenMissing),
            Refusal::TokenInvalid | Refusal::TwoTokens => (Code::Unauthenticated, ErrorReason::TokenInvalid),
            Refusal::TokenExpired => (Code::Unauthenticated, ErrorReason::TokenExpired),
            Refusal::Unavailable => (Code::Unavailable, ErrorReason::Unavailable),
        };
        with_reason(code, reason, &refusal.to_string(), ErrorDetails::new())
    }
}

impl From<Failure<CredentialError>> for Status {
    fn from(Failure(error): Failure<CredentialError>) -> Self {
        let reason = match error {
            CredentialError::Missing => ErrorReason::TokenMissing,
            CredentialError::Invalid => {
                tracing::warn!(event = "watch", result = "refused");
                ErrorReason::TokenInvalid
            }
        };
        with_reason(Code::Unauthenticated, reason, &error.to_string(), ErrorDetails::new())
    }
}

impl From<Failure<WatchEnd>> for Status {
    fn from(Failure(end): Failure<WatchEnd>) -> Self {
        let message = end.to_string();
        match end {
            WatchEnd::Failed(error) => Failure(error).into(),
            WatchEnd::Behind | WatchEnd::Interrupted | WatchEnd::TooMany | WatchEnd::Stale => {
                tracing::info!(event = "watch", result = "ended", cause = message);
                with_reason(Code::Unavailable, ErrorReason::Unavailable, &message, ErrorDetails::new())
            }
        }
    }
}

impl From<Failure<SessionEnd>> for Status {
    fn from(Failure(end): Failure<SessionEnd>) -> Self {
        Failure(match end {
            SessionEnd::Revoked => Refusal::TokenInvalid,
            SessionEnd::Expired => Refusal::TokenExpired,
            SessionEnd::Unknown => Refusal::Unavailable,
        })
        .into()
    }
}

impl From<Failure<Unread>> for Status {
    fn from(Failure(unread): Failure<Unread>) -> Self {
        let message = unread.to_string();
        tracing::info!(event = "stream", result = "ended", cause = message);
        with_reason(Code::Unavailable, ErrorReason::Unavailable, &message, ErrorDetails::new())
    }
}

impl From<Failure<AuthError>> for Status {
    fn from(Failure(error): Failure<AuthError>) -> Self {
        let message = error.to_string();
        let (code, reason) = match error {
            AuthError::Validation(violations) => return invalid(&violations),
            AuthError::HandleTaken => (Code::AlreadyExists, ErrorReason::HandleTaken),
            AuthError::RegistrationClosed => (Code::PermissionDenied, ErrorReason::RegistrationClosed),
            AuthError::InvalidCredentials => (Code::Unauthenticated, ErrorReason::InvalidCredentials),
            AuthError::EmailNotVerified => (Code::FailedPrecondition, ErrorReason::EmailNotVerified),
            AuthError::OneTimeTokenInvalid => (Code::FailedPrecondition, ErrorReason::OneTimeTokenInvalid),
            AuthError::InsufficientPermissions => (Code::PermissionDenied, ErrorReason::InsufficientPermissions),
            AuthError::NotFound => (Code::NotFound, ErrorReason::NotFound),
            AuthError::TooManyAttempts { retry_after } => {
                let message = format!("too many attempts: try again in {} s", retry_after.as_secs());
                return exhausted(ErrorReason::TooManyAttempts, &message, retry_after);
            }
            AuthError::AccountGone => return Failure(Refusal::TokenInvalid).into(),
            AuthError::Overloaded { retry_after } => {
                let message = format!("too many sign-ins are waiting: try again in {} s", retry_after.as_secs());
                return exhausted(ErrorReason::Overloaded, &message, retry_after);
            }
            AuthError::OutOfTime => return deadline_exceeded(),
            AuthError::Unavailable(cause) | AuthError::PasswordUnchecked(cause) => {
                tracing::error!(event = "error", cause = cause.as_ref() as &dyn Error, "unavailable");
                (Code::Unavailable, ErrorReason::Unavailable)
            }
            AuthError::Internal(cause) => return internal(cause),
        };
        with_reason(code, reason, &message, ErrorDetails::new())
    }
}

/// What a client is told of a defect.
const INTERNAL: &str = "internal error: it has been logged";

/// A defect: fixed text for the client, the cause for the log.
pub(super) fn internal(cause: Box<dyn Error + Send + Sync>) -> Status {
    tracing::error!(event = "error", cause = cause.as_ref() as &dyn Error, "internal error");
    Status::internal(INTERNAL)
}

/// Bytes that are no message of the method, or not even framed as one, are the client's mistake; the library answers them
/// with INTERNAL and a text of its own. Whatever says INTERNAL and is not [`internal`] is that.
pub(super) fn blame_whom_it_concerns(response: Response<Body>) -> Response<Body> {
    match response.extensions().get::<Status>() {
        Some(status) if status.code() == Code::Internal && status.message() != INTERNAL => {
            let text = "the request is not one message of the type that this method takes";
            with_reason(Code::InvalidArgument, ErrorReason::Validation, text, ErrorDetails::new()).into_http()
        }
        _ => response,
    }
}

/// The caller's own time limit, or ours, passed.
pub(super) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the call ran out of time")
}

/// A stream of requests that broke off: the library says UNKNOWN of a sender that paused for too long. Of one that is gone it
/// may say so, too, and then nobody hears it.
pub(super) fn broken_off(status: Status) -> Status {
    if status.code() == Code::Unknown { deadline_exceeded() } else { status }
}

/// What a stream is told whose connection is about to end.
pub(super) fn connection_ends() -> Status {
    let text = "this connection is about to end: call again, and go on after the last message";
    with_reason(Code::Unavailable, ErrorReason::Unavailable, text, ErrorDetails::new())
}

/// More is under way, or being sent, than there is room for: of a call that has not begun, so it is safe to repeat.
pub fn overloaded() -> Status {
    exhausted(ErrorReason::Overloaded, "too many requests are under way: try again in 1 s", Duration::from_secs(1))
}

fn invalid(violations: &Violations) -> Status {
    let mut details = ErrorDetails::new();
    for violation in violations.iter() {
        details.add_bad_request_violation(violation.field, violation.description);
    }
    let all: Vec<_> = violations.iter().map(|bad| format!("{} {}", bad.field, bad.description)).collect();
    with_reason(Code::InvalidArgument, ErrorReason::Validation, &all.join("; "), details)
}

/// Logged by whoever counts them: a storm has thousands a second.
fn exhausted(reason: ErrorReason, message: &str, retry_after: Duration) -> Status {
    let mut details = ErrorDetails::new();
    details.set_retry_info(Some(retry_after));
    with_reason(Code::ResourceExhausted, reason, message, details)
}

fn with_reason(code: Code, reason: ErrorReason, message: &str, mut details: ErrorDetails) -> Status {
    details.set_error_info(reason.as_reason(), ERROR_DOMAIN, std::collections::HashMap::new());
    Status::with_error_details(code, message, details)
}
