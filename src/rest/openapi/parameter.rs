//! The parameters of a binding in its path and its query.

use http_rule::{Binding, RequestBody};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Value, json};

use super::comment;
use super::components::Components;
use super::constraint::Constraint;
use super::value::{ValueContext, object};

/// The most messages within messages that have parameters of their own. A message may contain itself.
const MAX_DEPTH: usize = 4;

/// All parameters, those of the path first.
pub(super) fn parameters(binding: &Binding, components: &mut Components) -> Vec<Value> {
    let mut parameters = Vec::new();
    let mut in_path = Vec::new();
    for variable in binding.template.variables() {
        let Some(field) = field(&binding.rpc.input(), &variable.field) else { continue };
        let mut schema = components.value(&field, ValueContext::Parameter);
        if field.kind() == Kind::String {
            // An empty segment does not match the path.
            schema["minLength"] = 1.into();
        }
        Constraint::of(&field).apply(&mut schema, &[]);
        parameters.push(json!({
            "name": variable.field.join("."),
            "in": "path",
            "required": true,
            "description": comment::of(&field.parent_file(), field.path()),
            "schema": schema,
        }));
        in_path.push(field);
    }
    let elsewhere = match &binding.body {
        RequestBody::Whole => return parameters,
        RequestBody::Field(field) => in_path.into_iter().chain([field.clone()]).collect(),
        RequestBody::None => in_path,
    };
    query(&binding.rpc.input(), "", &elsewhere, 0, components, &mut parameters);
    parameters
}

/// The fields of the message itself that are in the path.
pub(super) fn in_path(binding: &Binding) -> Vec<FieldDescriptor> {
    let variables = binding.template.variables().iter().filter(|variable| variable.field.len() == 1);
    variables.filter_map(|variable| field(&binding.rpc.input(), &variable.field)).collect()
}

fn field(message: &MessageDescriptor, names: &[String]) -> Option<FieldDescriptor> {
    let (first, rest) = names.split_first()?;
    let found = message.get_field_by_name(first).or_else(|| message.get_field_by_json_name(first))?;
    if rest.is_empty() { Some(found) } else { field(found.kind().as_message()?, rest) }
}

fn query(
    message: &MessageDescriptor,
    prefix: &str,
    elsewhere: &[FieldDescriptor],
    depth: usize,
    components: &mut Components,
    parameters: &mut Vec<Value>,
) {
    for field in message.fields().filter(|field| !elsewhere.contains(field) && !field.is_map()) {
        let name = format!("{prefix}{}", field.json_name());
        if let Some(inner) = object(&field) {
            if depth < MAX_DEPTH && !field.is_list() {
                query(&inner, &format!("{name}."), elsewhere, depth + 1, components, parameters);
            }
            continue;
        }
        let constraint = Constraint::of(&field);
        let mut schema = components.value(&field, ValueContext::Parameter);
        constraint.apply(&mut schema, &[]);
        parameters.push(json!({
            "name": name,
            "in": "query",
            "required": constraint.is_required && depth == 0,
            "description": comment::of(&field.parent_file(), field.path()),
            "schema": schema,
        }));
    }
}
