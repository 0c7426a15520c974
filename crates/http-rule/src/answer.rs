//! The response to an RPC that succeeded: one JSON body, or a line of JSON for each message of a stream. Separate from
//! `failure`, which makes the other responses.

use std::convert::Infallible;

use axum_core::body::Body;
use bytes::Bytes;
use futures_util::future::ready;
use futures_util::stream::{self, StreamExt as _};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body::Body as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage as _, SerializeOptions};
use serde_json::{Value, json};
use tonic::metadata::MetadataMap;
use tonic::{Status, Streaming};

use crate::failure::{Failures, defect};
use crate::options::Options;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const JSON_LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// The whole message, or one field of it, as JSON.
pub(crate) fn of_unary(
    answer: tonic::Response<DynamicMessage>,
    field: Option<&FieldDescriptor>,
    options: &Options,
) -> Result<Response<Body>, Status> {
    let (metadata, message, _) = answer.into_parts();
    let body = match field {
        // Without a `Value` in between: nearly every response is made here.
        None => serde_json::to_vec(&message).map_err(|error| defect(&error))?,
        Some(field) => json_value(&message, Some(field))?.to_string().into_bytes(),
    };
    Ok(response(JSON, Body::from(body), &metadata, options))
}

/// A line `{"result": …}` for each message, and a last line `{"error": …}` if the stream fails. If it fails before its
/// first message, the whole response is that failure.
pub(crate) async fn of_stream(
    answer: tonic::Response<Streaming<DynamicMessage>>,
    field: Option<FieldDescriptor>,
    failures: Failures,
    options: &Options,
) -> Result<Response<Body>, Status> {
    let (metadata, mut messages, _) = answer.into_parts();
    let first = messages.next().await.transpose()?;
    let all = stream::iter(first.map(Ok)).chain(messages);
    let lines = all.scan(false, move |has_failed, message| {
        let line = match message.and_then(|message| json_value(&message, field.as_ref())) {
            Ok(result) => json!({ "result": result }),
            Err(status) => json!({ "error": failures.json(&status) }),
        };
        let has_ended = std::mem::replace(has_failed, line.get("error").is_some());
        ready((!has_ended).then(|| Ok::<_, Infallible>(Bytes::from(format!("{line}\n")))))
    });
    Ok(response(JSON_LINES, Body::from_stream(lines), &metadata, options))
}

fn response(content_type: HeaderValue, body: Body, metadata: &MetadataMap, options: &Options) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    options.add_answer_headers(metadata, response.headers_mut());
    response
}

fn json_value(message: &DynamicMessage, field: Option<&FieldDescriptor>) -> Result<Value, Status> {
    let defect = |error: serde_json::Error| defect(&error);
    let Some(field) = field else { return serde_json::to_value(message).map_err(defect) };
    // A message that has only this field, so that the others are not serialized.
    let mut alone = DynamicMessage::new(message.descriptor());
    alone.set_field(field, message.get_field(field).into_owned());
    // An unset field is shown as its default, which the JSON mapping leaves out; an unset message as an empty object.
    let options = SerializeOptions::new().skip_default_fields(alone.has_field(field));
    let all = alone.serialize_with_options(serde_json::value::Serializer, &options).map_err(defect)?;
    Ok(all.get(field.json_name()).cloned().unwrap_or_else(|| json!({})))
}

/// Turns the response to a GET into the response to a HEAD: the body is dropped, and `content-length` tells how long it
/// was, if that is known (RFC 9110 section 9.3.2). A 204 has no such header (section 8.6).
pub fn without_body(mut response: Response<Body>) -> Response<Body> {
    let length = response.body().size_hint().exact().filter(|_| response.status() != StatusCode::NO_CONTENT);
    if let (Some(length), false) = (length, response.headers().contains_key(CONTENT_LENGTH)) {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response.map(|_| Body::empty())
}
