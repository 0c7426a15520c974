//! The future of a response: the tower plumbing around [`Guard::countersign`]. Separate from the rules, as in every
//! tower middleware.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use super::caller::Caller;
use super::guard::Guard;

pin_project! {
    /// The future of [`Auth`](super::Auth).
    pub struct ResponseFuture<F, R, B> {
        #[pin]
        kind: Kind<F, R, B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F, R, B> {
        Refused { response: Option<Response<B>> },
        Unsigned { #[pin] inner: F },
        Authenticated { #[pin] inner: F, guard: Arc<Guard<R>>, caller: Caller },
    }
}

impl<F, R, B> ResponseFuture<F, R, B> {
    pub(super) fn refused(response: Response<B>) -> Self {
        Self { kind: Kind::Refused { response: Some(response) } }
    }

    /// Makes the future of a response that never gets a fresh token.
    pub(super) fn unsigned(inner: F) -> Self {
        Self { kind: Kind::Unsigned { inner } }
    }

    pub(super) fn authenticated(inner: F, guard: Arc<Guard<R>>, caller: Caller) -> Self {
        Self { kind: Kind::Authenticated { inner, guard, caller } }
    }
}

impl<F, R, B, E> Future for ResponseFuture<F, R, B>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                // It was polled again after it was ready, which is a bug of the caller and no reason to panic.
                None => Poll::Pending,
            },
            KindProjection::Unsigned { inner } => inner.poll(cx),
            KindProjection::Authenticated { inner, guard, caller } => {
                let mut response = ready!(inner.poll(cx))?;
                guard.countersign(&mut response, caller);
                Poll::Ready(Ok(response))
            }
        }
    }
}
