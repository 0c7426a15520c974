//! The signals that ask a command to stop. Separate because a long command that is stopped says how far it came, or
//! removes what is unfinished.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::CommandError;

/// Hears SIGTERM and Ctrl-C from its creation on.
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Returns the result of `work`, or an error when a signal comes first.
    pub(super) async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Result<T, CommandError> {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Err(CommandError::Stopped),
            _ = self.interrupt.recv() => Err(CommandError::Stopped),
            done = work => Ok(done),
        }
    }
}
