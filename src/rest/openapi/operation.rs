//! Makes an operation of the document from a binding.

use http_rule::{Binding, RequestBody};
use prost_reflect::FieldDescriptor;
use serde_json::{Map, Value, json};

use super::constraint::Constraint;
use super::schema::{Schemas, forms};
use super::value::ValueContext;
use super::{comment, example, failure, parameter};
use crate::pb::MethodRules;

/// The key of an operation under its path. `None` if OpenAPI has no key for the method; a binding for any method is
/// shown as a POST, which may have a body.
pub(super) fn key(binding: &Binding) -> Option<String> {
    let method = binding.method.as_ref().map_or("post".to_owned(), |method| method.as_str().to_ascii_lowercase());
    ["get", "put", "post", "delete", "options", "head", "patch", "trace"].contains(&method.as_str()).then_some(method)
}

/// `Service_Method`; a further binding of the same RPC also has the names of its variables.
pub(super) fn id(binding: &Binding, taken: &[String]) -> String {
    let mut id = format!("{}_{}", binding.rpc.parent_service().name(), binding.rpc.name());
    if taken.contains(&id) {
        let variables = binding.template.variables().iter().map(|variable| format!("_{}", variable.field.join("_")));
        id.extend(variables);
    }
    while taken.contains(&id) {
        id.push('_');
    }
    id
}

/// The operation of a binding: parameters, body, responses, and the comment of the RPC.
pub(super) fn operation(binding: &Binding, id: &str, schemas: &mut Schemas) -> Value {
    let rpc = &binding.rpc;
    let comment = comment::of(&rpc.parent_file(), rpc.path());
    let rules = MethodRules::of(rpc);
    let mut operation = json!({
        "operationId": id,
        "tags": [rpc.parent_service().name()],
        "summary": comment::summary(&comment),
        "description": comment,
        "security": failure::security(&rules),
        "responses": responses(binding, &rules, schemas),
        "x-grpc-method": format!("{}/{}", rpc.parent_service().full_name(), rpc.name()),
    });
    let parameters = parameter::parameters(binding, schemas);
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if let Some(body) = body(binding, schemas) {
        operation["requestBody"] = body;
    }
    operation
}

fn body(binding: &Binding, schemas: &mut Schemas) -> Option<Value> {
    let input = binding.rpc.input();
    let (schema, examples) = match &binding.body {
        RequestBody::None => return None,
        RequestBody::Field(field) => (schemas.value(field, ValueContext::Request), Map::new()),
        RequestBody::Whole => {
            let in_path = parameter::in_path(binding);
            let elsewhere: Vec<FieldDescriptor> = input.fields().filter(|field| in_path.contains(field)).collect();
            let schema = match elsewhere.is_empty() {
                true => schemas.reference(&input, ValueContext::Request),
                false => schemas.body(&input, &elsewhere),
            };
            (schema, example::requests(&input, &elsewhere))
        }
    };
    // A missing body is the empty message, so a body is required only if a field is.
    let is_needed = |field: &FieldDescriptor| Constraint::of(field).is_required;
    let is_required = match &binding.body {
        RequestBody::Field(field) => is_needed(field),
        _ => {
            let in_path = parameter::in_path(binding);
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

fn responses(binding: &Binding, rules: &MethodRules, schemas: &mut Schemas) -> Value {
    let output = binding.rpc.output();
    let (schema, example) = match &binding.response_body {
        Some(field) => (schemas.value(field, ValueContext::Response), None),
        None => (schemas.reference(&output, ValueContext::Response), Some(example::answer(&output))),
    };
    let (kind, content) = if binding.rpc.is_server_streaming() {
        let status = json!({ "$ref": "#/components/schemas/Status" });
        let line = json!({
            "type": "object",
            "description": "One line: a message; or, as the last line, the failure of the stream.",
            "properties": { "result": schema, "error": status },
        });
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
    let mut responses = failure::responses(binding, rules);
    responses.insert("200".to_owned(), success);
    Value::Object(responses)
}
