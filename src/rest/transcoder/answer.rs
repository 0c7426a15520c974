//! What an RPC answered, as a response: one JSON body, or a line of JSON for each message of a stream. Apart from `failure`,
//! which is what it answers otherwise.

use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{self, StreamExt as _};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http_body::Body as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage as _};
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

/// `{"result": …}` for each message; if it fails on the way, `{"error": …}` with the status at the end.
pub(super) fn stream(
    answer: tonic::Response<Streaming<DynamicMessage>>,
    field: Option<FieldDescriptor>,
    failures: Failures,
) -> Response {
    let token = call::fresh_token(answer.metadata());
    let lines = stream::unfold(Some(answer.into_inner()), move |messages| {
        let (failures, field) = (failures.clone(), field.clone());
        async move {
            let mut messages = messages?;
            let next = messages.next().await?;
            let (line, rest) = match next.and_then(|message| value(&message, field.as_ref())) {
                Ok(result) => (json!({ "result": result }), Some(messages)),
                Err(status) => (json!({ "error": failures.json(&status) }), None),
            };
            Some((Ok::<_, Infallible>(Bytes::from(format!("{line}\n"))), rest))
        }
    });
    let mut response = ([(CONTENT_TYPE, LINES)], Body::from_stream(lines)).into_response();
    call::attach(&mut response, token);
    response
}

fn value(message: &DynamicMessage, field: Option<&FieldDescriptor>) -> Result<Value, Status> {
    let defect = |error: serde_json::Error| Status::internal(error.to_string());
    let Some(field) = field else { return serde_json::to_value(message).map_err(defect) };
    // With the defaults, for the field may have one. Of the others nothing is looked at.
    let mut alone = DynamicMessage::new(message.descriptor());
    alone.set_field(field, message.get_field(field).into_owned());
    let options = prost_reflect::SerializeOptions::new().skip_default_fields(false);
    let all = alone.serialize_with_options(serde_json::value::Serializer, &options).map_err(defect)?;
    Ok(all.get(field.json_name()).cloned().unwrap_or(Value::Null))
}

/// The answer to a HEAD: as that to a GET, which tells its length (RFC 9110 section 9.3.2).
pub(super) fn without_body(mut response: Response) -> Response {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response.map(|_| Body::empty())
}
