//! Makes the message of an RPC from an HTTP request. The values from the path and the query are put into the JSON of
//! the body, at the place of their field. All of it is then deserialized at once by the JSON mapping of protobuf, so a
//! value means the same wherever it stands, and is checked once.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};

use crate::binding::{Binding, RequestBody};
use crate::escapes::{NOT_WHOLE, decode, query_pairs};
use crate::fields;
use crate::names::{self, UNKNOWN, Violation, shown};

/// The most names in the path of a field. Messages may contain themselves, so the descriptors set no bound.
const MAX_DEPTH: usize = 32;

/// The message of a request for `binding`. `variables` are the texts of the variables in its path, still
/// percent-encoded.
pub(crate) fn of_request(
    binding: &Binding,
    variables: &[&str],
    query: &str,
    body: Option<Value>,
) -> Result<DynamicMessage, Violation> {
    let input = binding.rpc.input();
    let mut json = match (&binding.body, body) {
        (RequestBody::Whole, Some(body @ Value::Object(_))) => body,
        (RequestBody::Whole, Some(_)) => return Err(("body".to_owned(), "must be a JSON object")),
        (RequestBody::Field(field), Some(body)) => {
            Value::Object(Map::from_iter([(field.json_name().to_owned(), body)]))
        }
        _ => Value::Object(Map::new()),
    };
    let mut in_path = Vec::new();
    for (variable, text) in binding.template.variables().iter().zip(variables) {
        let name = variable.field.join(".");
        let text = decode(text, variable.is_path).ok_or((name.clone(), NOT_WHOLE))?;
        let parameter = Parameter::find(&input, &name)?;
        let value = parameter.value(text)?;
        let slot = parameter.slot(&mut json)?;
        if !slot.is_null() && !is_same(slot, &value) {
            return Err((shown(&name), "differs from its value in the path: leave it out of the body"));
        }
        *slot = value;
        in_path.push(parameter.names);
    }
    let mut in_query: Vec<Vec<String>> = Vec::new();
    for (name, text) in query_pairs(query) {
        let (name, text) = (name.ok_or(("query".to_owned(), NOT_WHOLE))?, text.ok_or(("query".to_owned(), NOT_WHOLE))?);
        let parameter = Parameter::find(&input, &name)?;
        let is_elsewhere = match &binding.body {
            RequestBody::Whole => true,
            RequestBody::Field(field) => parameter.names.first().is_some_and(|first| first == field.json_name()),
            RequestBody::None => false,
        };
        if is_elsewhere || in_path.contains(&parameter.names) {
            return Err((shown(&name), "is no query parameter of this path"));
        }
        if parameter.is_time_with_space(&text) {
            return Err((shown(&name), "must be a time, with %2B for a + in a query: 2026-01-02T03:04:05%2B01:00"));
        }
        let value = parameter.value(text)?;
        let slot = parameter.slot(&mut json)?;
        match slot {
            Value::Array(list) if parameter.field.is_list() => list.push(value),
            _ if parameter.field.is_list() => *slot = Value::Array(vec![value]),
            _ if in_query.contains(&parameter.names) => return Err((shown(&name), "must be given once")),
            _ => *slot = value,
        }
        in_query.push(parameter.names);
    }
    deserialize(input, json)
}

/// Whether a value in the body is that of the path, where all but booleans and numbers of enums are texts.
fn is_same(in_body: &Value, in_path: &Value) -> bool {
    in_body == in_path || (in_body.is_number() && in_path.as_str() == Some(&in_body.to_string()))
}

/// Deserializes by the JSON mapping of protobuf. An error says where the problem is and what should be there. It does
/// not repeat the value, which may be a password.
fn deserialize(descriptor: MessageDescriptor, mut json: Value) -> Result<DynamicMessage, Violation> {
    names::check(&descriptor, &mut json, "")?;
    let mut track = serde_path_to_error::Track::new();
    let json = serde_path_to_error::Deserializer::new(json, &mut track);
    DynamicMessage::deserialize(descriptor.clone(), json).map_err(|_| {
        let path = track.path().to_string();
        let names: Vec<_> = path.split('.').map(|name| name.split('[').next().unwrap_or_default()).collect();
        let problem = fields::find(&descriptor, &names).map_or("has the wrong type", |field| expected(&field));
        (shown(&path), problem)
    })
}

