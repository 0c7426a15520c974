//! The schemas of messages and enums, and the responses, that operations refer to by name. Client generators make one
//! type of each. Every schema uses only what all of them can read: a request is a plain object of all fields, and a
//! sentence says which of them exclude each other. A request allows no other properties. A response allows others,
//! because a later version of the service may send more.

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};
use serde_json::{Map, Value, json};

use super::comment;
use super::constraint::{self, Constraint};
use super::value::{self, ValueContext};

/// The named parts of the document. Each is made when it is first referred to.
#[derive(Debug, Default)]
pub(super) struct Components {
    schemas: Map<String, Value>,
    responses: Map<String, Value>,
}

/// One way to fill the oneofs of a message: the fields that are set.
pub(super) type OneofForm = Vec<FieldDescriptor>;

impl Components {
    pub(super) fn into_json(self) -> Value {
        json!({ "schemas": self.schemas, "responses": self.responses })
    }

    pub(super) fn insert(&mut self, name: &str, schema: Value) -> Value {
        self.schemas.insert(name.to_owned(), schema);
        reference_to(name)
    }

    /// A reference to a response, which is inserted under this name.
    pub(super) fn response(&mut self, name: &str, response: Value) -> Value {
        self.responses.insert(name.to_owned(), response);
        json!({ "$ref": format!("#/components/responses/{name}") })
    }

    /// A reference to the schema of a message, which is made if it is missing.
    pub(super) fn reference(&mut self, message: &MessageDescriptor, context: ValueContext) -> Value {
        let name = name(message, context);
        if !self.schemas.contains_key(&name) {
            // The name is taken before the schema is made, because a message may contain itself.
            self.schemas.insert(name.clone(), Value::Null);
            let schema = if context == ValueContext::Response { self.answer(message) } else { self.body(message, &[]) };
            self.schemas.insert(name.clone(), schema);
        }
        reference_to(&name)
    }

    /// A reference to the schema of a request body: all fields except `elsewhere`, which are in the path.
    pub(super) fn body_reference(&mut self, message: &MessageDescriptor, elsewhere: &[FieldDescriptor]) -> Value {
        if elsewhere.is_empty() {
            return self.reference(message, ValueContext::Request);
        }
        let (schema, mut name) = (self.body(message, elsewhere), name(message, ValueContext::Request));
        while self.schemas.get(&name).is_some_and(|other| *other != schema) {
            name.push_str("Body");
        }
        self.insert(&name, schema)
    }

    fn answer(&mut self, message: &MessageDescriptor) -> Value {
        let mut properties = Map::new();
        for field in message.fields() {
            let mut schema = self.value(&field, ValueContext::Response);
            Constraint::of(&field).apply(&mut schema, &[]);
            properties.insert(field.json_name().to_owned(), described(&field, schema));
        }
        let description = if properties.is_empty() { EMPTY_ANSWER.to_owned() } else { description(message) };
        json!({ "type": "object", "description": description, "properties": properties })
    }

    fn body(&mut self, message: &MessageDescriptor, elsewhere: &[FieldDescriptor]) -> Value {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in message.fields().filter(|field| !elsewhere.contains(field)) {
            let constraint = Constraint::of(&field);
            let schema = match constraint.is_required {
                true => self.must(&field, &[]),
                false => self.may(&field, &constraint),
            };
            properties.insert(field.json_name().to_owned(), described(&field, schema));
            required.extend(constraint.is_required.then(|| field.json_name().to_owned()));
        }
        let description = [vec![description(message)], constraint::sentences(message)].concat().join(" ");
        let mut schema = json!({ "type": "object", "description": description });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema["properties"] = Value::Object(properties);
        schema["additionalProperties"] = false.into();
        schema
    }

    fn may(&mut self, field: &FieldDescriptor, constraint: &Constraint) -> Value {
        let mut schema = self.value(field, ValueContext::Request);
        constraint.apply(&mut schema, &[]);
        schema
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
            (None, Kind::Enum(kind)) => self.enumeration(kind),
            (None, _) => json!({}),
        }
    }

    fn enumeration(&mut self, kind: &EnumDescriptor) -> Value {
        let file = kind.parent_file();
        let names: Vec<_> = kind.values().map(|value| value.name().to_owned()).collect();
        let values = kind.values().map(|value| (value.name().to_owned(), comment::of(&file, value.path())));
        let lines: String = values.map(|(name, text)| format!("\n- `{name}`: {text}")).collect();
        let description = format!("{}\n{lines}", comment::of(&file, kind.path()));
        let name = short_name(kind.full_name(), kind.package_name());
        self.insert(name, json!({ "type": "string", "enum": names, "description": description }))
    }
}

/// Every answer without fields has one schema.
const EMPTY_ANSWER: &str = "An answer that has no fields.";

fn reference_to(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
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
/// it may be part of responses, too. `LoginResponse` becomes `LoginAnswer`, because some generators add a type for the
/// operation `login` that they call `LoginResponse`.
fn name(message: &MessageDescriptor, context: ValueContext) -> String {
    let short = short_name(message.full_name(), message.package_name());
    match context {
        ValueContext::Response if message.fields().len() == 0 => "EmptyAnswer".to_owned(),
        ValueContext::Response => match short.strip_suffix("Response") {
            Some(name) => format!("{name}Answer"),
            None => short.to_owned(),
        },
        _ if short.ends_with("Request") => short.to_owned(),
        _ => format!("{short}Input"),
    }
}

fn short_name<'a>(full: &'a str, package: &str) -> &'a str {
    full.strip_prefix(package).map_or(full, |name| name.trim_start_matches('.'))
}
