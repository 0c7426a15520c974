//! The responses of an RPC that is a task of its own, which ends when they are read no more. Apart from what the tasks do
//! because of the one promise that all of them make: the stream ends with OK only when the task has done all of its work.

use std::time::Duration;

use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Status;
use tonic::codegen::BoxStream;
use tracing::{Instrument as _, Span};

use super::status::{self, Failure};

/// How long a reader may take for a response.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a task puts its responses.
pub(super) struct Sender<T>(mpsc::Sender<T>);

/// Room for one response, for which the reader is waiting, or soon will be.
pub(super) struct Room<'a, T>(mpsc::Permit<'a, T>);

/// Why there is no room for a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unread {
    /// The reader may come back, and must not take what it has for everything.
    #[error("a response was not read for {} s, so this is not all of them: call again, and read on", PATIENCE.as_secs())]
    Late,
    /// Nobody is there to be told.
    #[error("the responses are read no more")]
    Gone,
}

impl<T> Sender<T> {
    /// Waits until there is room. What must hold of a response when it is given out is asked after this, for it may take
    /// long.
    pub async fn room(&self) -> Result<Room<'_, T>, Status> {
        match timeout(PATIENCE, self.0.reserve()).await {
            Ok(Ok(permit)) => Ok(Room(permit)),
            Ok(Err(_)) => Err(Failure(Unread::Gone).into()),
            Err(_) => Err(Failure(Unread::Late).into()),
        }
    }
}

impl<T> Room<'_, T> {
    pub fn send(self, response: T) {
        self.0.send(response);
    }
}

/// Runs `work`. Its failure is not sent but fetched, so that a reader that is late finds it all the same.
pub(super) fn respond<T, F>(work: impl FnOnce(Sender<T>) -> F) -> BoxStream<T>
where
    T: Send + 'static,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(1);
    let task = tokio::spawn(work(Sender(sender)).instrument(Span::current()));
    Box::pin(stream::unfold(Some((receiver, task)), async |state| {
        let (mut receiver, task) = state?;
        if let Some(response) = receiver.recv().await {
            return Some((Ok(response), Some((receiver, task))));
        }
        let failure = match task.await {
            Ok(ended) => ended.err()?,
            Err(panic) => status::internal(panic.into()),
        };
        Some((Err(failure), None))
    }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::StreamExt as _;
    use tokio::task::yield_now;
    use tokio::time::advance;
    use tonic::codegen::BoxStream;
    use tonic::{Code, Status};

    use super::{PATIENCE, Sender, respond};

    async fn all(stream: BoxStream<u8>) -> Vec<Result<u8, Code>> {
        stream.map(|response| response.map_err(|status| status.code())).collect().await
    }

    async fn count(sender: &Sender<u8>) -> Result<(), Status> {
        for number in 1..=3 {
            sender.room().await?.send(number);
        }
        Ok(())
    }

    /// Everybody else has a turn before and after.
    async fn pass(time: Duration) {
        yield_now().await;
        advance(time).await;
        yield_now().await;
    }

    #[tokio::test]
    async fn only_work_that_was_done_ends_well() {
        assert_eq!(all(respond(async |sender| count(&sender).await)).await, [Ok(1), Ok(2), Ok(3)]);
        let fails = respond(async |sender| {
            count(&sender).await?;
            Err(Status::aborted("lost"))
        });
        assert_eq!(all(fails).await, [Ok(1), Ok(2), Ok(3), Err(Code::Aborted)]);
        let panics = respond(async |sender| {
            count(&sender).await?;
            panic!("a defect");
        });
        assert_eq!(all(panics).await, [Ok(1), Ok(2), Ok(3), Err(Code::Internal)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_is_late_is_told_that_this_was_not_all_and_one_that_is_slow_gets_all() {
        let mut late = respond(async |sender| count(&sender).await);
        assert_eq!(late.next().await.unwrap().unwrap(), 1);
        pass(PATIENCE * 2).await;
        assert_eq!(all(late).await, [Ok(2), Err(Code::Unavailable)]);

        let mut slow = respond(async |sender| count(&sender).await);
        for number in 1..=3 {
            pass(PATIENCE / 2).await;
            assert_eq!(slow.next().await.unwrap().unwrap(), number);
        }
        assert!(slow.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_waits_for_a_reader_that_is_late() {
        let fails = respond(async |sender: Sender<u8>| {
            sender.room().await?.send(1);
            Err(Status::aborted("lost"))
        });
        pass(PATIENCE * 2).await;
        assert_eq!(all(fails).await, [Ok(1), Err(Code::Aborted)]);
    }
}
