//! The answer to a request that has the path of a gRPC method, but is no gRPC request. Separate because such a path
//! belongs to no dialect.

use axum::extract::Request;
use axum::response::Response;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, UPGRADE};
use http::{Method, StatusCode, Version};

use super::username;

/// Whether a path looks like `/package.Service/Method`. No path of the JSON APIs does, and neither do `/robots.txt` and
/// `/.well-known/…`.
fn is_grpc_path(path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    match (segments.next(), segments.next(), segments.next()) {
        (Some(service), Some(method), None) => service.contains('.') && !service.starts_with('.') && !method.is_empty(),
        _ => false,
    }
}

/// Says what is wrong with the request; `None` if its path is not one of gRPC.
pub(super) fn answer(request: &Request) -> Option<Response> {
    if !is_grpc_path(request.uri().path()) {
        return None;
    }
    let is_grpc = |value: &HeaderValue| {
        let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        ["application/grpc", "application/grpc+proto"].iter().any(|grpc| essence.eq_ignore_ascii_case(grpc))
    };
    let (status, text, header) = if request.method() != Method::POST {
        (StatusCode::METHOD_NOT_ALLOWED, "a gRPC method takes POST only", Some((ALLOW, "POST")))
    } else if request.headers().get(CONTENT_TYPE).is_some_and(is_grpc) && request.version() < Version::HTTP_2 {
        (StatusCode::UPGRADE_REQUIRED, "gRPC needs HTTP/2; over HTTP/1.1 use gRPC-Web", Some((UPGRADE, "h2c")))
    } else {
        let text = "a gRPC method takes the content types application/grpc and application/grpc-web";
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, text, None)
    };
    let mut response = username::error(status, text);
    if let Some((name, value)) = header {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}