fn expected(field: &FieldDescriptor) -> &'static str {
    match field.kind() {
        _ if field.is_map() => "must be an object",
        Kind::String => "must be a string",
        Kind::Bool => "must be true or false",
        Kind::Bytes => "must be a string in base64",
        Kind::Enum(_) => "must be one of its names",
        Kind::Double | Kind::Float => "must be a number",
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Timestamp" => "must be a time, like \"2026-01-02T03:04:05Z\"",
            "google.protobuf.Duration" => "must be a duration, like \"1.5s\"",
            _ => "has the wrong type",
        },
        _ => "must be an integer within its range",
    }
}

/// A field that is set by a variable of the path or a parameter of the query.
struct Parameter {
    /// The fields from the request message down to this one, by their names in JSON.
    names: Vec<String>,
    /// The same fields by their names in the proto.
    aliases: Vec<String>,
    field: FieldDescriptor,
}

impl Parameter {
    fn find(input: &MessageDescriptor, path: &str) -> Result<Self, Violation> {
        let unknown = || (shown(path), UNKNOWN);
        let names: Vec<_> = path.split('.').take(MAX_DEPTH + 1).collect();
        if names.len() > MAX_DEPTH {
            return Err(unknown());
        }
        let fields: Option<Vec<_>> = (1..=names.len()).map(|end| fields::find(input, names.get(..end)?)).collect();
        let fields = fields.ok_or_else(unknown)?;
        let field = fields.last().cloned().ok_or_else(unknown)?;
        if field.is_map() || !fields::has_text(&field.kind()) {
            return Err((shown(path), "must name a field that holds a single value"));
        }
        let names = fields.iter().map(|field| field.json_name().to_owned()).collect();
        let aliases = fields.iter().map(|field| field.name().to_owned()).collect();
        Ok(Self { names, aliases, field })
    }

