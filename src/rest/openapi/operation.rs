//! One binding of one RPC as an operation.

use prost_reflect::{FieldDescriptor, Kind};
use serde_json::{Map, Value, json};

use super::constraint::Constraint;
use super::schema::{Schemas, forms};
use super::value::Side;
use super::{comment, example, failure, parameter};
use crate::pb::MethodRules;
use crate::rest::transcoder::rules::{Binding, RequestBody};

/// The name of its place under the path. `None` of a verb that OpenAPI has no place for; any verb is shown as the one that may
/// have a body.
pub(super) fn verb(binding: &Binding) -> Option<String> {
    let verb = binding.verb.as_ref().map_or("post".to_owned(), |verb| verb.as_str().to_ascii_lowercase());
    ["get", "put", "post", "delete", "options", "head", "patch", "trace"].contains(&verb.as_str()).then_some(verb)
}

/// `Service_Method`; of a further binding of it, also what its path has that the others' have not.
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

/// Everything about it.
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
        RequestBody::Field(field) => (schemas.value(field, Side::Request), Map::new()),
        RequestBody::Whole => {
            let in_path = parameter::in_path(binding);
            let elsewhere: Vec<FieldDescriptor> = input.fields().filter(|field| in_path.contains(field)).collect();
            let schema = match elsewhere.is_empty() {
                true => schemas.reference(&input, Side::Request),
                false => schemas.body(&input, &elsewhere),
            };
            (schema, example::requests(&input, &elsewhere))
        }
    };
    // No body is the empty message.
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
        Some(field) => (schemas.value(field, Side::Response), None),
        None => (schemas.reference(&output, Side::Response), Some(example::answer(&output))),
    };
    let (kind, content) = if binding.rpc.is_server_streaming() {
        let status = json!({ "$ref": "#/components/schemas/Status" });
        let line = json!({
            "type": "object",
            "description": "One line: a message, or, as the last one, what went wrong.",
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

/// Whether a field's value is an object of its fields.
pub(super) fn is_object(field: &FieldDescriptor) -> Option<prost_reflect::MessageDescriptor> {
    match field.kind() {
        Kind::Message(message) if super::value::schema(&field.kind(), Side::Parameter).is_none() => Some(message),
        _ => None,
    }
}
