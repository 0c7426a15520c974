//! Routes every request, after the steps that gRPC and REST share. From the outside in, each with its reason:
//!
//! 1. the span of the request, outside everything, because every log line below carries its id;
//! 2. CORS, before the paths, because a browser checks it for every path alike, and before authentication, because a
//!    preflight request carries no token;
//! 3. the size of the head, and admission to the calls in progress, before anything of the body is read;
//! 4. gRPC or REST, by content type: a gRPC call goes to the stack itself, and everything else to the JSON APIs on top
//!    of it.

use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Once};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body as RestBody;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, TryFutureExt as _};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use http::{Method, Request, Response, Version};
use http_body::Body;
use http_body_util::{BodyExt as _, Collected, Either};
use ipnet::IpNet;
use tokio::time::sleep;
use tonic::Status;
use tonic::body::Body as GrpcBody;
use tonic::codegen::StdError;
use tonic_web::{GrpcWebLayer, GrpcWebService};
use tower::{Layer as _, Service};
use tracing::Instrument as _;
use uuid::Uuid;

use super::bounds::{Bounds, PauseReading, leave_unread};
use super::cors::{Cors, RoutedAnswer};
use super::forwarded;
use super::grpc_protocol::GrpcProtocol;
use super::large_heads;
use crate::grpc::{self, ClientAddress, Overload, RequestId, Stack};
use crate::meter::{Meter, Outcome, Running};
use crate::rest::{self, Rest, RestTarget};

/// The message for a client that sent a head that is too large.
const LARGE_HEAD: &str = "the head of a request, with all of its headers, may have at most 16 KiB";

/// The distance at which calls beyond the limit of calls in progress may come again.
const REFUSED_CALLS: Duration = Duration::from_millis(1);

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// Answers all requests with the one stack. Cheap to clone.
#[derive(Clone)]
pub struct RequestRouter(Arc<Inner>);

struct Inner {
    stack: Stack,
    web: GrpcWebService<Stack>,
    rest: Rest,
    cors: Cors,
    trusted_proxies: Vec<IpNet>,
    /// Done when the log has a warning of a proxy that is not trusted.
    proxy_warning: Once,
    bounds: Arc<Bounds>,
    meter: Option<Arc<Meter>>,
}

impl RequestRouter {
    /// A router without state of its own. `meter` counts the answers of the JSON APIs: [`meter`].
    pub(crate) fn new(
        stack: Stack,
        rest: Rest,
        cors: Cors,
        trusted_proxies: Vec<IpNet>,
        bounds: Arc<Bounds>,
        meter: Option<Arc<Meter>>,
    ) -> Self {
        let web = GrpcWebLayer::new().layer(stack.clone());
        Self(Arc::new(Inner { stack, web, rest, cors, trusted_proxies, proxy_warning: Once::new(), bounds, meter }))
    }

    /// The answer to an HTTP/1 request that begins with `start`, and with a head that is too large to be read.
    pub(crate) fn refuse_large_head(&self, start: &[u8]) -> Response<Bytes> {
        let Inner { cors, bounds, .. } = &*self.0;
        bounds.large_heads.fetch_add(1, Ordering::Relaxed);
        let text = String::from_utf8_lossy(start);
        let path = text.split([' ', '?', '\r']).nth(1).unwrap_or_default();
        // An RPC over HTTP/1 is a call of gRPC-Web.
        let web = (path.matches('/').count() == 2 && path.contains('.')).then_some(GrpcProtocol::WEB);
        let mut request = Request::new(RestBody::empty());
        if let Some(origin) = text.lines().find_map(origin) {
            request.headers_mut().insert(ORIGIN, origin);
        }
        let refuse = |_| ready(self.0.refuse_large(path, web));
        // Neither the answer nor its body waits for anything.
        let Some(answer) = cors.around(Box::new(request), refuse).now_or_never() else { return Response::default() };
        let (mut head, body) = answer.into_parts();
        head.headers.remove(CONTENT_LENGTH);
        add_id(&mut head.headers, Uuid::now_v7());
        let body = body.collect().now_or_never().and_then(Result::ok).map(Collected::to_bytes);
        Response::from_parts(head, body.unwrap_or_default())
    }
}

impl<B> Service<Request<B>> for RequestRouter
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError> + Send,
{
    type Response = RoutedAnswer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<RoutedAnswer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Boxed, because every future on the way would reserve the space of the request twice.
        Arc::clone(&self.0).trace(Box::new(request)).map(Ok).boxed()
    }
}

