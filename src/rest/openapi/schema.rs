//! The schemas of messages. A request allows no other properties, and has one form for each way to fill its oneofs. A
//! response allows others, because a later version of the service may send more.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};
use serde_json::{Map, Value, json};

use super::comment;
use super::constraint::{self, Constraint};
use super::value::{self, ValueContext};

/// The schemas that operations refer to. Each is made when it is first referred to.
#[derive(Debug, Default)]
pub(super) struct Schemas(Map<String, Value>);

/// One way to fill the oneofs of a message: the fields that are set.
pub(super) type OneofForm = Vec<FieldDescriptor>;

impl Schemas {
    pub(super) fn into_components(self) -> Map<String, Value> {
        self.0
    }

    pub(super) fn insert(&mut self, name: &str, schema: Value) {
        self.0.insert(name.to_owned(), schema);
    }

    /// A reference to the schema of a message, which is made if it is missing.
    pub(super) fn reference(&mut self, message: &MessageDescriptor, context: ValueContext) -> Value {
        let name = name(message, context);
        if !self.0.contains_key(&name) {
            // The name is taken before the schema is made, because a message may contain itself.
            self.0.insert(name.clone(), Value::Null);
            let schema = if context == ValueContext::Response { self.answer(message) } else { self.body(message, &[]) };
            self.0.insert(name.clone(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    fn answer(&mut self, message: &MessageDescriptor) -> Value {
        let mut properties = Map::new();
        for field in message.fields() {
            let mut schema = self.value(&field, ValueContext::Response);
            Constraint::of(&field).apply(&mut schema, &[]);
            properties.insert(field.json_name().to_owned(), described(&field, schema));
        }
        json!({ "type": "object", "description": description(message), "properties": properties })
    }

    /// The schema of a request body: all fields except `elsewhere`, which are in the path.
    pub(super) fn body(&mut self, message: &MessageDescriptor, elsewhere: &[FieldDescriptor]) -> Value {
        let mut forms: Vec<_> = forms(message).iter().map(|form| self.form(message, form, elsewhere)).collect();
        if forms.len() > 1 {
            return json!({ "description": description(message), "oneOf": forms });
        }
        forms.pop().unwrap_or_default()
    }

    fn form(&mut self, message: &MessageDescriptor, form: &[FieldDescriptor], elsewhere: &[FieldDescriptor]) -> Value {
        let others: Vec<_> = form.iter().map(|field| field.name().to_owned()).collect();
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in message.fields().filter(|field| !elsewhere.contains(field)) {
            let (schema, is_required) = self.entry(&field, form, &others);
            properties.insert(field.json_name().to_owned(), described(&field, schema));
            if is_required {
                required.push(field.json_name().to_owned());
            }
        }
        let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        if form.is_empty() {
            schema["description"] = description(message).into();
        } else {
            schema["title"] = format!("{} with {}", message.name(), others.join(", ")).into();
        }
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }

    /// The schema of a field in a request, and whether it is required.
    fn entry(&mut self, field: &FieldDescriptor, form: &[FieldDescriptor], others: &[String]) -> (Value, bool) {
        let constraint = Constraint::of(field);
        let goes_with = constraint.goes_with.as_ref().map(|other| others.contains(other));
        if form.contains(field) || constraint.is_required || goes_with == Some(true) {
            return (self.must(field, others), true);
        }
        let is_excluded = field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic());
        let lacks_other = constraint.only_with.as_ref().is_some_and(|other| !others.contains(other));
        let schema = match self.value(field, ValueContext::Request) {
            _ if is_excluded => json!({ "type": "null" }),
            _ if goes_with == Some(false) || lacks_other => value::unset(&field.kind()),
            schema => nullable(or_empty(field, &constraint, schema)),
        };
        (schema, false)
    }

    /// The schema of a value that is present and not empty, beside the fields `others`.
    pub(super) fn must(&mut self, field: &FieldDescriptor, others: &[String]) -> Value {
        let mut schema = self.value(field, ValueContext::Request);
        if field.kind() == Kind::String && !field.is_list() {
            schema["minLength"] = 1.into();
        }
        Constraint::of(field).apply(&mut schema, others);
        schema
    }

    /// The schema of a field by its type alone, without its options.
    pub(super) fn value(&mut self, field: &FieldDescriptor, context: ValueContext) -> Value {
        let kind = field.kind();
        if let (true, Kind::Message(entry)) = (field.is_map(), &kind) {
            let value = self.one(&entry.map_entry_value_field().kind(), context);
            return json!({ "type": "object", "additionalProperties": value });
        }
        let schema = self.one(&kind, context);
        if field.is_list() { json!({ "type": "array", "items": schema }) } else { schema }
    }

    fn one(&mut self, kind: &Kind, context: ValueContext) -> Value {
        match (value::schema(kind, context), kind) {
            (Some(schema), _) => schema,
            (None, Kind::Message(message)) => self.reference(message, context),
            (None, _) => json!({}),
        }
    }
}

/// Every way to fill the oneofs of a message: one field of each, or none of a oneof that may be empty.
pub(super) fn forms(message: &MessageDescriptor) -> Vec<OneofForm> {
    let oneofs = message.oneofs().filter(|oneof| !oneof.is_synthetic());
    oneofs.fold(vec![Vec::new()], |forms, oneof: OneofDescriptor| {
        let none = (!constraint::is_required(&oneof)).then_some(None);
        let ways: Vec<_> = oneof.fields().map(Some).chain(none).collect();
        let with = |form: &OneofForm, way: &Option<FieldDescriptor>| form.iter().cloned().chain(way.clone()).collect();
        forms.iter().flat_map(|form| ways.iter().map(move |way| with(form, way))).collect()
    })
}

/// Restricts a field that may be left out. An empty text means the same as none, unless the field has explicit
/// presence.
pub(super) fn or_empty(field: &FieldDescriptor, constraint: &Constraint, mut schema: Value) -> Value {
    if field.is_list() || field.kind() != Kind::String || field.supports_presence() {
        constraint.apply(&mut schema, &[]);
        return schema;
    }
    let mut set = json!({});
    constraint.apply(&mut set, &[]);
    if set != json!({}) {
        schema["anyOf"] = json!([set, { "maxLength": 0 }]);
    }
    schema
}

/// Allows `null` as well, which means in JSON that the field is not set.
fn nullable(mut schema: Value) -> Value {
    match schema.get("type").cloned() {
        Some(Value::String(kind)) if schema.get("enum").is_none() => {
            schema["type"] = json!([kind, "null"]);
            schema
        }
        _ => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}

fn described(field: &FieldDescriptor, mut schema: Value) -> Value {
    let comment = comment::of(&field.parent_file(), field.path());
    if !comment.is_empty() {
        schema["description"] = comment.into();
    }
    schema
}

fn description(message: &MessageDescriptor) -> String {
    comment::of(&message.parent_file(), message.path())
}

/// The name of a schema: that of the message without its package. A message within requests has a schema of its own, as
/// it may be part of responses, too.
fn name(message: &MessageDescriptor, context: ValueContext) -> String {
    let full = message.full_name();
    let short = full.strip_prefix(message.package_name()).map_or(full, |name| name.trim_start_matches('.'));
    if context == ValueContext::Response || short.ends_with("Request") {
        short.to_owned()
    } else {
        format!("{short}Input")
    }
}
