//! Failures become statuses here and nowhere else. A status shows the client fixed text, a reason
//! (`google.rpc.ErrorInfo`) with the gRPC code that the proto gives it, and what to do. The cause is logged once and
//! goes no further.

use std::error::Error;
use std::time::Duration;

use countersign_guard::layer::Refusal;
use http::Response;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::failures::{CredentialError, PassageError, UnreadResponse};
use crate::accounts::{SessionEnd, Unanswered, WatchEnd};
use crate::domain::{AuthError, Violations};
use crate::pb::{ERROR_DOMAIN, ErrorReason};

/// An error that becomes a [`Status`], as in `.map_err(ToStatus)?`.
pub(super) struct ToStatus<E>(pub E);

impl From<ToStatus<Refusal>> for Status {
    fn from(ToStatus(refusal): ToStatus<Refusal>) -> Self {
        let reason = match refusal {
            Refusal::TokenMissing => ErrorReason::TokenMissing,
            Refusal::TokenInvalid | Refusal::TwoTokens => ErrorReason::TokenInvalid,
            Refusal::TokenExpired => ErrorReason::TokenExpired,
            Refusal::Unavailable => ErrorReason::Unavailable,
        };
        with_reason(reason, &refusal.to_string(), ErrorDetails::new())
    }
}

impl From<ToStatus<CredentialError>> for Status {
    fn from(ToStatus(error): ToStatus<CredentialError>) -> Self {
        let reason = match error {
            CredentialError::Missing => ErrorReason::TokenMissing,
            CredentialError::Invalid { setting } => {
                tracing::warn!(event = "credential", setting, result = "refused");
                ErrorReason::TokenInvalid
            }
        };
        with_reason(reason, &error.to_string(), ErrorDetails::new())
    }
}

impl From<ToStatus<WatchEnd>> for Status {
    fn from(ToStatus(end): ToStatus<WatchEnd>) -> Self {
        let message = end.to_string();
        match end {
            WatchEnd::Failed(error) => ToStatus(error).into(),
            WatchEnd::Behind | WatchEnd::Interrupted | WatchEnd::TooMany | WatchEnd::Stale => {
                tracing::info!(event = "watch", result = "ended", cause = message);
                with_reason(ErrorReason::Unavailable, &message, ErrorDetails::new())
            }
        }
    }
}

impl From<ToStatus<Unanswered>> for Status {
    fn from(ToStatus(error): ToStatus<Unanswered>) -> Self {
        match error {
            Unanswered::Unknown => ToStatus(Refusal::Unavailable).into(),
            Unanswered::Failed(error) => ToStatus(error).into(),
        }
    }
}

impl From<ToStatus<SessionEnd>> for Status {
    fn from(ToStatus(end): ToStatus<SessionEnd>) -> Self {
        ToStatus(match end {
            SessionEnd::Revoked => Refusal::TokenInvalid,
            SessionEnd::Expired => Refusal::TokenExpired,
            SessionEnd::Unknown => Refusal::Unavailable,
        })
        .into()
    }
}

impl From<ToStatus<UnreadResponse>> for Status {
    fn from(ToStatus(unread): ToStatus<UnreadResponse>) -> Self {
        let message = unread.to_string();
        tracing::info!(event = "stream", result = "ended", cause = message);
        with_reason(ErrorReason::Unavailable, &message, ErrorDetails::new())
    }
}

impl From<ToStatus<PassageError>> for Status {
    fn from(ToStatus(error): ToStatus<PassageError>) -> Self {
        let reason = match error {
            PassageError::Account | PassageError::Policy | PassageError::Question => {
                ErrorReason::InsufficientPermissions
            }
            PassageError::Unverified => ErrorReason::EmailNotVerified,
        };
        with_reason(reason, &error.to_string(), ErrorDetails::new())
    }
}

