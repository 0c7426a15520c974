//! Examples of whole messages, made from the examples of their fields.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::components::{OneofForm, forms};
use super::constraint::Constraint;

/// The most messages within messages that an example shows. A message may contain itself.
const MAX_DEPTH: usize = 5;

/// One example for each way to fill the oneofs of a request, with the required fields only. Its name is that of the
/// fields in the oneofs.
pub(super) fn requests(message: &MessageDescriptor, elsewhere: &[FieldDescriptor]) -> Map<String, Value> {
    let mut examples = Map::new();
    for form in forms(message) {
        let names: Vec<_> = form.iter().map(|field| field.name().to_owned()).collect();
        let mut example = Map::new();
        for field in message.fields().filter(|field| !elsewhere.contains(field)) {
            let constraint = Constraint::of(&field);
            let goes_with = constraint.goes_with.as_ref().is_some_and(|other| names.contains(other));
            if form.contains(&field) || constraint.is_required || goes_with {
                example.insert(field.json_name().to_owned(), constraint.example.unwrap_or_default());
            }
        }
        let name = if names.is_empty() { "request".to_owned() } else { names.join("_") };
        examples.insert(name, json!({ "value": example }));
    }
    examples
}

/// An example of an answer, with all fields that have an example.
pub(super) fn answer(message: &MessageDescriptor) -> Value {
    of(message, 0)
}

fn of(message: &MessageDescriptor, depth: usize) -> Value {
    let form: OneofForm = forms(message).into_iter().next().unwrap_or_default();
    let mut example = Map::new();
    for field in message.fields() {
        let is_other = field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic()) && !form.contains(&field);
        if is_other || field.is_map() {
            continue;
        }
        let value = match (Constraint::of(&field).example, field.kind()) {
            (Some(example), _) => Some(example),
            (None, Kind::Message(inner)) => {
                well_known(&inner).or_else(|| (depth < MAX_DEPTH).then(|| of(&inner, depth + 1)))
            }
            (None, Kind::Bool) => Some(true.into()),
            (None, Kind::Enum(kind)) => kind.get_value(1).map(|value| value.name().into()),
            _ => None,
        };
        if let Some(value) = value {
            let value = if field.is_list() { json!([value]) } else { value };
            example.insert(field.json_name().to_owned(), value);
        }
    }
    Value::Object(example)
}

fn well_known(message: &MessageDescriptor) -> Option<Value> {
    match message.full_name().strip_prefix("google.protobuf.")? {
        "Timestamp" => Some("2026-11-22T07:06:45.204Z".into()),
        "Duration" => Some("1.5s".into()),
        "Struct" | "Empty" => Some(json!({})),
        _ => Some(Value::Null),
    }
}