impl Inner {
    /// 1. Gives the request an id, for its log lines and its answer, and replaces the address of a trusted proxy by the
    ///    address of the client.
    async fn trace<B>(self: Arc<Self>, mut request: Box<Request<B>>) -> RoutedAnswer
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError> + Send,
    {
        let id = Uuid::now_v7();
        request.extensions_mut().insert(RequestId(id));
        let peer = request.extensions().get().map(|&ClientAddress(address)| address);
        // The question of a proxy comes for all of its clients, and Envoy names its own address in it.
        let is_check = request.uri().path() == grpc::CHECK;
        let client = peer.map(|peer| match is_check {
            true => peer.to_canonical(),
            false => forwarded::client(peer, request.headers(), &self.trusted_proxies),
        });
        if let Some(client) = client.filter(|_| client != peer) {
            request.extensions_mut().insert(ClientAddress(client));
        }
        if rest::is_forward_auth(request.uri().path()) && !peer.is_some_and(|peer| self.trusts(peer)) {
            rest::distrust(request.headers_mut());
        }
        if let Some(peer) = peer.filter(|_| !self.proxy_warning.is_completed()) {
            self.warn_of_proxy(peer, request.headers());
        }
        let shown = client.map(tracing::field::display);
        let span = tracing::info_span!("request", request_id = %id, peer = shown);
        let mut answer = if lacks_host(&request) {
            self.rest.no_host(request.uri().path(), request.headers()).map(Either::Right)
        } else {
            self.apply_cors(request).instrument(span).await
        };
        add_id(answer.headers_mut(), id);
        self.pace(&mut answer, peer, client).await;
        answer
    }

    /// Slows down a client that goes on although it is refused.
    async fn pace(&self, answer: &mut RoutedAnswer, peer: Option<IpAddr>, client: Option<IpAddr>) {
        let Some((&Overload(distance), client)) = answer.extensions().get().zip(client) else { return };
        let wait = self.bounds.pacing.refused(client, distance);
        if wait.is_zero() {
            return;
        }
        if peer == Some(client) && !self.trusts(client) {
            answer.extensions_mut().insert(PauseReading(wait));
        } else {
            sleep(wait).await;
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }

    /// Warns of the first request that a proxy seems to have forwarded, if the proxy is not trusted. Only of the first,
    /// because every client can send such headers.
    fn warn_of_proxy(&self, peer: IpAddr, headers: &HeaderMap) {
        if forwarded::is_ignored(peer, headers, &self.trusted_proxies) {
            self.proxy_warning.call_once(|| {
                tracing::warn!(
                    event = "proxy",
                    %peer,
                    "a request has the header of a proxy, and its sender is not in TRUSTED_PROXIES, so the header is not \
                     read, and all clients behind that address share its rate limits: if it is your proxy, add it to \
                     TRUSTED_PROXIES and let it send X-Forwarded-For (this is logged once)"
                );
            });
        }
    }

    /// 2. Answers CORS preflights, and adds the headers of CORS to other answers.
    async fn apply_cors<B>(self: &Arc<Self>, request: Box<Request<B>>) -> RoutedAnswer
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError> + Send,
    {
        // A preflight that a proxy asks about is answered by the policy of its route.
        if request.method() == Method::OPTIONS && rest::is_forward_auth(request.uri().path()) {
            return Arc::clone(self).dispatch(request).await;
        }
        self.cors.around(request, |request| Arc::clone(self).dispatch(request)).await
    }

    /// 3. Admits the request to the calls in progress, in which it counts until its answer is sent.
    async fn dispatch<B>(self: Arc<Self>, request: Box<Request<B>>) -> RoutedAnswer
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError> + Send,
    {
        let path = request.uri().path();
        // No gRPC service has such a path: a gRPC content type there is a wrong content type of REST.
        let protocol = GrpcProtocol::of(&request).filter(|_| !self.rest.has_rules_near(path));
        let destination =
            protocol.map_or_else(|| Destination::Rest(self.rest.find(request.method(), path)), Destination::Grpc);
        let (is_stream, hashes) = match destination {
            Destination::Grpc(_) => (self.stack.is_stream(path), grpc::hashes(path)),
            Destination::Rest(target) => (self.rest.is_stream(target), self.rest.hashes(request.method(), path)),
        };
        let refused = if large_heads::is_large(&request) {
            self.bounds.large_heads.fetch_add(1, Ordering::Relaxed);
            Err(self.refuse_large(path, protocol))
        } else {
            self.bounds.admit(&request, is_stream, hashes).ok_or_else(|| self.refuse(&request, protocol))
        };
        let admitted = match refused {
            Ok(admitted) => admitted,
            Err(mut answer) => {
                leave_unread(&request, &mut answer);
                return answer;
            }
        };
        let mut answer = self.serve(admitted.count(*request), destination).await;
        admitted.answered(&mut answer);
        answer
    }

    fn refuse<B>(&self, request: &Request<B>, protocol: Option<GrpcProtocol>) -> RoutedAnswer {
        if let Some(GrpcProtocol::Grpc) = protocol
            && self.stack.is_check(request.uri().path())
        {
            // The refused request is one of many clients, so the connection of their proxy goes on.
            return grpc::undecided(&grpc::overloaded()).map(Either::Left);
        }
        let mut answer = match protocol {
            Some(protocol) => refuse_grpc(&grpc::overloaded(), protocol),
            None => {
                let refused = self.rest.refuse(request.uri().path(), grpc::overloaded(), request.headers());
                refused.map(Either::Right)
            }
        };
        answer.extensions_mut().insert(Overload(REFUSED_CALLS));
        answer
    }

    fn refuse_large(&self, path: &str, protocol: Option<GrpcProtocol>) -> RoutedAnswer {
        match protocol {
            Some(protocol) => refuse_grpc(&grpc::head_too_large(LARGE_HEAD), protocol),
            None => self.rest.refuse_large_head(path, grpc::head_too_large(LARGE_HEAD)).map(Either::Right),
        }
    }

    /// 4. Serves the request as gRPC or as REST.
    fn serve<B>(&self, mut request: Request<B>, destination: Destination) -> impl Future<Output = RoutedAnswer> + Send
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError> + Send,
    {
        let answer = match destination {
            Destination::Rest(target) => {
                return self
                    .rest(target, request.map(rest_body))
                    .map(|answer| answer.map(Either::Right))
                    .boxed()
                    .right_future();
            }
            Destination::Grpc(GrpcProtocol::Grpc) => self.stack.clone().call(request),
            Destination::Grpc(GrpcProtocol::Web(content_type)) => {
                // tonic-web compares the whole value, and clients may add a charset.
                request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
                let answer = self.web.clone().call(request.map(GrpcBody::new));
                answer.map_ok(|answer| answer.map(GrpcBody::new)).boxed()
            }
        };
        let as_routed = |answer: Result<Response<GrpcBody>, Infallible>| {
            let Ok(mut answer) = answer;
            // The answers to Register and Login carry a token in their body.
            answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            answer.map(Either::Left)
        };
        answer.map(as_routed).left_future()
    }
}

impl Inner {
    async fn rest(&self, target: RestTarget, request: Request<RestBody>) -> Response<RestBody> {
        let Some(meter) = &self.meter else { return self.rest.answer(target, request).await };
        let running = Running::begin(meter, self.rest.name(target), CLIENT_CLOSED);
        let answer = self.rest.answer(target, request).await;
        running.answered(answer.status().as_u16());
        answer
    }
}

/// The body as the type of REST. Most requests have none, and then nothing is allocated.
fn rest_body<B>(body: B) -> RestBody
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError>,
{
    if body.is_end_stream() { RestBody::empty() } else { RestBody::new(body) }
}

fn add_id(headers: &mut HeaderMap, id: Uuid) {
    if let Ok(mut id) = HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer())) {
        // Not a secret, but never repeated: "sensitive" keeps it out of the header table of HTTP/2.
        id.set_sensitive(true);
        headers.insert(REQUEST_ID, id);
    }
}

