//! The options of a field that restrict its value: `countersign.v1.field_schema` and `google.api.field_behavior`.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor, Value as Reflected};
use serde_json::{Value, json};

use super::text;

/// The restrictions of one field.
#[derive(Debug, Default)]
pub(super) struct Constraint {
    pub is_required: bool,
    /// Another field: if that is set, this one is required, and else it must be empty.
    pub goes_with: Option<String>,
    /// Another field: unless that is set, this one must be empty.
    pub only_with: Option<String>,
    min_length: Option<u32>,
    max_length: Option<u32>,
    pattern: Option<String>,
    format: Option<String>,
    minimum: Option<i64>,
    /// An example of the value in JSON.
    pub example: Option<Value>,
    /// Other fields, and the fewest characters that this field must have if they are set.
    beside: Vec<(String, u32)>,
}

impl Constraint {
    pub(super) fn of(field: &FieldDescriptor) -> Self {
        let (options, pool) = (field.options(), field.parent_file().parent_pool().clone());
        let mut this = Self::default();
        if let Some(behavior) = pool.get_extension_by_name("google.api.field_behavior") {
            // 2 is `REQUIRED`.
            let value = options.get_extension(&behavior);
            this.is_required = value.as_list().unwrap_or_default().iter().any(|one| one.as_enum_number() == Some(2));
        }
        let Some(extension) = pool.get_extension_by_name("countersign.v1.field_schema") else { return this };
        let value = options.get_extension(&extension);
        let Some(schema) = value.as_message() else { return this };
        this.min_length = number(schema, "min_length");
        this.max_length = number(schema, "max_length");
        this.format = string(schema, "format");
        this.example = string(schema, "example").map(|text| match field.kind() {
            Kind::String | Kind::Int64 | Kind::Uint64 | Kind::Enum(_) | Kind::Bytes => text.into(),
            // A number, `true` or `false`.
            _ => serde_json::from_str(&text).unwrap_or_else(|_| text.into()),
        });
        this.goes_with = string(schema, "goes_with");
        this.only_with = string(schema, "only_with");
        this.minimum = get(schema, "minimum").and_then(|value| value.as_i64());
        this.pattern = string(schema, "pattern").or_else(|| {
            let number = get(schema, "text")?.as_enum_number()?;
            let kind =
                schema.get_field_by_name("text").and(extension.kind().as_message()?.get_field_by_name("text"))?;
            text::pattern(kind.kind().as_enum()?.get_value(number)?.name())
        });
        let beside = get(schema, "beside");
        this.beside =
            beside.iter().flat_map(|list| list.as_list().unwrap_or_default()).filter_map(beside_one).collect();
        this
    }

    /// Adds the keywords of JSON Schema for a value beside `others`, the fields that are set. A reference gets none:
    /// many generators ignore what stands beside it.
    pub(super) fn apply(&self, schema: &mut Value, others: &[String]) {
        let beside = self.beside.iter().find(|(other, _)| others.contains(other)).map(|(_, least)| *least);
        let keywords = [
            ("minLength", beside.or(self.min_length).map(Value::from)),
            ("maxLength", self.max_length.map(Value::from)),
            ("pattern", self.pattern.clone().map(Value::from)),
            ("format", self.format.clone().map(Value::from)),
            ("minimum", self.minimum.map(Value::from)),
            ("examples", self.example.as_ref().map(|example| json!([example]))),
        ];
        // In a list, each element is restricted.
        let one = if schema.get("items").is_some() { &mut schema["items"] } else { schema };
        if one.get("$ref").is_some() {
            return;
        }
        for (keyword, value) in keywords {
            if let Some(value) = value {
                one[keyword] = value;
            }
        }
    }
}

/// Whether exactly one field of a oneof must be set.
pub(super) fn is_required(oneof: &OneofDescriptor) -> bool {
    let extension = oneof.parent_file().parent_pool().get_extension_by_name("countersign.v1.required_oneof");
    extension.is_some_and(|extension| oneof.options().get_extension(&extension).as_bool() == Some(true))
}

/// What holds between the fields of a message, in sentences, because generators of clients cannot read the keywords of
/// JSON Schema for it.
pub(super) fn sentences(message: &MessageDescriptor) -> Vec<String> {
    let mut sentences = Vec::new();
    for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
        let names: Vec<_> = oneof.fields().map(|field| format!("`{}`", field.json_name())).collect();
        let how_many = if is_required(&oneof) { "exactly" } else { "at most" };
        sentences.push(format!("Set {how_many} one of {}.", names.join(" and ")));
    }
    let shown =
        |name: &str| message.get_field_by_name(name).map_or(name.to_owned(), |field| field.json_name().to_owned());
    for field in message.fields() {
        let (name, constraint) = (field.json_name(), Constraint::of(&field));
        if let Some(other) = &constraint.goes_with {
            sentences.push(format!("`{name}` is required with `{}` and must otherwise be empty.", shown(other)));
        }
        if let Some(other) = &constraint.only_with {
            sentences.push(format!("`{name}` may be set only with `{}`.", shown(other)));
        }
        for (other, least) in &constraint.beside {
            sentences.push(format!("With `{}`, `{name}` must have at least {least} characters.", shown(other)));
        }
    }
    sentences
}

fn beside_one(value: &Reflected) -> Option<(String, u32)> {
    let beside = value.as_message()?;
    Some((string(beside, "field")?, number(beside, "min_length")?))
}

fn get(message: &DynamicMessage, name: &str) -> Option<Reflected> {
    message.get_field_by_name(name).filter(|_| message.has_field_by_name(name)).map(|value| value.into_owned())
}

fn string(message: &DynamicMessage, name: &str) -> Option<String> {
    get(message, name).and_then(|value| Some(value.as_str()?.to_owned()))
}

fn number(message: &DynamicMessage, name: &str) -> Option<u32> {
    get(message, name).and_then(|value| value.as_u32())
}
