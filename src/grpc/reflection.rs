//! Server reflection, which describes the services to tools. Written here because `tonic-reflection`, which has the
//! messages, knows no extensions, puts the values of an enum into a scope of their own, and ends the stream at the
//! first name that it does not know.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream;
use http::Uri;
use prost_reflect::{DescriptorPool, FileDescriptor};
use tonic::body::Body;
use tonic::codegen::BoxStream;
use tonic::server::NamedService;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::server_reflection_server::ServerReflection;
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest,
    ServerReflectionResponse, ServiceResponse,
};
use tower::Service;

use super::REFLECTION_V1;

/// The descriptors by every name that a client may ask for. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Reflection {
    pool: DescriptorPool,
    symbols: Arc<HashMap<String, FileDescriptor>>,
}

impl Reflection {
    pub(super) fn new(pool: DescriptorPool) -> Self {
        let mut symbols = HashMap::new();
        for service in pool.services() {
            let methods = service.methods().map(|method| method.full_name().to_owned()).collect::<Vec<_>>();
            let names = methods.into_iter().chain([service.full_name().to_owned()]);
            symbols.extend(names.map(|name| (name, service.parent_file())));
        }
        for message in pool.all_messages() {
            let fields = message.fields().map(|field| field.full_name().to_owned()).collect::<Vec<_>>();
            let oneofs = message.oneofs().map(|oneof| oneof.full_name().to_owned()).collect::<Vec<_>>();
            let names = fields.into_iter().chain(oneofs).chain([message.full_name().to_owned()]);
            symbols.extend(names.map(|name| (name, message.parent_file())));
        }
        for kind in pool.all_enums() {
            // The values of an enum are in the scope that the enum is in, as in C++.
            let scope = kind.full_name().rsplit_once('.').map_or(String::new(), |(scope, _)| format!("{scope}."));
            let values = kind.values().map(|value| format!("{scope}{}", value.name())).collect::<Vec<_>>();
            let names = values.into_iter().chain([kind.full_name().to_owned()]);
            symbols.extend(names.map(|name| (name, kind.parent_file())));
        }
        symbols.extend(pool.all_extensions().map(|one| (one.full_name().to_owned(), one.parent_file())));
        Self { pool, symbols: Arc::new(symbols) }
    }

    fn answer(&self, request: ServerReflectionRequest) -> ServerReflectionResponse {
        let answer = self.find(request.message_request.as_ref()).unwrap_or_else(|(code, error_message)| {
            MessageResponse::ErrorResponse(ErrorResponse { error_code: code as i32, error_message })
        });
        let valid_host = request.host.clone();
        ServerReflectionResponse { valid_host, original_request: Some(request), message_response: Some(answer) }
    }

    fn find(&self, question: Option<&MessageRequest>) -> Result<MessageResponse, (Code, String)> {
        let unknown = |what: &str, name: &str| (Code::NotFound, format!("there is no {what} {name}"));
        let message = |name: &str| self.pool.get_message_by_name(name).ok_or_else(|| unknown("message", name));
        let file = match question {
            Some(MessageRequest::FileByFilename(name)) => {
                self.pool.get_file_by_name(name).ok_or_else(|| unknown("file", name))?
            }
            Some(MessageRequest::FileContainingSymbol(name)) => {
                self.symbols.get(name).cloned().ok_or_else(|| unknown("symbol", name))?
            }
            Some(MessageRequest::FileContainingExtension(asked)) => {
                let (number, of) = (asked.extension_number, &asked.containing_type);
                let extension = u32::try_from(number).ok().and_then(|number| message(of).ok()?.get_extension(number));
                extension.ok_or_else(|| unknown("extension", &format!("{number} of {of}")))?.parent_file()
            }
            Some(MessageRequest::AllExtensionNumbersOfType(name)) => {
                let numbers = message(name)?.extensions().filter_map(|one| i32::try_from(one.number()).ok()).collect();
                let found = ExtensionNumberResponse { base_type_name: name.clone(), extension_number: numbers };
                return Ok(MessageResponse::AllExtensionNumbersResponse(found));
            }
            Some(MessageRequest::ListServices(_)) => {
                let service = self.pool.services().map(|one| ServiceResponse { name: one.full_name().to_owned() });
                return Ok(MessageResponse::ListServicesResponse(ListServiceResponse { service: service.collect() }));
            }
            None => return Err((Code::InvalidArgument, "the request asks for nothing".to_owned())),
        };
        let file_descriptor_proto = vec![file.encode_to_vec()];
        Ok(MessageResponse::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto }))
    }
}

#[tonic::async_trait]
impl ServerReflection for Reflection {
    type ServerReflectionInfoStream = BoxStream<ServerReflectionResponse>;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        let state = (self.clone(), request.into_inner());
        Ok(Response::new(Box::pin(stream::try_unfold(state, async |(reflection, mut requests)| {
            match requests.message().await {
                Ok(Some(request)) => Ok(Some((reflection.answer(request), (reflection, requests)))),
                Ok(None) => Ok(None),
                // A tool that is kept open without a question.
                Err(status) if status.code() == Code::DeadlineExceeded => Ok(None),
                Err(status) => Err(status),
            }
        }))))
    }
}

/// Serves the older version v1alpha by `v1`: they differ only in their package.
#[derive(Debug, Clone)]
pub(super) struct V1Alpha<S>(pub S);

impl<S> NamedService for V1Alpha<S> {
    const NAME: &'static str = "grpc.reflection.v1alpha.ServerReflection";
}

impl<S: Service<http::Request<Body>, Error = Infallible>> Service<http::Request<Body>> for V1Alpha<S> {
    type Response = S::Response;
    type Error = Infallible;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> S::Future {
        *request.uri_mut() = Uri::from_static(REFLECTION_V1);
        self.0.call(request)
    }
}