impl From<ToStatus<AuthError>> for Status {
    fn from(ToStatus(error): ToStatus<AuthError>) -> Self {
        let message = error.to_string();
        let reason = match error {
            AuthError::Validation(violations) => return invalid(&violations),
            AuthError::LastAdministrator => {
                let mut bad = Violations::default();
                let why = "is the last active administrator of its firm: make another account an administrator first";
                bad.add("account_id", why);
                return invalid(&bad);
            }
            AuthError::HandleTaken => ErrorReason::HandleTaken,
            AuthError::RegistrationClosed => ErrorReason::RegistrationClosed,
            AuthError::InvalidCredentials => ErrorReason::InvalidCredentials,
            AuthError::EmailNotVerified => ErrorReason::EmailNotVerified,
            AuthError::OneTimeTokenInvalid => ErrorReason::OneTimeTokenInvalid,
            AuthError::SecondFactorInvalid => ErrorReason::SecondFactorInvalid,
            AuthError::LoginTicketInvalid => ErrorReason::TicketInvalid,
            AuthError::SecondFactorNotOffered => ErrorReason::SecondFactorNotOffered,
            AuthError::NoSecondFactor => ErrorReason::NoSecondFactor,
            AuthError::InsufficientPermissions => ErrorReason::InsufficientPermissions,
            AuthError::NotFound(_) => ErrorReason::NotFound,
            AuthError::TooManyAttempts { retry_after } => {
                let message = format!("too many attempts: try again in {} s", retry_after.as_secs());
                return exhausted(ErrorReason::TooManyAttempts, &message, retry_after);
            }
            AuthError::AccountGone => return ToStatus(Refusal::TokenInvalid).into(),
            AuthError::Overloaded { retry_after } => {
                let message = format!("too many sign-ins are waiting: try again in {} s", retry_after.as_secs());
                return exhausted(ErrorReason::Overloaded, &message, retry_after);
            }
            AuthError::OutOfTime => return deadline_exceeded(),
            AuthError::Unavailable(cause) | AuthError::PasswordUnchecked(cause) => {
                tracing::error!(event = "error", cause = cause.as_ref() as &dyn Error, "unavailable");
                ErrorReason::Unavailable
            }
            AuthError::Internal(cause) => return internal(cause),
        };
        with_reason(reason, &message, ErrorDetails::new())
    }
}

/// The message of every status that stands for a defect.
const INTERNAL: &str = "internal error: it has been logged";

/// The status of a defect: fixed text for the client, and the cause for the log.
pub(super) fn internal(cause: Box<dyn Error + Send + Sync>) -> Status {
    tracing::error!(event = "error", cause = cause.as_ref() as &dyn Error, "internal error");
    Status::internal(INTERNAL)
}

/// Answers VALIDATION where tonic could not read the request. Bytes that are not a message of the method are the
/// client's mistake, but tonic answers them with INTERNAL and a text of its own, which tells them from [`internal`].
pub(super) fn reclassify_unreadable(response: Response<Body>) -> Response<Body> {
    match response.extensions().get::<Status>() {
        Some(status) if status.code() == Code::Internal && status.message() != INTERNAL => {
            let text = "the request is not one message of the type that this method takes";
            with_reason(ErrorReason::Validation, text, ErrorDetails::new()).into_http()
        }
        _ => response,
    }
}

/// The caller's own timeout, or the server's, has passed.
pub(super) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the call ran out of time")
}

/// Ends a stream because its connection is about to end.
pub(super) fn connection_ends() -> Status {
    let text = "this connection is about to end: call again, and go on after the last message";
    with_reason(ErrorReason::Unavailable, text, ErrorDetails::new())
}

/// The service cannot say anything at the moment.
pub(super) fn unavailable(message: &str) -> Status {
    with_reason(ErrorReason::Unavailable, message, ErrorDetails::new())
}

/// Refuses a call because too many are under way. The call has not begun, so it is safe to repeat.
pub(crate) fn overloaded() -> Status {
    exhausted(ErrorReason::Overloaded, "too many requests are under way: try again in 1 s", Duration::from_secs(1))
}

/// Refuses a call with a head that is too large. It has no `RetryInfo`, because the same call would be refused again.
pub(crate) fn head_too_large(text: &'static str) -> Status {
    Status::resource_exhausted(text)
}

fn invalid(violations: &Violations) -> Status {
    let mut details = ErrorDetails::new();
    for violation in violations.iter() {
        details.add_bad_request_violation(violation.field, violation.description);
    }
    let all: Vec<_> = violations.iter().map(|bad| format!("{} {}", bad.field, bad.description)).collect();
    with_reason(ErrorReason::Validation, &all.join("; "), details)
}

/// Does not log: a storm of calls has thousands of these a second, and the code that counts them logs a summary.
fn exhausted(reason: ErrorReason, message: &str, retry_after: Duration) -> Status {
    let mut details = ErrorDetails::new();
    details.set_retry_info(Some(retry_after));
    with_reason(reason, message, details)
}

fn with_reason(reason: ErrorReason, message: &str, mut details: ErrorDetails) -> Status {
    details.set_error_info(reason.as_reason(), ERROR_DOMAIN, std::collections::HashMap::new());
    Status::with_error_details(reason.code(), message, details)
}
