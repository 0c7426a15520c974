//! What an RPC answered, as a response: one JSON body, or a line of JSON for each message of a stream. Apart from `failure`,
//! which is what it answers otherwise.

use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use futures_util::future::ready;
use futures_util::stream::{self, StreamExt as _};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http_body::Body as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage as _, SerializeOptions};
use serde_json::{Value, json};
use tonic::{Status, Streaming};

use super::failure::Failures;
use crate::rest::call;

/// A line is one JSON value.
const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// All of a message, or one field of it.
pub(super) fn unary(
    answer: tonic::Response<DynamicMessage>,
    field: Option<&FieldDescriptor>,
) -> Result<Response, Status> {
    let token = call::fresh_token(answer.metadata());
    let message = answer.into_inner();
    let mut response = match field {
        None => Json(message).into_response(),
        Some(field) => Json(value(&message, Some(field))?).into_response(),
    };
    call::attach(&mut response, token);
    Ok(response)
}

/// `{"result": …}` for each message; if it fails on the way, `{"error": …}` with the status at the end. If it fails before, that
/// is the answer.
pub(super) async fn stream(
    answer: tonic::Response<Streaming<DynamicMessage>>,
    field: Option<FieldDescriptor>,
    failures: Failures,
) -> Result<Response, Status> {
    let token = call::fresh_token(answer.metadata());
    let mut messages = answer.into_inner();
    let first = messages.next().await.transpose()?;
    let all = stream::iter(first.map(Ok)).chain(messages);
    let lines = all.scan(false, move |has_failed, message| {
        let line = match message.and_then(|message| value(&message, field.as_ref())) {
            Ok(result) => json!({ "result": result }),
            Err(status) => json!({ "error": failures.json(&status) }),
        };
        let ended = std::mem::replace(has_failed, line.get("error").is_some());
        ready((!ended).then(|| Ok::<_, Infallible>(Bytes::from(format!("{line}\n")))))
    });
    let mut response = ([(CONTENT_TYPE, LINES)], Body::from_stream(lines)).into_response();
    call::attach(&mut response, token);
    Ok(response)
}

fn value(message: &DynamicMessage, field: Option<&FieldDescriptor>) -> Result<Value, Status> {
    let defect = |error: serde_json::Error| Status::internal(error.to_string());
    let Some(field) = field else { return serde_json::to_value(message).map_err(defect) };
    // Of the others nothing is looked at.
    let mut alone = DynamicMessage::new(message.descriptor());
    alone.set_field(field, message.get_field(field).into_owned());
    // What is not there is a default, which the mapping leaves out; of a message, one without members.
    let options = SerializeOptions::new().skip_default_fields(alone.has_field(field));
    let all = alone.serialize_with_options(serde_json::value::Serializer, &options).map_err(defect)?;
    Ok(all.get(field.json_name()).cloned().unwrap_or_else(|| json!({})))
}

/// The answer to a HEAD: as that to a GET, which tells its length (RFC 9110 section 9.3.2).
pub(super) fn without_body(mut response: Response) -> Response {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response.map(|_| Body::empty())
}
