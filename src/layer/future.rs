//! The answer on its way out: where a fresh token is attached, or is not.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Response, StatusCode};
use pin_project_lite::pin_project;

use super::caller::Caller;
use super::credential::TOKEN;
use super::layer::Guard;
use crate::token::Profile;

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
        Public { #[pin] inner: F },
        Authenticated { #[pin] inner: F, guard: Arc<Guard<R>>, caller: Caller },
    }
}

impl<F, R, B> ResponseFuture<F, R, B> {
    pub(super) fn refused(response: Response<B>) -> Self {
        Self { kind: Kind::Refused { response: Some(response) } }
    }

    pub(super) fn public(inner: F) -> Self {
        Self { kind: Kind::Public { inner } }
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
                None => Poll::Pending, // polled again after it was ready: a caller's bug, not worth a panic
            },
            KindProjection::Public { inner } => inner.poll(cx),
            KindProjection::Authenticated { inner, guard, caller } => {
                let mut response = ready!(inner.poll(cx))?;
                countersign(&mut response, guard, caller);
                Poll::Ready(Ok(response))
            }
        }
    }
}

/// Attaches a fresh token, unless the answer says that the caller is not authenticated after all, or the session has
/// ended meanwhile: by this very call, or by another that raced it.
fn countersign<R, B>(response: &mut Response<B>, guard: &Guard<R>, caller: &Caller) {
    // A handler's own `token` header could only be a token that was not minted here.
    response.headers_mut().remove(TOKEN);
    if is_unauthenticated(response) || guard.is_revoked(caller) {
        return;
    }
    let profile = response.extensions_mut().remove::<Profile>();
    match guard.tokens.refresh(caller.claims(), profile) {
        Ok(fresh) => {
            // A token is base64url and dots, so it is always a header value.
            if let Ok(mut value) = HeaderValue::from_str(fresh.token.as_str()) {
                value.set_sensitive(true);
                response.headers_mut().insert(TOKEN, value);
                response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
        }
        Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "no fresh token"),
    }
}

/// HTTP 401, or gRPC status 16, which an error answer carries in its headers.
fn is_unauthenticated<B>(response: &Response<B>) -> bool {
    response.status() == StatusCode::UNAUTHORIZED
        || response.headers().get("grpc-status").is_some_and(|status| status == "16")
}
