//! The transcoder: an HTTP request in, a call of the gRPC service, an HTTP response out.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_core::body::Body;
use http::header::{ALLOW, HeaderMap, HeaderName};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use prost_reflect::DynamicMessage;
use tonic::Status;
use tonic::client::{Grpc, GrpcService};
use tonic::metadata::MetadataMap;

use crate::answer::{self, without_body};
use crate::binding::{Binding, RequestBody};
use crate::body::{self, BodyError};
use crate::codec::DynamicCodec;
use crate::failure::{Failures, allow};
use crate::options::Options;
use crate::rules::{Found, Rules};
use crate::unary::unary;
use crate::{escapes, message};

/// REST before a gRPC service `S`. Cheap to clone if `S` is, as every call clones `S`.
///
/// `S` is a [`tower_service::Service`] of `http::Request<tonic::body::Body>`, as all of tonic's servers and channels
/// are.
#[derive(Debug, Clone)]
pub struct Transcoder<S> {
    rules: Arc<Rules>,
    options: Arc<Options>,
    failures: Failures,
    service: S,
}

impl<S> Transcoder<S> {
    /// Answers what `rules` have a path for by calling `service`.
    pub fn new(rules: Rules, service: S, options: Options) -> Self {
        let options = Arc::new(options);
        let failures = Failures::new(rules.pool().clone(), Arc::clone(&options));
        Self { rules: Arc::new(rules), options, failures, service }
    }

    /// The rules that it serves.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// The response to a request with these headers that fails with `status`. For a server that refuses a request
    /// before it gets here, and wants to refuse it in the same form.
    pub fn refuse(&self, status: Status, headers: &HeaderMap) -> Response<Body> {
        self.failures.of_status(status, headers)
    }
}

impl<S> Transcoder<S>
where
    S: GrpcService<tonic::body::Body> + Clone,
    S::ResponseBody: Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// The response to any request, also of a path or a method that has no rule.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let found = self.rules.find(request.method(), request.uri().path());
        self.answer_found(found, request).await
    }

    /// As [`Self::answer`], for a server that has called [`Rules::find`] with this request before.
    pub async fn answer_found<B>(&self, found: Found, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (mut parts, body) = request.into_parts();
        let response = self.route(found, &mut parts, body).await;
        if parts.method == Method::HEAD { without_body(response) } else { response }
    }

    async fn route<B>(&self, found: Found, parts: &mut Parts, body: B) -> Response<Body>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let path = parts.uri.path();
        if !escapes::are_whole(path) && self.rules.is_near(path) {
            return self.failures.violation(("path".to_owned(), escapes::NOT_WHOLE), &parts.headers);
        }
        match found {
            Found::Binding(index) => {
                let Some(binding) = self.rules.bindings().get(index) else {
                    return self.failures.unknown_path(&parts.headers);
                };
                let called = self.call(binding, parts, body).await;
                called.unwrap_or_else(|status| self.failures.of_status(status, &parts.headers))
            }
            Found::OtherMethods(_) if parts.method == Method::OPTIONS => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response.headers_mut().insert(ALLOW, allow(&self.rules.methods(path)));
                response
            }
            Found::OtherMethods(_) => self.failures.wrong_method(&self.rules.methods(path), &parts.headers),
            Found::Nothing => self.failures.unknown_path(&parts.headers),
        }
    }

    async fn call<B>(&self, binding: &Binding, parts: &mut Parts, body: B) -> Result<Response<Body>, Status>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let body = match &binding.body {
            // A body of such a request has no meaning (RFC 9110 section 9.3.1), and is not kept while the RPC runs.
            RequestBody::None => {
                drop(body);
                None
            }
            RequestBody::Whole | RequestBody::Field(_) => match self.read(parts, body).await {
                Ok(body) => body,
                Err(error) => return Ok(self.failures.body(error, &parts.headers)),
            },
        };
        let Some(variables) = binding.template.matches(parts.uri.path()) else {
            return Ok(self.failures.unknown_path(&parts.headers));
        };
        let query = parts.uri.query().unwrap_or_default();
        let message = match message::of_request(binding, &variables, query, body) {
            Ok(message) => message,
            Err(violation) => return Ok(self.failures.violation(violation, &parts.headers)),
        };
        let request = on_behalf(parts, &self.options.request_headers, message);
        let (path, field) = (binding.grpc_path.clone(), binding.response_body.as_ref());
        let mut service = self.service.clone();
        if !binding.rpc.is_server_streaming() {
            let answer = unary(&mut service, path, request, DynamicMessage::new(binding.rpc.output())).await?;
            return answer::of_unary(answer, field, &self.options);
        }
        let codec = DynamicCodec { output: binding.rpc.output(), buffers: self.options.buffers };
        let mut grpc = Grpc::new(service);
        grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let answer = grpc.server_streaming(request, path, codec).await?;
        answer::of_stream(answer, field.cloned(), self.failures.clone(), &self.options).await
    }

    /// The JSON of a body; `None` of an empty one, whatever its content type.
    async fn read<B>(&self, parts: &Parts, body: B) -> Result<Option<serde_json::Value>, BodyError>
    where
        B: http_body::Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let bytes = body::read(&parts.headers, body, self.options.limits).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        body::parse(&bytes).map(Some)
    }
}

impl<S, B> tower_service::Service<Request<B>> for Transcoder<S>
where
    S: GrpcService<tonic::body::Body> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Send,
    S::ResponseBody: Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<Box<dyn Error + Send + Sync>>,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>> + Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { Ok(this.answer(request).await) })
    }
}

/// A gRPC request with `message`, made on behalf of an HTTP request: its headers of these `names` are the metadata,
/// each value as often as it was sent, and its extensions are moved to it.
pub fn on_behalf<T>(parts: &mut Parts, names: &[HeaderName], message: T) -> tonic::Request<T> {
    let mut headers = HeaderMap::new();
    for name in names {
        for value in parts.headers.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    tonic::Request::from_parts(MetadataMap::from_headers(headers), std::mem::take(&mut parts.extensions), message)
}