    /// The JSON value of a text. Most types are a string in JSON, or may be written as one.
    fn value(&self, text: String) -> Result<Value, Violation> {
        let boolean = || match text.as_str() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err((shown(&self.names.join(".")), "must be true or false")),
        };
        match self.field.kind() {
            Kind::Bool => boolean(),
            Kind::Message(message) if message.full_name() == "google.protobuf.BoolValue" => boolean(),
            Kind::Enum(_) => Ok(text.parse::<i32>().map_or_else(|_| Value::String(text), Value::from)),
            _ => Ok(Value::String(text)),
        }
    }

    /// Whether the text is a time with a space behind its date. A query has `+` for a space, so the space was meant to
    /// be the sign of the time's offset.
    fn is_time_with_space(&self, text: &str) -> bool {
        let is_time =
            matches!(self.field.kind(), Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp");
        is_time && text.get("2026-01-02T".len()..).is_some_and(|time| time.contains(' '))
    }

    /// The value of the field within `json`, `null` if it was missing.
    fn slot<'a>(&self, json: &'a mut Value) -> Result<&'a mut Value, Violation> {
        let mut slot = json;
        for (name, alias) in self.names.iter().zip(&self.aliases) {
            if slot.is_null() {
                *slot = Value::Object(Map::new());
            }
            let Value::Object(map) = slot else { return Err((shown(&self.names.join(".")), "has the wrong type")) };
            if alias != name
                && let Some(value) = map.remove(alias)
                && map.insert(name.clone(), value).is_some()
            {
                return Err((shown(alias), names::BOTH_NAMES));
            }
            slot = map.entry(name).or_insert(Value::Null);
        }
        Ok(slot)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;
    use prost_reflect::{
        DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value,
    };

    use super::deserialize;

    fn pool() -> DescriptorPool {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proto");
        let mut compiler = protox::Compiler::new([folder]).unwrap();
        let descriptors = compiler.include_imports(true).open_file("kinds.proto").unwrap().encode_file_descriptor_set();
        DescriptorPool::decode(descriptors.as_slice()).unwrap()
    }

    fn values(kind: Kind) -> BoxedStrategy<Value> {
        match kind {
            Kind::String => any::<String>().prop_map(Value::String).boxed(),
            Kind::Bytes => any::<Vec<u8>>().prop_map(|bytes| Value::Bytes(bytes.into())).boxed(),
            Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
            Kind::Double => prop::num::f64::NORMAL.prop_map(Value::F64).boxed(),
            Kind::Float => prop::num::f32::NORMAL.prop_map(Value::F32).boxed(),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => any::<i32>().prop_map(Value::I32).boxed(),
            Kind::Uint32 | Kind::Fixed32 => any::<u32>().prop_map(Value::U32).boxed(),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => any::<i64>().prop_map(Value::I64).boxed(),
            Kind::Uint64 | Kind::Fixed64 => any::<u64>().prop_map(Value::U64).boxed(),
            Kind::Enum(_) => (0..4).prop_map(Value::EnumNumber).boxed(),
            Kind::Message(message) => messages(&message).prop_map(Value::Message).boxed(),
        }
    }

    fn fields(field: &FieldDescriptor) -> BoxedStrategy<Value> {
        let one = values(field.kind());
        if field.is_list() { prop::collection::vec(one, 0..4).prop_map(Value::List).boxed() } else { one }
    }

    fn messages(descriptor: &MessageDescriptor) -> BoxedStrategy<DynamicMessage> {
        let descriptor = descriptor.clone();
        if matches!(descriptor.full_name(), "google.protobuf.Timestamp" | "google.protobuf.Duration") {
            // Values that are valid for both types: in a duration, seconds and nanoseconds have the same sign.
            return (0..253_402_300_799_i64, 0..1_000_000_000_i32)
                .prop_map(move |(seconds, nanos)| {
                    let mut message = DynamicMessage::new(descriptor.clone());
                    message.set_field_by_name("seconds", Value::I64(seconds));
                    message.set_field_by_name("nanos", Value::I32(nanos));
                    message
                })
                .boxed();
        }
        let all: Vec<_> = descriptor.fields().collect();
        let some = prop::sample::subsequence(all.clone(), 0..=all.len());
        some.prop_flat_map(move |some| {
            let descriptor = descriptor.clone();
            let values: Vec<_> = some.iter().map(fields).collect();
            values.prop_map(move |values| {
                let mut message = DynamicMessage::new(descriptor.clone());
                // Of the fields of a oneof, the last one that is set remains.
                some.iter().zip(values).for_each(|(field, value)| message.set_field(field, value));
                message
            })
        })
        .boxed()
    }

    fn any_message() -> impl Strategy<Value = DynamicMessage> {
        let all: Vec<_> = pool().all_messages().filter(|message| message.full_name().starts_with("kinds.")).collect();
        prop::sample::select(all).prop_flat_map(|descriptor| messages(&descriptor))
    }

    fn json(message: &DynamicMessage) -> serde_json::Value {
        serde_json::to_value(message).unwrap()
    }

    proptest! {
        #[test]
        fn the_json_of_a_message_is_read_as_that_message(message in any_message()) {
            // Compared as bytes, which do not tell a default that was set from one that was not.
            let read = deserialize(message.descriptor(), json(&message)).map(|read| read.encode_to_vec());
            prop_assert_eq!(read, Ok(message.encode_to_vec()));
        }

        #[test]
        fn the_json_of_one_message_is_read_or_refused_as_another(
            of in any_message(), into in any_message(), name in any::<String>(),
        ) {
            let _ = deserialize(into.descriptor(), json(&of));
            let mut odd = json(&into);
            odd[name.as_str()] = json(&of);
            if into.descriptor().get_field_by_json_name(&name).is_none() && into.descriptor().get_field_by_name(&name).is_none() {
                prop_assert!(deserialize(into.descriptor(), odd).is_err());
            }
        }
    }
}
