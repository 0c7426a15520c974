//! The one stack: what stands between a request and the service that answers it. Separate from `mod`, which says what is
//! behind it. Written out as two steps instead of one layer upon another: each layer in a box of its own would cost every
//! call as much as the check of its token.

use std::any::Any;
use std::collections::HashSet;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use countersign_guard::layer::{self, AuthLayer, Refusal};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tokio::time::timeout_at;
use tonic::body::Body;
use tonic::codegen::StdError;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::{Layer as _, Service};

use super::admin_service::Admin;
use super::auth_service::Auth;
use super::closing::Closing;
use super::session_service::Sessions;
use super::{calls, deadline, status};
use crate::meter::Meter;
use crate::pb::admin_service_server::AdminServiceServer;
use crate::pb::auth_service_server::AuthServiceServer;
use crate::pb::session_service_server::SessionServiceServer;

/// Every service behind the one stack: a gRPC server without a network. Cheap to clone.
#[derive(Clone)]
pub struct Stack {
    guarded: layer::Auth<Handlers, Refuse>,
    streams: Arc<HashSet<String>>,
    /// Nobody's, where nothing is measured: then nothing is.
    meter: Option<Arc<Meter>>,
}

/// How a refusal of the layer becomes an answer.
pub(super) type Refuse = fn(Refusal) -> Response<Body>;

type Answer = Result<Response<Body>, Infallible>;

/// The services: our own by name, and whatever else there is.
#[derive(Clone)]
pub(super) struct Handlers {
    pub auth: AuthServiceServer<Auth>,
    pub sessions: SessionServiceServer<Sessions>,
    pub admin: AdminServiceServer<Admin>,
    pub others: Routes,
    /// The paths of what ends when somebody likes, and with its connection.
    pub streams: Arc<HashSet<String>>,
}

impl Stack {
    pub(super) fn new(handlers: Handlers, auth: &AuthLayer<Refuse>, meter: Option<Arc<Meter>>) -> Self {
        let streams = Arc::clone(&handlers.streams);
        Self { guarded: auth.layer(handlers), streams, meter }
    }

    /// Whether a path is of a stream, which may last for ever.
    pub fn is_stream(&self, path: &str) -> bool {
        self.streams.contains(path)
    }
}

/// 1. Panics, outside everything. 2. Authentication.
impl<B> Service<Request<B>> for Stack
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError> + Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let running = self.meter.as_ref().map(|meter| calls::begin(meter, request.uri().path()));
        // Whoever sees a panic sees an answer: nothing half-done is looked at again.
        let called = catch_unwind(AssertUnwindSafe(|| self.guarded.call(request)));
        Box::pin(async move {
            let answer = match called {
                Ok(answer) => AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(panicked),
                Err(panic) => panicked(panic),
            };
            if let (Some(running), Ok(answer)) = (running, &answer) {
                running.answered(calls::code(answer));
            }
            answer
        })
    }
}

/// 3. Panics of the handler. 4. The deadline. 5. Blame.
impl<B> Service<Request<B>> for Handlers
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError> + Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let deadline = match deadline::set(&mut request) {
            Ok(deadline) => deadline,
            Err(status) => return Box::pin(std::future::ready(Ok(status.into_http()))),
        };
        let closing = request.extensions().get::<Closing>().filter(|_| self.streams.contains(request.uri().path()));
        let closing = closing.cloned();
        let handler = self.dispatch(request);
        let answer = async move {
            match timeout_at(deadline.into(), handler).await {
                Ok(answer) => {
                    let answer = answer.map(status::blame_whom_it_concerns);
                    let Some(closing) = closing else { return answer };
                    answer.map(|answer| answer.map(|body| closing.end(body)))
                }
                Err(_) => Ok(status::deadline_exceeded().into_http()),
            }
        };
        Box::pin(AssertUnwindSafe(answer).catch_unwind().map(|end| end.unwrap_or_else(panicked)))
    }
}

impl Handlers {
    fn dispatch<B>(&mut self, request: Request<B>) -> BoxFuture<'static, Answer>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError> + Send,
    {
        match request.uri().path().split('/').nth(1) {
            Some(<AuthServiceServer<Auth> as NamedService>::NAME) => self.auth.call(request),
            Some(<SessionServiceServer<Sessions> as NamedService>::NAME) => self.sessions.call(request),
            Some(<AdminServiceServer<Admin> as NamedService>::NAME) => self.admin.call(request),
            _ => Box::pin(self.others.call(request)),
        }
    }
}

fn panicked(panic: Box<dyn Any + Send + 'static>) -> Answer {
    let cause = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Ok(status::internal(cause.into()).into_http())
}
