//! An HTTP request as the one message that an RPC takes. What stands in the path and in the query is put into the JSON of the
//! body, where its field would be; all of it is then read at once, by the canonical JSON mapping. So a value means the
//! same wherever it stands, and is judged once.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value};

use super::escapes::{NOT_WHOLE, decode, pairs};
use super::fields;
use super::names::{self, UNKNOWN, Violation, shown};
use super::rules::{Binding, RequestBody};

/// Names from a message down to a field. More are no field of anybody's, and messages may contain themselves.
const DEEPEST: usize = 32;

/// The message of a request whose path matched `binding` with these texts of its variables.
pub(super) fn message(
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
        let place = Place::find(&input, &name)?;
        let value = place.value(text)?;
        // The path wins over the body, by whichever name that has it.
        *place.of(&mut json)? = value;
        in_path.push(place.names);
    }
    let mut in_query: Vec<Vec<String>> = Vec::new();
    for (name, text) in pairs(query) {
        let (name, text) = (name.ok_or(("query".to_owned(), NOT_WHOLE))?, text.ok_or(("query".to_owned(), NOT_WHOLE))?);
        let place = Place::find(&input, &name)?;
        let is_elsewhere = match &binding.body {
            RequestBody::Whole => true,
            RequestBody::Field(field) => place.names.first().is_some_and(|first| first == field.json_name()),
            RequestBody::None => false,
        };
        if is_elsewhere || in_path.contains(&place.names) {
            return Err((shown(&name), "is no query parameter of this path"));
        }
        let value = place.value(text)?;
        let there = place.of(&mut json)?;
        match there {
            Value::Array(list) if place.field.is_list() => list.push(value),
            _ if place.field.is_list() => *there = Value::Array(vec![value]),
            _ if in_query.contains(&place.names) => return Err((shown(&name), "must be given once")),
            _ => *there = value,
        }
        in_query.push(place.names);
    }
    read(input, json)
}

/// By the canonical JSON mapping. An error says where, and what should be there, and not what is: it may be a password.
fn read(descriptor: MessageDescriptor, mut json: Value) -> Result<DynamicMessage, Violation> {
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

/// Where a parameter's value belongs.
struct Place {
    /// By their names in JSON.
    names: Vec<String>,
    /// The same by their names in the proto.
    aliases: Vec<String>,
    field: FieldDescriptor,
}

impl Place {
    fn find(input: &MessageDescriptor, path: &str) -> Result<Self, Violation> {
        let unknown = || (shown(path), UNKNOWN);
        let names: Vec<_> = path.split('.').take(DEEPEST + 1).collect();
        if names.len() > DEEPEST {
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

    /// A text as the JSON that it would be: most types are a string there, or may be.
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

    /// The place of it in `json`, made if it is missing.
    fn of<'a>(&self, json: &'a mut Value) -> Result<&'a mut Value, Violation> {
        let mut place = json;
        for (name, alias) in self.names.iter().zip(&self.aliases) {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            let Value::Object(map) = place else { return Err((shown(&self.names.join(".")), "has the wrong type")) };
            if alias != name
                && let Some(value) = map.remove(alias)
                && map.insert(name.clone(), value).is_some()
            {
                return Err((shown(alias), names::BOTH));
            }
            place = map.entry(name).or_insert(Value::Null);
        }
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;
    use prost_reflect::{
        DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value,
    };

    use super::read;
    use crate::pb::DESCRIPTORS;

    fn pool() -> DescriptorPool {
        DescriptorPool::decode(DESCRIPTORS).unwrap()
    }

    fn values(kind: Kind) -> BoxedStrategy<Value> {
        match kind {
            Kind::String => any::<String>().prop_map(Value::String).boxed(),
            Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
            Kind::Int32 => any::<i32>().prop_map(Value::I32).boxed(),
            Kind::Uint32 => any::<u32>().prop_map(Value::U32).boxed(),
            Kind::Int64 => any::<i64>().prop_map(Value::I64).boxed(),
            Kind::Enum(_) => (0..4).prop_map(Value::EnumNumber).boxed(),
            Kind::Message(message) => messages(&message).prop_map(Value::Message).boxed(),
            other => unreachable!("no message of ours has {other:?}"),
        }
    }

    fn fields(field: &FieldDescriptor) -> BoxedStrategy<Value> {
        let one = values(field.kind());
        if field.is_list() { prop::collection::vec(one, 0..4).prop_map(Value::List).boxed() } else { one }
    }

    fn messages(descriptor: &MessageDescriptor) -> BoxedStrategy<DynamicMessage> {
        let descriptor = descriptor.clone();
        if matches!(descriptor.full_name(), "google.protobuf.Timestamp" | "google.protobuf.Duration") {
            // What both can say: a duration's sign is that of its nanoseconds, too.
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
                // Of a oneof, the last that is set is there.
                some.iter().zip(values).for_each(|(field, value)| message.set_field(field, value));
                message
            })
        })
        .boxed()
    }

    fn any_message() -> impl Strategy<Value = DynamicMessage> {
        let ours: Vec<_> =
            pool().all_messages().filter(|message| message.full_name().starts_with("countersign.v1.")).collect();
        prop::sample::select(ours).prop_flat_map(|descriptor| messages(&descriptor))
    }

    fn json(message: &DynamicMessage) -> serde_json::Value {
        serde_json::to_value(message).unwrap()
    }

    proptest! {
        #[test]
        fn what_a_message_is_as_json_is_read_as_that_message(message in any_message()) {
            // As bytes, in which a default that was set is one that was not.
            let read = read(message.descriptor(), json(&message)).map(|read| read.encode_to_vec());
            prop_assert_eq!(read, Ok(message.encode_to_vec()));
        }

        #[test]
        fn what_is_taken_from_one_message_and_put_into_another_is_read_or_refused(
            of in any_message(), into in any_message(), name in any::<String>(),
        ) {
            let _ = read(into.descriptor(), json(&of));
            let mut odd = json(&into);
            odd[name.as_str()] = json(&of);
            if into.descriptor().get_field_by_json_name(&name).is_none() && into.descriptor().get_field_by_name(&name).is_none() {
                prop_assert!(read(into.descriptor(), odd).is_err());
            }
        }
    }
}
