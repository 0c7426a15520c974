//! Streams of responses that a task produces, and that end when the client no longer reads them. Separate from the
//! tasks because all of them make one promise: the stream ends with OK only if the task has done all of its work.

use futures_util::stream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::Status;
use tonic::codegen::BoxStream;
use tracing::{Instrument as _, Span};

use super::failures::{READ_TIMEOUT, UnreadResponse};
use super::status::{self, ToStatus};

/// Takes the responses of a task.
pub(super) struct ResponseSender<T>(mpsc::Sender<T>);

/// The permit to send one response, which the client is waiting for or soon will be.
pub(super) struct ResponsePermit<'a, T>(mpsc::Permit<'a, T>);

impl<T> ResponseSender<T> {
    /// Waits until a response can be sent, which may take long. Conditions that must hold when a response is sent are
    /// therefore checked after this.
    pub(super) async fn permit(&self) -> Result<ResponsePermit<'_, T>, Status> {
        match timeout(READ_TIMEOUT, self.0.reserve()).await {
            Ok(Ok(permit)) => Ok(ResponsePermit(permit)),
            Ok(Err(_)) => Err(ToStatus(UnreadResponse::Gone).into()),
            Err(_) => Err(ToStatus(UnreadResponse::Late).into()),
        }
    }
}

impl<T> ResponsePermit<'_, T> {
    pub(super) fn send(self, response: T) {
        self.0.send(response);
    }
}

/// Runs `work` in a task, and returns the stream of its responses. The stream asks the task for its result at the end,
/// so that a client that reads late still finds the failure.
pub(super) fn respond<T, F>(work: impl FnOnce(ResponseSender<T>) -> F) -> BoxStream<T>
where
    T: Send + 'static,
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(1);
    let task = tokio::spawn(work(ResponseSender(sender)).instrument(Span::current()));
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

    use super::{READ_TIMEOUT, ResponseSender, respond};

    async fn all(stream: BoxStream<u8>) -> Vec<Result<u8, Code>> {
        stream.map(|response| response.map_err(|status| status.code())).collect().await
    }

    async fn count(sender: &ResponseSender<u8>) -> Result<(), Status> {
        for number in 1..=3 {
            sender.permit().await?.send(number);
        }
        Ok(())
    }

    /// Lets the other tasks run before and after the time has passed.
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
        pass(READ_TIMEOUT * 2).await;
        assert_eq!(all(late).await, [Ok(2), Err(Code::Unavailable)]);

        let mut slow = respond(async |sender| count(&sender).await);
        for number in 1..=3 {
            pass(READ_TIMEOUT / 2).await;
            assert_eq!(slow.next().await.unwrap().unwrap(), number);
        }
        assert!(slow.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_waits_for_a_reader_that_is_late() {
        let fails = respond(async |sender: ResponseSender<u8>| {
            sender.permit().await?.send(1);
            Err(Status::aborted("lost"))
        });
        pass(READ_TIMEOUT * 2).await;
        assert_eq!(all(fails).await, [Ok(1), Err(Code::Aborted)]);
    }
}
