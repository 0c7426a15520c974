//! The services behind the proxies, which know nothing of tokens: one over HTTP that tells what it was sent, and one
//! over gRPC that tells the caller's identity and remembers the rest.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::response::IntoResponse as _;
use http::StatusCode;
use http::uri::PathAndQuery;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, NamedService};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Extensions, Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;

/// The names of the headers that tell who the caller is.
pub const IDENTITY: [&str; 6] =
    ["x-auth-account", "x-auth-session", "x-auth-username", "x-auth-email", "x-auth-firm", "x-auth-role"];

/// Answers with the method, the path, the headers and the body of each request, and with headers of its own that a
/// proxy must join with those of Countersign. Every path that ends in `missing` is 404.
pub async fn over_http() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(async |request: axum::extract::Request| {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1_024).await.unwrap();
        let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let told = json!({
            "method": parts.method.as_str(),
            "path": parts.uri.path(),
            "headers": headers.collect::<Vec<_>>(),
            "body": String::from_utf8_lossy(&body),
        });
        let status = if parts.uri.path().ends_with("missing") { StatusCode::NOT_FOUND } else { StatusCode::OK };
        let headers = [("access-control-expose-headers", "X-Total"), ("cache-control", "max-age=60")];
        (status, headers, axum::Json(told)).into_response()
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// The headers that a request had when it reached the service, from its answer.
pub fn received(told: &Value) -> Vec<(String, String)> {
    serde_json::from_value(told["headers"].clone()).unwrap()
}

/// The identity in headers. One that is missing is empty. Panics if a header in any spelling says something else.
#[track_caller]
pub fn identity(headers: &[(String, String)]) -> [String; 6] {
    let of = |name: &str| {
        let mut values = headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone());
        let value = values.next().unwrap_or_default();
        assert_eq!(values.next(), None, "{name} is there twice");
        value
    };
    for (key, _) in headers {
        let spelt = key.to_lowercase().replace('_', "-");
        assert!(!IDENTITY.contains(&&*spelt) || IDENTITY.contains(&&**key), "{key} reached the service");
    }
    IDENTITY.map(of)
}

/// A tonic server with the service of `who_am_i.proto`, and the metadata of the calls that reached it.
pub struct GrpcService {
    pub address: SocketAddr,
    pub calls: Arc<Mutex<Vec<MetadataMap>>>,
    _stop: tokio_util::sync::DropGuard,
}

pub async fn over_grpc() -> GrpcService {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    let service = WhoAmI::default();
    let calls = Arc::clone(&service.calls);
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    let server = Server::builder().add_service(service);
    tokio::spawn(async move { server.serve_with_incoming_shutdown(incoming, stopped).await });
    GrpcService { address, calls, _stop: stop.drop_guard() }
}

/// Calls the service with this metadata. It fails with NOT_FOUND if that is asked.
pub async fn who_am_i(channel: &Channel, fail: bool, metadata: MetadataMap) -> Result<Response<Identity>, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let request = Request::from_parts(metadata, Extensions::default(), Question { fail });
    client.unary(request, PathAndQuery::from_static("/neighbours.WhoAmI/Ask"), ProstCodec::default()).await
}

#[derive(Debug, Clone, Default)]
struct WhoAmI {
    calls: Arc<Mutex<Vec<MetadataMap>>>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Question {
    #[prost(bool, tag = "1")]
    fail: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Identity {
    #[prost(string, tag = "1")]
    pub headers: String,
}

impl NamedService for WhoAmI {
    const NAME: &'static str = "neighbours.WhoAmI";
}

impl Service<http::Request<Body>> for WhoAmI {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let calls = Arc::clone(&self.calls);
        let answer = tower::service_fn(move |request: Request<Question>| {
            let of = |name: &str| request.metadata().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let headers: Map<_, _> = IDENTITY.map(|name| (name.to_owned(), json!(of(name)))).into_iter().collect();
            let (metadata, _, question) = request.into_parts();
            calls.lock().unwrap().push(metadata);
            let identity = Identity { headers: json!(headers).to_string() };
            let answer = if question.fail { Err(Status::not_found("nobody")) } else { Ok(Response::new(identity)) };
            std::future::ready(answer)
        });
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(answer, request).await) })
    }
}
