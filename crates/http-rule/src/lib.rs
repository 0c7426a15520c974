//! REST for any [tonic](https://docs.rs/tonic) service, by the `google.api.http` annotations of its protos.
//!
//! The annotations say which HTTP method and path call which RPC, and where the fields of its message stand: in the
//! path, in the query or in the body. This crate reads them from an encoded `FileDescriptorSet` when the program
//! starts. It then turns each HTTP request into a call of a gRPC service in the same process, and the answer into JSON.
//! A new RPC that has an annotation is served without further code, and needs no generated gateway and no second
//! process.
//!
//! ```
//! # fn main() -> Result<(), http_rule::RuleError> {
//! use http_rule::{Options, Rules, Transcoder};
//!
//! # let descriptors = Vec::new();
//! # async fn call(_: http::Request<tonic::body::Body>)
//! # -> Result<http::Response<tonic::body::Body>, std::convert::Infallible> {
//! #     Ok(tonic::Status::unimplemented("no RPCs").into_http())
//! # }
//! # let service = tower::service_fn(call);
//! // `descriptors` is what `protoc --include_imports --descriptor_set_out` writes, or `file_descriptor_set_path` of
//! // tonic-prost-build. `service` is a generated server, `tonic::service::Routes`, or a `tonic::transport::Channel`.
//! let transcoder = Transcoder::new(Rules::read(&descriptors)?, service, Options::default());
//! # assert!(transcoder.rules().bindings().is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! A [`Transcoder`] is a [`tower_service::Service`] of HTTP requests with any body, so it can be the fallback of an
//! axum router, or what hyper serves. `examples/library` is a whole program.
//!
//! # Rules
//!
//! 1. A request is read as `google/api/http.proto` says: by the first rule that has its method and its path. A path
//!    with a verb (`:cancel`) comes before one without; then, from the left, a literal comes before `*`, and `*` before
//!    `**`. A HEAD is answered as a GET, without the body. An OPTIONS is answered with the methods of the path.
//! 2. What stands in the path or in the query is put into the JSON of the body. All of it is then read at once by the
//!    [JSON mapping of protobuf](https://protobuf.dev/programming-guides/json/), so a value means the same wherever it
//!    stands. An unknown field, a field that is set twice, a name that is twice in one object, a value in the body that
//!    differs from the one in the path, a number out of its range and a broken escape are refused.
//! 3. The answer to a unary RPC is its message as `application/json`. The answer to a stream is `application/x-ndjson`:
//!    a line `{"result": …}` for each message, and a line `{"error": …}` if the stream fails after its first message.
//! 4. A failure is `google.rpc.Status` as JSON, `{"code", "message", "details"}`, with the HTTP status that
//!    `google/rpc/code.proto` names for its code; or `application/problem+json` (RFC 9457) if the request accepts that.
//! 5. Annotations that make no sense, or that answer the same requests as others, are an error of [`Rules::read`].
//!
//! # Caveats
//!
//! - RPCs that take a stream have no rule: REST has no form for them.
//! - An error detail is readable in JSON only if the descriptor set describes its type. Include
//!   `google/rpc/error_details.proto` and `google/rpc/status.proto` in the set.
//! - Only the request headers of [`Options::request_headers`] become metadata, and only the response headers that
//!   [`Options::answer_headers`] and [`Options::failure_headers`] add are sent besides `content-type` and
//!   `retry-after`.
//! - The transcoder authenticates nobody and catches no panics. Whatever layers the service needs belong on the
//!   service, so that gRPC and REST both pass them.

#![deny(unreachable_pub)]

mod answer;
mod binding;
pub mod body;
mod codec;
mod escapes;
mod failure;
mod fields;
mod grammar;
mod json;
mod message;
mod names;
mod options;
mod paths;
mod rules;
mod template;
mod transcoder;
mod unary;
mod values;

pub use answer::without_body;
pub use binding::{Binding, RequestBody, RuleError};
pub use escapes::query_pairs;
pub use failure::{defect, http_status, retry_after};
pub use options::Options;
pub use paths::Paths;
pub use rules::{Found, Rules};
pub use template::{Template, Variable};
pub use transcoder::{Transcoder, on_behalf};
pub use unary::unary;