/// The value of a header line, if the header is `Origin`.
fn origin(line: &str) -> Option<HeaderValue> {
    let (name, value) = line.split_once(':')?;
    name.eq_ignore_ascii_case("origin").then(|| HeaderValue::from_str(value.trim()).ok())?
}

fn refuse_grpc(status: &Status, protocol: GrpcProtocol) -> RoutedAnswer {
    let mut answer = status.clone().into_http::<GrpcBody>();
    if let GrpcProtocol::Web(content_type) = protocol {
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    answer.map(Either::Left)
}

/// The status that counts a call with a client that disconnected before the answer, as other servers have it.
const CLIENT_CLOSED: u16 = 499;

/// A meter of answers by route and status.
pub(crate) fn meter(rest: &Rest) -> Meter {
    const STATUSES: [Outcome; 20] = [
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
        (CLIENT_CLOSED, "499"),
        (500, "500"),
        (501, "501"),
        (503, "503"),
        (504, "504"),
    ];
    Meter::new(rest.names().iter().cloned(), &STATUSES)
}

/// What a request is for. It is found once, before the request is admitted.
#[derive(Clone, Copy)]
enum Destination {
    Grpc(GrpcProtocol),
    Rest(RestTarget),
}

/// Whether a request came over HTTP/1.1 without exactly one `Host`. A request from within the process needs none.
fn lacks_host<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_11
        && request.extensions().get::<ClientAddress>().is_some()
        && request.headers().get_all(HOST).iter().count() != 1
}

impl fmt::Debug for RequestRouter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestRouter").finish_non_exhaustive()
    }
}
