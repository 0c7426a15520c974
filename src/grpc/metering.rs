//! What the meter counts of the calls that pass the stack: their methods, from the descriptors, and gRPC's codes.
//! Separate because the stack also works without a meter.

use std::sync::Arc;

use http::Response;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Code;

use crate::meter::{Meter, Outcome, Running};
use crate::pb;

/// Every gRPC code with the name that the specification gives it.
const CODES: [Outcome; 17] = [
    (Code::Ok as u16, "OK"),
    (Code::Cancelled as u16, "CANCELLED"),
    (Code::Unknown as u16, "UNKNOWN"),
    (Code::InvalidArgument as u16, "INVALID_ARGUMENT"),
    (Code::DeadlineExceeded as u16, "DEADLINE_EXCEEDED"),
    (Code::NotFound as u16, "NOT_FOUND"),
    (Code::AlreadyExists as u16, "ALREADY_EXISTS"),
    (Code::PermissionDenied as u16, "PERMISSION_DENIED"),
    (Code::ResourceExhausted as u16, "RESOURCE_EXHAUSTED"),
    (Code::FailedPrecondition as u16, "FAILED_PRECONDITION"),
    (Code::Aborted as u16, "ABORTED"),
    (Code::OutOfRange as u16, "OUT_OF_RANGE"),
    (Code::Unimplemented as u16, "UNIMPLEMENTED"),
    (Code::Internal as u16, "INTERNAL"),
    (Code::Unavailable as u16, "UNAVAILABLE"),
    (Code::DataLoss as u16, "DATA_LOSS"),
    (Code::Unauthenticated as u16, "UNAUTHENTICATED"),
];

/// A meter of calls by the path of their method, as in `/countersign.v1.AuthService/Login`. A stream counts when it
/// begins.
pub(crate) fn meter() -> Meter {
    Meter::new(methods().map(|(name, _)| name), &CODES)
}

/// The paths of the methods that take or answer a stream.
pub(super) fn streams() -> impl Iterator<Item = String> {
    methods().filter_map(|(name, is_stream)| is_stream.then_some(name))
}

/// The path of every method that has a descriptor, and whether it is a stream.
fn methods() -> impl Iterator<Item = (String, bool)> {
    let files = [pb::DESCRIPTORS, pb::ENVOY_DESCRIPTORS, pb::HEALTH_DESCRIPTORS]
        .into_iter()
        .filter_map(|encoded| FileDescriptorSet::decode(encoded).ok())
        .flat_map(|set| set.file);
    files.flat_map(|file| {
        let package = file.package().to_owned();
        let methods = file.service.into_iter().flat_map(|service| {
            let name = service.name().to_owned();
            service.method.into_iter().map(move |method| {
                let is_stream = method.client_streaming() || method.server_streaming();
                (format!("{name}/{}", method.name()), is_stream)
            })
        });
        methods.map(move |(method, is_stream)| (format!("/{package}.{method}"), is_stream)).collect::<Vec<_>>()
    })
}

/// The code of an answer. If it is not in the headers it is in the trailers, which follow a message, so the code is OK.
pub(super) fn code<B>(answer: &Response<B>) -> u16 {
    answer.headers().get("grpc-status").map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes())) as u16
}

/// Counts the beginning of a call. A call that is never answered counts as cancelled by its caller.
pub(super) fn begin(meter: &Arc<Meter>, name: &str) -> Running {
    Running::begin(meter, meter.index(name), Code::Cancelled as u16)
}
