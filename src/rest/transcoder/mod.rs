//! REST for every RPC: what the `google.api.http` annotations of the protos say, and nothing else. A new RPC that has one is
//! served without further code.
//!
//! `rules` reads the annotations when the server starts, `template` is their paths, `grammar` how those are written; `request`
//! makes a message of a request, with `escapes` and `fields` for what stands in its path and query, `json`, `names` and `values`
//! for its body; `codec` puts messages of any type on the wire of the one stack, `answer` makes a response of what comes back,
//! `failure` of what went wrong. Source: `google/api/http.proto`, AIP-127, and the JSON mapping of
//! protobuf.

pub(super) mod answer;
mod codec;
pub(in crate::rest) mod escapes;
mod failure;
mod fields;
mod grammar;
mod json;
mod names;
mod request;
pub(in crate::rest) mod rules;
pub(in crate::rest) mod template;
mod values;

use std::collections::{BTreeSet, HashSet};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::{ALLOW, AUTHORIZATION, HeaderName, USER_AGENT};
use http::request::Parts;
use http::{Method, StatusCode};
use prost_reflect::{DescriptorPool, DynamicMessage};
use tonic::client::Grpc;

use super::body::{self, Unreadable};
use super::call::{self, DEVICE, Rpc, TOKEN};
use codec::Dynamic;
use rules::{Binding, RequestBody};

pub(super) use failure::{Failures, http_status};
pub use rules::RuleError;

/// What of a request's headers becomes metadata: credentials, what the client calls itself and which device it is, and the
/// time that it has, in gRPC's own header and form (`Grpc-Timeout: 500m`). Each as often as it was sent, for the stack to
/// judge.
const PASSED_ON: [HeaderName; 5] = [TOKEN, AUTHORIZATION, USER_AGENT, DEVICE, HeaderName::from_static("grpc-timeout")];

/// Every annotated RPC.
#[derive(Debug)]
pub struct Transcoder {
    bindings: Vec<Binding>,
    /// What their paths begin with: asked of every request, also of gRPC's.
    roots: BTreeSet<String>,
    /// Of streams; none of their paths has a variable.
    streams: HashSet<String>,
    failures: Failures,
    rpc: Rpc,
}

/// What there is at a path.
enum Found<'a> {
    Binding(&'a Binding, Vec<&'a str>),
    /// Other methods.
    Only(Vec<Method>),
    Nothing,
}

impl Transcoder {
    /// Of the services in an encoded `FileDescriptorSet`, which `rpc` answers.
    pub fn new(descriptors: &[u8], rpc: Rpc) -> Result<Self, RuleError> {
        let pool = DescriptorPool::decode(descriptors)?;
        let bindings = rules::read(&pool)?;
        let roots = bindings.iter().filter_map(|binding| binding.template.first()).map(str::to_owned).collect();
        let streams = bindings.iter().filter(|binding| binding.rpc.is_server_streaming());
        let streams = streams.map(|binding| binding.template.shown()).collect();
        Ok(Self { bindings, roots, streams, failures: Failures::new(pool), rpc })
    }

    pub(super) fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// What the bindings are of.
    pub(super) fn pool(&self) -> &DescriptorPool {
        self.failures.pool()
    }

    pub(super) fn failures(&self) -> &Failures {
        &self.failures
    }

    /// Whether a path is where rules are, though perhaps of none.
    pub(super) fn is_near(&self, path: &str) -> bool {
        path.split('/').nth(1).is_some_and(|first| self.roots.contains(first))
    }

    /// Whether a path is of a stream. Spelt with escapes it seems to be none, and is counted as what is rarer.
    pub(super) fn is_stream(&self, path: &str) -> bool {
        self.streams.contains(path)
    }

    /// Answers every path and method, the wrong ones too.
    pub async fn answer(&self, request: Request) -> Response {
        let is_head = request.method() == Method::HEAD;
        let answer = self.try_answer(request).await;
        let response = answer.unwrap_or_else(|request| self.failures.unknown_path(request.headers()));
        if is_head { answer::without_body(response) } else { response }
    }

