//! Makes an operation of the document from a binding.

use http_rule::{Binding, RequestBody};
use prost_reflect::FieldDescriptor;
use serde_json::{Map, Value, json};

use super::components::{Components, forms};
use super::constraint::Constraint;
use super::value::ValueContext;
use super::{comment, example, failure, names, parameter};
use crate::pb::MethodRules;

/// The key of an operation under its path. `None` if OpenAPI has no key for the method; a binding for any method is
/// shown as a POST, which may have a body.
pub(super) fn key(binding: &Binding) -> Option<String> {
    let method = binding.method.as_ref().map_or("post".to_owned(), |method| method.as_str().to_ascii_lowercase());
    ["get", "put", "post", "delete", "options", "head", "patch", "trace"].contains(&method.as_str()).then_some(method)
}

/// The operation of a binding: parameters, body, responses, and the comment of the RPC.
pub(super) fn operation(binding: &Binding, id: &str, components: &mut Components) -> Value {
    let rpc = &binding.rpc;
    let comment = comment::of(&rpc.parent_file(), rpc.path());
    let rules = MethodRules::of(rpc);
    let mut operation = json!({
        "operationId": id,
        "tags": [names::tag(rpc.parent_service())],
        "summary": comment::summary(&comment),
        "description": comment,
        "security": failure::security(&rules),
        "responses": responses(binding, &rules, components),
        "x-grpc-method": format!("{}/{}", rpc.parent_service().full_name(), rpc.name()),
    });
    let parameters = parameter::parameters(binding, components);
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if let Some(body) = body(binding, components) {
        operation["requestBody"] = body;
    }
    operation
}

/// A body without fields is not described, because it may be left out.
pub(super) fn has_body(binding: &Binding) -> bool {
    match binding.body {
        RequestBody::None => false,
        RequestBody::Field(_) => true,
        RequestBody::Whole => binding.rpc.input().fields().len() > parameter::in_path(binding).len(),
    }
}

fn body(binding: &Binding, components: &mut Components) -> Option<Value> {
    if !has_body(binding) {
        return None;
    }
    let input = binding.rpc.input();
    let in_path = parameter::in_path(binding);
    let (schema, examples) = match &binding.body {
        RequestBody::None => return None,
        RequestBody::Field(field) => (components.value(field, ValueContext::Request), Map::new()),
        RequestBody::Whole => (components.body_reference(&input, &in_path), example::requests(&input, &in_path)),
    };
    // A missing body is the empty message, so a body is required only if a field is.
    let is_needed = |field: &FieldDescriptor| Constraint::of(field).is_required;
    let is_required = match &binding.body {
        RequestBody::Field(field) => is_needed(field),
        _ => {
            input.fields().any(|field| is_needed(&field) && !in_path.contains(&field))
                || forms(&input).iter().all(|form| !form.is_empty())
        }
    };
    let mut content = json!({ "schema": schema });
    if !examples.is_empty() {
        content["examples"] = Value::Object(examples);
    }
    Some(json!({ "required": is_required, "content": { "application/json": content } }))
}

fn responses(binding: &Binding, rules: &MethodRules, components: &mut Components) -> Value {
    let output = binding.rpc.output();
    let (schema, example) = match &binding.response_body {
        Some(field) => (components.value(field, ValueContext::Response), None),
        None => (components.reference(&output, ValueContext::Response), Some(example::answer(&output))),
    };
    let (kind, content) = if binding.rpc.is_server_streaming() {
        let status = json!({ "$ref": "#/components/schemas/Status" });
        let line = json!({
            "type": "object",
            "description": "One line: a message; or, as the last line, the failure of the stream.",
            "properties": { "result": schema, "error": status },
        });
        let name = output.name();
        let line = components.insert(&format!("{}Line", name.strip_suffix("Response").unwrap_or(name)), line);
        ("application/x-ndjson", json!({ "schema": line }))
    } else {
        let mut content = json!({ "schema": schema });
        if let Some(example) = example {
            content["examples"] = json!({ "answer": { "value": example } });
        }
        ("application/json", content)
    };
    let description = match binding.rpc.output() {
        output if output.fields().len() == 0 => "Done.".to_owned(),
        output => comment::of(&output.parent_file(), output.path()),
    };
    let mut success = json!({ "description": description, "content": { kind: content } });
    if let Some(token) = failure::token_header(rules) {
        success["headers"] = json!({ "Token": token });
    }
    let mut responses = failure::responses(binding, rules, components);
    responses.insert("200".to_owned(), success);
    json!(responses)
}
