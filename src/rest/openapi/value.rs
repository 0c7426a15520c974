//! The schema of a value that the JSON mapping of protobuf does not write as an object of fields: scalars and
//! well-known types. A request may also have numbers as text; the document describes one form, which generators of
//! clients can read.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Value, json};

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueContext {
    /// In the JSON of a request.
    Request,
    /// In a path or a query, as text.
    Parameter,
    /// In the JSON of a response.
    Response,
}

/// The schema of a value; `None` if it has a named one: an enum, or a message that is an object of its fields.
pub(super) fn schema(kind: &Kind, context: ValueContext) -> Option<Value> {
    Some(match kind {
        Kind::Double => json!({ "type": "number", "format": "double" }),
        Kind::Float => json!({ "type": "number", "format": "float" }),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => integer("int32", i32::MIN.into(), i32::MAX.into()),
        Kind::Uint32 | Kind::Fixed32 => integer("uint32", 0, u32::MAX.into()),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => long("int64", "^-?[0-9]+$", context),
        Kind::Uint64 | Kind::Fixed64 => long("uint64", "^[0-9]+$", context),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::String => json!({ "type": "string" }),
        Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Kind::Enum(_) => return None,
        Kind::Message(message) => return well_known(message, context),
    })
}

/// The message of a field that is written as an object of its fields.
pub(super) fn object(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(message) if well_known(&message, ValueContext::Parameter).is_none() => Some(message),
        _ => None,
    }
}

fn integer(format: &str, least: i64, most: i64) -> Value {
    json!({ "type": "integer", "format": format, "minimum": least, "maximum": most })
}

/// Numbers of 64 bits are written as text, because many JSON parsers keep 53 bits only.
fn long(format: &str, pattern: &str, context: ValueContext) -> Value {
    match context {
        ValueContext::Parameter => json!({ "type": "integer", "format": format }),
        ValueContext::Request | ValueContext::Response => {
            json!({ "type": "string", "format": format, "pattern": pattern })
        }
    }
}

fn well_known(message: &MessageDescriptor, context: ValueContext) -> Option<Value> {
    let wrapped = |kind: Kind| schema(&kind, context);
    Some(match message.full_name().strip_prefix("google.protobuf.")? {
        "Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "Duration" => json!({ "type": "string", "pattern": r"^-?[0-9]+(?:\.[0-9]{1,9})?s$" }),
        "FieldMask" => json!({ "type": "string" }),
        "Struct" => json!({ "type": "object" }),
        "ListValue" => json!({ "type": "array", "items": {} }),
        "Value" => json!({}),
        "Empty" => json!({ "type": "object", "additionalProperties": false }),
        "Any" => json!({ "type": "object", "required": ["@type"], "properties": { "@type": { "type": "string" } } }),
        "BoolValue" => wrapped(Kind::Bool)?,
        "StringValue" => wrapped(Kind::String)?,
        "BytesValue" => wrapped(Kind::Bytes)?,
        "DoubleValue" => wrapped(Kind::Double)?,
        "FloatValue" => wrapped(Kind::Float)?,
        "Int32Value" => wrapped(Kind::Int32)?,
        "Int64Value" => wrapped(Kind::Int64)?,
        "UInt32Value" => wrapped(Kind::Uint32)?,
        "UInt64Value" => wrapped(Kind::Uint64)?,
        _ => return None,
    })
}
