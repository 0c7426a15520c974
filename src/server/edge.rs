//! What happens to every request before it is either gRPC or REST: it gets an id, browsers' origins are judged, and it
//! is sent to the one or the other. From the outside in, each with its because:
//!
//! 1. the request's span, outside everything, because every log line below carries its id;
//! 2. CORS, before the paths, because a browser asks it of every path alike, and before authentication, because a
//!    preflight carries no token;
//! 3. its place among the calls under way, before anything of its body is read;
//! 4. dispatch by content type: a gRPC call goes to the stack itself, everything else to the projections of it.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body as RestBody;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{Method, Request, Response, Version};
use http_body::Body;
use http_body_util::Either;
use ipnet::IpNet;
use tonic::body::Body as GrpcBody;
use tonic::codegen::StdError;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer as _, Service, ServiceExt as _};
use tracing::Instrument as _;
use uuid::Uuid;

use super::bounds::{Bounds, leave_unread};
use super::cors::Cors;
use super::forwarded;
use super::patience::Patient;
use crate::grpc::{self, ClientAddress, RequestId, Stack};
use crate::meter::{End, Meter, Running};
use crate::rest::Rest;

/// How long the sender of a gRPC message, or of a stream of them, may pause. A unary call has its deadline besides.
const SILENCE: Duration = Duration::from_secs(30);

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Everything that answers requests, on the one stack. Cheap to clone.
#[derive(Clone)]
pub struct Edge(Arc<Inner>);

struct Inner {
    stack: Stack,
    web: GrpcWebService<Stack>,
    rest: Rest,
    cors: Cors,
    trusted_proxies: Vec<IpNet>,
    bounds: Arc<Bounds>,
    meter: Option<Arc<Meter>>,
}

pub(super) type Answer = Response<Either<GrpcBody, RestBody>>;

impl Edge {
    /// `meter` counts the answers of the JSON APIs: [`meter`].
    pub(super) fn new(
        stack: Stack,
        rest: Rest,
        cors: Cors,
        trusted_proxies: Vec<IpNet>,
        bounds: Arc<Bounds>,
        meter: Option<Arc<Meter>>,
    ) -> Self {
        let web = GrpcWebLayer::new().layer(stack.clone());
        Self(Arc::new(Inner { stack, web, rest, cors, trusted_proxies, bounds, meter }))
    }
}

impl<B> Service<Request<B>> for Edge
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError> + Send,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        async move { Ok(inner.trace(request).await) }.boxed()
    }
}

