//! The one stack of middleware between a request and the service that answers it. Separate from `mod`, which puts the
//! services together. The stack is two services written out, and not a chain of tower layers, because a boxed future
//! for each layer would cost every call as much as the check of its token.

use std::any::Any;
use std::collections::HashSet;
use std::convert::Infallible;
use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use countersign_guard::layer::{self, AuthLayer, Credential, Refusal, Refused, ResponseFuture};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either};
use http::{Extensions, HeaderMap, Request, Response, Uri};
use http_body::Body as HttpBody;
use tokio::time::timeout_at;
use tonic::body::Body;
use tonic::codegen::StdError;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::{Layer as _, Service};

use super::admin_service::AdminRpcs;
use super::auth_service::AuthRpcs;
use super::authz::{self, CHECK, CheckServer};
use super::body_timeout::TimedBody;
use super::closing::Closing;
use super::early_refusal::EarlyRefusal;
use super::session_service::SessionRpcs;
use super::{deadline, metering, status};
use crate::keys::TokenKeys;
use crate::meter::Meter;
use crate::pb::admin_service_server::AdminServiceServer;
use crate::pb::auth_service_server::AuthServiceServer;
use crate::pb::session_service_server::SessionServiceServer;

/// Every service behind the one stack: a gRPC server without a network. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Stack {
    guarded: layer::Auth<Handlers, Refuse>,
    services: Arc<Services>,
    keys: Arc<TokenKeys>,
    early: Arc<EarlyRefusal>,
    /// Whether [`CHECK`] is served.
    serves_checks: bool,
    /// Counts calls, if metrics are served.
    meter: Option<Arc<Meter>>,
}

/// The function that answers a call which the layer refuses.
pub(super) type Refuse = fn(Refusal) -> Response<Body>;

/// The answer to a call that the layer has admitted.
type Answering = ResponseFuture<BoxFuture<'static, CallResult>, Refuse, Body>;

type CallResult = Result<Response<Body>, Infallible>;

/// What is behind authentication. Every call clones it, so the services are shared.
#[derive(Clone)]
struct Handlers(Arc<Services>);

/// All services: our own, which are called by name, and those of other crates.
pub(super) struct Services {
    pub auth: AuthServiceServer<AuthRpcs>,
    pub sessions: SessionServiceServer<SessionRpcs>,
    pub admin: AdminServiceServer<AdminRpcs>,
    /// Answers the questions of proxies.
    pub checks: CheckServer,
    pub others: Routes,
    /// The paths of streams, which end with their connection.
    pub streams: HashSet<String>,
}

impl Stack {
    pub(super) fn new(
        services: Services,
        auth: &AuthLayer<Refuse>,
        keys: Arc<TokenKeys>,
        early: EarlyRefusal,
        serves_checks: bool,
        meter: Option<Arc<Meter>>,
    ) -> Self {
        let services = Arc::new(services);
        let guarded = auth.layer(Handlers(Arc::clone(&services)));
        Self { guarded, services, keys, early: Arc::new(early), serves_checks, meter }
    }

    /// The stack for REST, which asks [`CHECK`] for proxies that ask over HTTP, also where gRPC does not serve it.
    pub(crate) fn for_rest(&self) -> Self {
        Self { serves_checks: true, ..self.clone() }
    }

    /// Whether a call of this path is a proxy's question, and is answered.
    pub(crate) fn is_check(&self, path: &str) -> bool {
        self.serves_checks && path == CHECK
    }

    /// The answer to a call with this head, if it is refused before its message is read. REST asks this before it reads
    /// a body.
    pub(crate) fn refusal(&self, path: &str, headers: &HeaderMap, extensions: &Extensions) -> Option<Response<Body>> {
        let answer = self.early.of(path, headers, extensions)?;
        if let Some(meter) = &self.meter {
            metering::begin(meter, path).answered(metering::code(&answer));
        }
        Some(answer)
    }