    /// Gives a request back whose path is of no rule. A HEAD's answer still has the body that it must lose.
    pub(super) async fn try_answer(&self, request: Request) -> Result<Response, Box<Request>> {
        let (parts, body) = request.into_parts();
        if !escapes::are_whole(parts.uri.path()) && self.is_near(parts.uri.path()) {
            let violation = ("path".to_owned(), escapes::NOT_WHOLE);
            return Ok(self.failures.violation(violation, &parts.headers));
        }
        Ok(match self.find(&parts.method, parts.uri.path()) {
            Found::Binding(binding, variables) => self.call(binding, &variables, &parts, body).await,
            Found::Only(methods) if parts.method == Method::OPTIONS => {
                (StatusCode::NO_CONTENT, [(ALLOW, failure::allow(&methods))]).into_response()
            }
            Found::Only(methods) => self.failures.wrong_method(&methods, &parts.headers),
            Found::Nothing => return Err(Box::new(Request::from_parts(parts, body))),
        })
    }

    /// The path of the rule that a request is of.
    pub(super) fn name(&self, method: &Method, path: &str) -> Option<String> {
        match self.find(method, path) {
            Found::Binding(binding, _) => Some(binding.template.shown()),
            Found::Only(_) | Found::Nothing => None,
        }
    }

    fn find<'a>(&'a self, method: &Method, path: &'a str) -> Found<'a> {
        let there = || self.bindings.iter().filter_map(|binding| Some((binding, binding.template.matches(path)?)));
        let with = |verb: Option<&Method>| there().find(|(binding, _)| binding.verb.as_ref() == verb);
        let found = with(Some(method))
            .or_else(|| with(Some(&Method::GET)).filter(|_| method == Method::HEAD))
            .or_else(|| with(None));
        if let Some((binding, variables)) = found {
            return Found::Binding(binding, variables);
        }
        let mut methods: Vec<Method> = Vec::new();
        for verb in there().filter_map(|(binding, _)| binding.verb.clone()) {
            let more = (verb == Method::GET).then_some(Method::HEAD);
            for method in std::iter::once(verb).chain(more) {
                if !methods.contains(&method) {
                    methods.push(method);
                }
            }
        }
        if methods.is_empty() {
            return Found::Nothing;
        }
        if !methods.contains(&Method::OPTIONS) {
            methods.push(Method::OPTIONS);
        }
        Found::Only(methods)
    }

    async fn call(&self, binding: &Binding, variables: &[&str], parts: &Parts, body: Body) -> Response {
        let body = match &binding.body {
            // RFC 9110 section 9.3.1: what a body of it would mean, nobody has said.
            RequestBody::None => {
                // Nor is it kept for as long as the call takes.
                drop(body);
                None
            }
            RequestBody::Whole | RequestBody::Field(_) => match read(parts, body).await {
                Ok(body) => body,
                Err(unreadable) => return self.failures.unreadable(unreadable, &parts.headers),
            },
        };
        let query = parts.uri.query().unwrap_or_default();
        let message = match request::message(binding, variables, query, body) {
            Ok(message) => message,
            Err(violation) => return self.failures.violation(violation, &parts.headers),
        };
        let request = call::with_headers(parts, &PASSED_ON, message);
        let answer = if binding.rpc.is_server_streaming() {
            self.stream(binding, request).await
        } else {
            self.unary(binding, request).await
        };
        answer.unwrap_or_else(|status| self.failures.answer(status, &parts.headers))
    }

    async fn unary(
        &self,
        binding: &Binding,
        request: tonic::Request<DynamicMessage>,
    ) -> Result<Response, tonic::Status> {
        let codec = Dynamic(binding.rpc.output());
        let answer = Grpc::new(self.rpc.clone()).unary(request, binding.rpc_path.clone(), codec).await?;
        answer::unary(answer, binding.response_body.as_ref())
    }

    async fn stream(
        &self,
        binding: &Binding,
        request: tonic::Request<DynamicMessage>,
    ) -> Result<Response, tonic::Status> {
        let codec = Dynamic(binding.rpc.output());
        let answer = Grpc::new(self.rpc.clone()).server_streaming(request, binding.rpc_path.clone(), codec).await?;
        answer::stream(answer, binding.response_body.clone(), self.failures.clone()).await
    }
}

/// The JSON of a body. None is none, whatever its content type.
async fn read(parts: &Parts, body: Body) -> Result<Option<serde_json::Value>, Unreadable> {
    let bytes = body::bytes(&parts.headers, body).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    json::parse(&bytes).map(Some).ok_or(body::MALFORMED)
}
