//! Work that must be finished although the caller disconnects, which drops the future of its call. Separate because
//! every change of state runs like this, and because a password guess also asks whether its caller is still connected.

use futures_util::FutureExt as _;
use tokio::sync::oneshot;
use tracing::{Instrument as _, Span};

use crate::domain::AuthError;

/// Runs a change of state as a task of its own, so that it ends whether or not the caller waits for it. Not an async
/// function, which would reserve the space of the change in the future of its caller, too.
pub(super) fn run_to_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, AuthError>> + Send + 'static,
) -> impl Future<Output = Result<T, AuthError>> + Send {
    tokio::spawn(change.instrument(Span::current()))
        .map(|ended| ended.unwrap_or_else(|panic| Err(AuthError::Internal(panic.into()))))
}

/// Tells a task of [`run_to_end`] whether its caller is still connected.
pub(super) struct CallerPresence(oneshot::Receiver<()>);

/// Links a call with the task that works for it. The call keeps the sender in its future, which is dropped when the
/// caller disconnects.
pub(super) fn watch_caller() -> (oneshot::Sender<()>, CallerPresence) {
    let (connected, caller) = oneshot::channel();
    (connected, CallerPresence(caller))
}

impl CallerPresence {
    /// Waits until the caller has disconnected.
    pub(super) async fn disconnected(&mut self) {
        let _ = (&mut self.0).await;
    }

    /// Whether the caller has disconnected.
    pub(super) fn is_disconnected(&mut self) -> bool {
        matches!(self.0.try_recv(), Err(oneshot::error::TryRecvError::Closed))
    }
}
