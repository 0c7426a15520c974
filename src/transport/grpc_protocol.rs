//! Tells calls of gRPC and of gRPC-Web from other requests. Separate from routing, because it only reads a request.

use http::header::CONTENT_TYPE;
use http::{Method, Request, Version};

/// The protocol of a gRPC request: POST with a content type of gRPC, and over HTTP/2 where that type needs it. Other
/// requests to a gRPC path are answered with an explanation by `rest`.
#[derive(Clone, Copy)]
pub(super) enum GrpcProtocol {
    Grpc,
    /// gRPC-Web with this content type.
    Web(&'static str),
}

impl GrpcProtocol {
    /// gRPC-Web where the type of the request is not known.
    pub(super) const WEB: Self = Self::Web("application/grpc-web+proto");

    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        if request.method() != Method::POST {
            return None;
        }
        let value = request.headers().get(CONTENT_TYPE)?.to_str().ok()?;
        // The content type without its parameters.
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