    /// Step 2. A token whose key is not known is verified again once the keys were read.
    fn authenticate<B>(&mut self, request: Request<B>) -> Either<Answering, BoxFuture<'static, CallResult>>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError> + Send,
    {
        let Refused { request, refusal } = match self.guarded.try_call(request) {
            Ok(answering) => return Either::Left(answering),
            Err(refused) => *refused,
        };
        let may_be_good = match (refusal, layer::read_credential(request.headers())) {
            (Refusal::TokenInvalid, Credential::Presented(token)) => self.keys.may_have_missed(token),
            _ => false,
        };
        if !may_be_good {
            return Either::Left(self.guarded.refuse(refusal));
        }
        let (mut guarded, keys) = (self.guarded.clone(), Arc::clone(&self.keys));
        Either::Right(Box::pin(async move {
            let answering = match keys.look().await {
                Ok(()) => guarded.call(request),
                Err(_) => guarded.refuse(Refusal::Unavailable),
            };
            answering.await
        }))
    }

    /// Whether the method at this path is a stream, which may last for ever.
    pub(crate) fn is_stream(&self, path: &str) -> bool {
        self.services.streams.contains(path)
    }
}

/// Step 0 is the refusal of calls that the password lane has no room for. Step 1 catches panics, outside everything
/// else. Step 2 is authentication.
impl<B> Service<Request<B>> for Stack
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError> + Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, CallResult>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let is_check = self.is_check(request.uri().path());
        if !is_check && request.uri().path() == CHECK {
            // A path that nothing is behind.
            *request.uri_mut() = Uri::from_static("/");
        }
        if let Some(answer) = self.refusal(request.uri().path(), request.headers(), request.extensions()) {
            return Box::pin(ready(Ok(answer)));
        }
        let running = self.meter.as_ref().map(|meter| metering::begin(meter, request.uri().path()));
        // Safe to unwind: after a panic only the answer is used, and no state that may be half-changed.
        let called = catch_unwind(AssertUnwindSafe(|| self.authenticate(request)));
        Box::pin(async move {
            let answer = match called {
                Ok(answer) => AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(panicked),
                Err(panic) => panicked(panic),
            };
            if let (Some(running), Ok(answer)) = (running, &answer) {
                running.answered(metering::code(answer));
            }
            if is_check { answer.map(authz::without_failure) } else { answer }
        })
    }
}

/// Step 3 catches panics of the handler. Step 4 is the deadline. Step 5 reclassifies unreadable requests.
impl<B> Service<Request<B>> for Handlers
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError> + Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, CallResult>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let deadline = match deadline::set(&mut request) {
            // A handler that need not wait would be done before its timer is asked.
            Ok(deadline) if deadline > Instant::now() => deadline,
            Ok(_) => return Box::pin(ready(Ok(status::deadline_exceeded().into_http()))),
            Err(status) => return Box::pin(ready(Ok(status.into_http()))),
        };
        let closing = request.extensions().get::<Closing>().filter(|_| self.0.streams.contains(request.uri().path()));
        let closing = closing.cloned();
        let handler = self.0.dispatch(request.map(TimedBody::new));
        let answer = async move {
            match timeout_at(deadline.into(), handler).await {
                Ok(answer) => {
                    let answer = answer.map(status::reclassify_unreadable);
                    let Some(closing) = closing else { return answer };
                    answer.map(|answer| answer.map(|body| closing.end(body)))
                }
                Err(_) => Ok(status::deadline_exceeded().into_http()),
            }
        };
        Box::pin(AssertUnwindSafe(answer).catch_unwind().map(|end| end.unwrap_or_else(panicked)))
    }
}

impl Services {
    fn dispatch<B>(&self, request: Request<B>) -> BoxFuture<'static, CallResult>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError> + Send,
    {
        match request.uri().path().split('/').nth(1) {
            Some(<AuthServiceServer<AuthRpcs> as NamedService>::NAME) => self.auth.clone().call(request),
            Some(<SessionServiceServer<SessionRpcs> as NamedService>::NAME) => self.sessions.clone().call(request),
            Some(<AdminServiceServer<AdminRpcs> as NamedService>::NAME) => self.admin.clone().call(request),
            Some(authz::SERVICE) if request.uri().path() == CHECK => self.checks.clone().call(request),
            _ => Box::pin(self.others.clone().call(request)),
        }
    }
}

fn panicked(panic: Box<dyn Any + Send + 'static>) -> CallResult {
    let cause = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Ok(status::internal(cause.into()).into_http())
}