impl Inner {
    /// 1. The request's id, in its log lines and its answer; and its address, which is the client's from here on, whoever
    ///    brought the request.
    async fn trace<B>(self: Arc<Self>, mut request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError> + Send,
    {
        let id = Uuid::now_v7();
        request.extensions_mut().insert(RequestId(id));
        let peer = request.extensions().get().map(|&ClientAddress(address)| address);
        let client = peer.map(|peer| forwarded::client(peer, request.headers(), &self.trusted_proxies));
        if let Some(client) = client.filter(|_| client != peer) {
            request.extensions_mut().insert(ClientAddress(client));
        }
        let client = client.map(tracing::field::display);
        let span = tracing::info_span!("request", request_id = %id, peer = client);
        let mut answer = if lacks_host(&request) {
            self.rest.no_host(request.uri().path(), request.headers()).map(Either::Right)
        } else {
            self.judge_origin(request).instrument(span).await
        };
        if let Ok(mut id) = HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer())) {
            // No secret, but never the same again: HTTP/2 need not remember it for each connection.
            id.set_sensitive(true);
            answer.headers_mut().insert(REQUEST_ID, id);
        }
        answer
    }

    /// 2. CORS.
    async fn judge_origin<B>(self: Arc<Self>, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError> + Send,
    {
        self.cors.around(request, |request| Arc::clone(&self).dispatch(request)).await
    }

    /// 3. A place among the calls under way, which the answer takes along.
    async fn dispatch<B>(self: Arc<Self>, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError> + Send,
    {
        let path = request.uri().path();
        // No service has such a path, and what says that it is gRPC there is a body of the wrong type.
        let kind = Kind::of(&request).filter(|_| !self.rest.has_rules_near(path));
        let is_stream = if kind.is_some() { self.stack.is_stream(path) } else { self.rest.is_stream(path) };
        let Some(admitted) = self.bounds.admit(&request, is_stream) else {
            let mut answer = self.refuse(&request, kind);
            leave_unread(&request, &mut answer);
            return answer;
        };
        let mut answer = self.serve(admitted.count(request), kind).await;
        admitted.answered(&mut answer);
        answer
    }

    fn refuse<B>(&self, request: &Request<B>, kind: Option<Kind>) -> Answer {
        let Some(kind) = kind else {
            let refused = self.rest.refuse(request.uri().path(), grpc::overloaded(), request.headers());
            return refused.map(Either::Right);
        };
        let mut answer = grpc::overloaded().into_http::<GrpcBody>();
        if let Kind::Web(content_type) = kind {
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        answer.map(Either::Left)
    }

    /// 4. gRPC or REST.
    async fn serve<B>(&self, request: Request<B>, kind: Option<Kind>) -> Answer
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError> + Send,
    {
        let Some(kind) = kind else {
            return self.rest(request.map(RestBody::new)).await.map(Either::Right);
        };
        let mut request = request.map(|body| Patient::new(body, SILENCE));
        let Ok(mut answer) = match kind {
            Kind::Grpc => self.stack.clone().oneshot(request).await,
            Kind::Web(content_type) => {
                // tonic-web compares every letter of it, and clients may send a charset.
                request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
                self.web.clone().oneshot(request.map(GrpcBody::new)).await.map(|answer| answer.map(GrpcBody::new))
            }
        };
        // The answers to Register and Login carry a token in their body.
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer.map(Either::Left)
    }
}

impl Inner {
    async fn rest(&self, request: Request<RestBody>) -> Response<RestBody> {
        let Some(meter) = &self.meter else { return self.rest.answer(request).await };
        let running = Running::begin(meter, &self.rest.name(request.method(), request.uri().path()), HUNG_UP);
        let answer = self.rest.answer(request).await;
        running.answered(answer.status().as_u16());
        answer
    }
}

/// In place of a status where nobody was there any more to be answered, as others have it.
const HUNG_UP: u16 = 499;

/// Counts answers by path and status.
pub(super) fn meter(rest: &Rest) -> Meter {
    const STATUSES: [End; 20] = [
        (200, "200"),
        (201, "201"),
        (204, "204"),
        (400, "400"),
        (401, "401"),
        (403, "403"),
        (404, "404"),
        (405, "405"),
        (408, "408"),
        (409, "409"),
        (413, "413"),
        (415, "415"),
        (422, "422"),
        (426, "426"),
        (429, "429"),
        (HUNG_UP, "499"),
        (500, "500"),
        (501, "501"),
        (503, "503"),
        (504, "504"),
    ];
    Meter::new(rest.names(), &STATUSES)
}

/// What speaks gRPC, whatever its path: POST, one of gRPC's content types, and HTTP/2 where the type needs it. Anything
/// else about a gRPC path is answered as the mistake it is, by `rest`.
#[derive(Clone, Copy)]
enum Kind {
    Grpc,
    /// Of this content type.
    Web(&'static str),
}

impl Kind {
    fn of<B>(request: &Request<B>) -> Option<Self> {
        if request.method() != Method::POST {
            return None;
        }
        let value = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
        // Without parameters; in any case.
        let essence = value.split(';').next()?.trim();
        let one_of = |names: &[&'static str]| names.iter().copied().find(|name| essence.eq_ignore_ascii_case(name));
        if one_of(&["application/grpc", "application/grpc+proto"]).is_some() {
            return (request.version() == Version::HTTP_2).then_some(Self::Grpc);
        }
        one_of(&[
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grpc-web-text",
            "application/grpc-web-text+proto",
        ])
        .map(Self::Web)
    }
}

/// Whether it came over HTTP/1.1 without exactly one `Host`. A request made in process needs none.
fn lacks_host<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11
        && request.extensions().get::<ClientAddress>().is_some()
        && request.headers().get_all(HOST).iter().count() != 1
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge").finish_non_exhaustive()
    }
}
